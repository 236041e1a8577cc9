"""The reference pages of the documentation, as Markdown: made of the CRDs and of the command line, never by hand."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

import typer
from typer.cli import get_docs_for_click

from finetune_core.json_types import Json

_CODE = re.compile(r"(`[^`]*`)")
_HEAD = "| field | type | default | limits | what it means |\n|---|---|---|---|---|"


@dataclass(frozen=True)
class Section:
    """An object of a schema that has fields or rules; `path` is where it stands: `spec.tasks[].training`."""

    path: str
    schema: Json

    @property
    def anchor(self) -> str:
        """Its heading's id in the page."""
        return re.sub("[^a-z0-9]+", "-", self.path.lower()).strip("-")

    @property
    def content(self) -> str:
        """Equal for two objects of the same fields and rules."""
        parts = ("properties", "additionalProperties", "required", "x-kubernetes-validations")
        kept = {key: self.schema.get(key) for key in parts}
        return json.dumps(kept, sort_keys=True)


def crd_page(crd: Json) -> str:
    """A page on a kind: each object of spec and status with its fields, their limits, and the rules over them.

    `crd` is the manifest of a CustomResourceDefinition with one version. Objects that occur at several places are shown
    at the shallowest one, the others point to it.
    """
    version = crd["spec"]["versions"][0]
    names, schema = crd["spec"]["names"], version["schema"]["openAPIV3Schema"]
    short = ", ".join(f"`{name}`" for name in names.get("shortNames", []))
    lines = [
        f"# {names['kind']}",
        "",
        _text(schema.get("description", "")),
        "",
        f"`apiVersion: {crd['spec']['group']}/{version['name']}`, `kind: {names['kind']}`; for kubectl also {short}. "
        f"`kubectl explain {names['singular']}.spec` says the same in a terminal. A field in bold must be set.",
        "",
        *_rules(schema),
        *_columns(version),
    ]
    sections = [*_sections("spec", schema["properties"]["spec"]), *_sections("status", schema["properties"]["status"])]
    homes: dict[str, Section] = {}
    for section in sorted(sections, key=lambda one: one.path.count(".")):
        homes.setdefault(section.content, section)
    for section in sections:
        lines += _section(section, homes[section.content])
    return "\n".join(lines) + "\n"


def cli_page(app: typer.Typer) -> str:
    """A page on every command of a program, with its arguments and options, by typer's own generator."""
    program = typer.main.get_command(app)
    for command in getattr(program, "commands", {}).values():
        # Else the list of commands breaks each off after 45 characters.
        command.short_help = (command.help or "").split("\n\n")[0].replace("\n", " ")
    context = typer.Context(program, info_name="finetune")
    made: str = get_docs_for_click(obj=program, ctx=context, name="finetune", title="Commands and options")
    return "\n".join(_cli_line(line) for line in made.splitlines()) + "\n"


def _cli_line(line: str) -> str:
    """typer writes a placeholder like FILE|DIR... as {FILE|DIR...}, which no one types."""
    return re.sub(r"\{([^}]*)\}", r"\1", line) if line.startswith("$ ") else line


def _sections(path: str, schema: Json) -> Iterator[Section]:
    """An object with fields or rules, and those below it, in the order of the schema."""
    if "properties" in schema or "x-kubernetes-validations" in schema:
        yield Section(path, schema)
    for name, child in schema.get("properties", {}).items():
        yield from _sections(f"{path}.{name}", child)
    for ending, key in (("[]", "items"), (".NAME", "additionalProperties")):
        if isinstance(schema.get(key), dict):
            yield from _sections(f"{path}{ending}", schema[key])


def _section(section: Section, home: Section) -> list[str]:
    level = "##" if "." not in section.path else "###"
    lines = ["", f"{level} {section.path} {{ #{section.anchor} }}", "", _text(section.schema.get("description", ""))]
    if section is not home:
        return [*lines, "", f"Fields and rules are those of [{home.path}](#{home.anchor})."]
    required = section.schema.get("required", [])
    fields = section.schema.get("properties", {}).items()
    rows = [_row(section, name, field, required=name in required) for name, field in fields]
    return [*lines, "", *([_HEAD, *rows, ""] if rows else []), *_rules(section.schema)]


def _row(section: Section, name: str, field: Json, *, required: bool) -> str:
    below = next(_sections(f"{section.path}.{name}", field), None)
    shown = f"[`{name}`](#{below.anchor})" if below else f"`{name}`"
    default = f"`{json.dumps(field['default'])}`" if "default" in field else ""
    cells = (f"**{shown}**" if required else shown, _type(field), default, _limits(field), field.get("description", ""))
    return f"| {' | '.join(_text(cell).replace('|', chr(92) + '|') for cell in cells)} |"


def _type(field: Json) -> str:
    if "enum" in field:
        return ", ".join(f"`{value}`" for value in field["enum"])
    if field.get("x-kubernetes-int-or-string"):
        return "quantity"
    if field.get("type") == "array":
        return f"list of {_type(field['items'])}"
    values = field.get("additionalProperties")
    if isinstance(values, dict):
        return f"map to {_type(values)}"
    return str(field.get("type", "any"))


def _limits(field: Json) -> str:
    parts = [*_range(field.get("minimum"), field.get("maximum"), field)]
    for low, high, what in (
        ("minLength", "maxLength", "characters"),
        ("minItems", "maxItems", "entries"),
        ("minProperties", "maxProperties", "entries"),
    ):
        if low in field or high in field:
            parts.append(f"{_between(field.get(low), field.get(high))} {what}")
    if "pattern" in field:
        parts.append(f"matches `{field['pattern']}`")
    if field.get("items"):
        parts += [f"each: {limits}" for limits in [_limits(field["items"])] if limits]
    return "; ".join(parts)


def _range(low: float | None, high: float | None, field: Json) -> Iterator[str]:
    if low is not None:
        yield f"{'>' if field.get('exclusiveMinimum') else '≥'} {low:,}"
    if high is not None:
        yield f"{'<' if field.get('exclusiveMaximum') else '≤'} {high:,}"


def _between(low: int | None, high: int | None) -> str:
    if low is None or high is None:
        return f"at most {high:,}" if low is None else f"at least {low:,}"
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def _rules(schema: Json) -> list[str]:
    """What is refused at `kubectl apply`, in the words of the refusal."""
    rules = [rule["message"] for rule in schema.get("x-kubernetes-validations", [])]
    return [
        "Refused at `kubectl apply`, and by `finetune validate`:",
        "",
        *(f"- {_text(one)}" for one in rules),
        "",
    ] * (bool(rules))


def _columns(version: Json) -> list[str]:
    columns = [f"{one['name']} (`{one['jsonPath']}`)" for one in version.get("additionalPrinterColumns", [])]
    return [f"Columns of `kubectl get`: {', '.join(columns)}.", ""] * bool(columns)


def _text(words: str) -> str:
    """For Markdown: `<task>` outside of code is no HTML tag."""
    return "".join(part if part.startswith("`") else part.replace("<", "&lt;") for part in _CODE.split(words))
