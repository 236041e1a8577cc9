"""Whether a command that the documentation shows could be typed: checked against the programs, without running any."""

import functools
import json
import re
import tomllib
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import jsonschema
import typer
import yaml

from finetune_cli.app import build_app
from finetune_dev import __main__ as cluster_program
from finetune_dev.docs.hook import REPOSITORY
from finetune_trainer import cli as trainer_program

CHART = "helm/finetune-operator"
RELEASED = "oci://REGISTRY/charts/finetune-operator"
"""The same, where `make release` pushes it."""

UNCHECKED = frozenset({"source", "export", "tensorboard"})

_BUILT_IN = frozenset(
    {"configmap", "deployment", "events", "jobs", "localqueue", "namespace", "pods", "rayjobs", "secret"}
)
_TAKES_KIND = frozenset({"get", "describe", "delete", "patch", "explain"})
_KUBECTL_VALUES = frozenset({"-n", "--namespace", "-o", "-f", "-l", "-p", "--type", "--timeout", "--context"})
_USAGE: Any = typer.BadParameter.__base__


def problem(words: list[str]) -> str | None:
    """What is wrong with a command; None where nothing is, or where its program is one that cannot be checked."""
    program, arguments = words[0].rpartition("/")[2], words[1:]
    if program == "kubectl" and arguments[:1] == ["finetune"]:
        program, arguments = "finetune", arguments[1:]
    check = CHECKS.get(program)
    if check is None:
        return None if program in UNCHECKED or (REPOSITORY / words[0]).is_file() else f"nothing checks {program}"
    return check(arguments)


def inline_problem(words: list[str]) -> str | None:
    """The same for a mention in a sentence, which may leave arguments out: names of commands, options, targets."""
    if words[0] == "make":
        return _make(words[1:])
    command = typer.main.get_command(build_app())
    for word in words[1:]:
        if word.startswith("-"):
            named = {one for parameter in command.params for one in (*parameter.opts, *parameter.secondary_opts)}
            if word.partition("=")[0] not in named | {"-h", "--help", "--install-completion"}:
                return f"{command.name} has no option {word}"
        elif word.islower() and hasattr(command, "commands"):
            if word not in command.commands:
                return f"{command.name} has no command {word}"
            # The program's own are imported when they are asked for.
            command = command.get_command(typer.Context(command), word)
    return None


def _finetune(arguments: list[str]) -> str | None:
    command, rest = typer.main.get_command(build_app()), arguments
    context = typer.Context(command, info_name="finetune")
    try:
        while hasattr(command, "commands"):
            name, command, rest = command.resolve_command(context, list(rest))
            context = typer.Context(command, info_name=name, parent=context)
        command.make_context(context.info_name, list(rest), parent=context.parent)
    except _USAGE as error:
        return str(error.format_message())
    except typer.Exit:
        # --help
        return None
    return None


def _make(arguments: list[str]) -> str | None:
    makefile = (REPOSITORY / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z0-9-]+):.*##", makefile, re.M))
    unknown = [one for one in arguments if "=" not in one and one not in targets]
    return f"make has no target {', '.join(unknown)}" if unknown else None


def _kubectl(arguments: list[str]) -> str | None:
    files = [value for option, value in pairwise(arguments) if option == "-f"]
    lost = [one for one in files if "/" in one and not (REPOSITORY / one).exists()]
    if lost:
        return f"{', '.join(lost)} does not exist"
    plain = list(_plain(arguments))
    if len(plain) < 2 or plain[0] not in _TAKES_KIND:
        return None
    kinds, _, path = plain[1].partition(".")
    if plain[0] == "explain":
        return None if plain[1].partition(".")[2] in _explained().get(kinds, set()) else f"{plain[1]} is no field"
    unknown = [one for one in f"{kinds}".split(",") if one not in _BUILT_IN | _explained().keys()]
    return f"there is no kind {', '.join(unknown)}" if unknown and not path else None


def _plain(arguments: list[str]) -> Iterator[str]:
    before = ""
    for one in arguments:
        if not one.startswith("-") and before not in _KUBECTL_VALUES:
            yield one
        before = one


def _helm(arguments: list[str]) -> str | None:
    if not {CHART, RELEASED} & set(arguments):
        return f"names no chart of this repository ({CHART}, {RELEASED})"
    pairs = (value for option, value in pairwise(arguments) if option == "--set")
    return values_problem(functools.reduce(_with, pairs, {}))


def values_problem(given: dict[str, Any]) -> str | None:
    """What the chart's schema says of values over its defaults."""
    values = _merged(yaml.safe_load((REPOSITORY / CHART / "values.yaml").read_text()), given)
    schema = json.loads((REPOSITORY / CHART / "values.schema.json").read_text())
    return "; ".join(error.message for error in jsonschema.Draft7Validator(schema).iter_errors(values)) or None


def _with(values: dict[str, Any], pair: str) -> dict[str, Any]:
    path, _, text = pair.partition("=")
    # What is in capitals stands for something of the reader's own.
    value: Any = {"true": True, "false": False, "null": None}.get(text, text.lower())
    if text.startswith("{"):
        value = text.strip("{}").split(",")
    for name in reversed(path.split(".")):
        value = {name: value}
    return _merged(values, value)


def _merged(values: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    both = {key: _merged(values[key], over[key]) for key in values.keys() & over.keys() if isinstance(over[key], dict)}
    return {**values, **over, **both}


def _trainer(arguments: list[str]) -> str | None:
    return _argparse(lambda: trainer_program._parse(arguments), arguments)


def _python(arguments: list[str]) -> str | None:
    if arguments[:2] != ["-m", "finetune_dev"]:
        return "only python -m finetune_dev is checked"
    return _argparse(lambda: cluster_program._parser().parse_args(arguments[2:]), arguments)


def _argparse(parse: Callable[[], object], arguments: list[str]) -> str | None:
    try:
        parse()
    except SystemExit as end:
        return f"refuses {' '.join(arguments)}" if end.code else None
    return None


def _pip(arguments: list[str]) -> str | None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    if arguments[0] != "install" or len(arguments) != 2:
        return "only pip install of one package is checked"
    name, _, extras = arguments[1].rstrip("]").partition("[")
    unknown = set(filter(None, extras.split(","))) - project["optional-dependencies"].keys()
    # No index of packages has it so far: it is installed from a clone, or from what `make release` makes.
    if name not in (".", f"build/release/finetune_operator-{project['version']}-py3-none-any.whl") or unknown:
        extras = ", ".join(sorted(unknown))
        return f"{name} is not a clone (.) or this version's wheel, or {project['name']} has no extra {extras}"
    return None


@functools.cache
def schemas() -> dict[str, dict[str, Any]]:
    """Kind -> schema of the whole object."""
    found = (yaml.safe_load(path.read_text()) for path in sorted((REPOSITORY / "crds").glob("*.yaml")))
    return {
        crd["spec"]["names"]["kind"]: crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
        | {"names": crd["spec"]["names"]}
        for crd in found
    }


def field_paths(schema: dict[str, Any], before: str = "") -> Iterator[str]:
    """Every field below a schema by its dotted path, lists without a mark, any entry of a map as NAME."""
    for name, child in schema.get("properties", {}).items():
        yield f"{before}{name}"
        yield from field_paths(child, f"{before}{name}.")
    if isinstance(schema.get("items"), dict):
        yield from field_paths(schema["items"], before)
    if isinstance(schema.get("additionalProperties"), dict):
        yield f"{before}NAME"


@functools.cache
def _explained() -> dict[str, set[str]]:
    """Every name that kubectl takes for our kinds -> the fields of the kind."""
    return {
        name: set(field_paths(schema))
        for schema in schemas().values()
        for name in (*schema["names"]["shortNames"], schema["names"]["singular"], schema["names"]["plural"])
    }


CHECKS: dict[str, Callable[[list[str]], str | None]] = {
    "finetune": _finetune,
    "finetune-trainer": _trainer,
    "helm": _helm,
    "kubectl": _kubectl,
    "make": _make,
    "pip": _pip,
    "python": _python,
}
