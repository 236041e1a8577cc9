"""A spec against the CRD's schema, as the API server checks it, and with remedies.

OpenAPI 3.0 is JSON Schema's draft 4 in all that a CRD can say (`exclusiveMinimum: true` beside `minimum`).
"""

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import jsonschema
from jsonschema.exceptions import ValidationError

from finetune_cli.manifest import crds, wording
from finetune_cli.manifest.crds import Schema, child_schema, is_closed
from finetune_cli.manifest.findings import Path, Trouble
from finetune_cli.manifest.unknown import unknown_field


def _pattern(_: Any, pattern: str, value: Any, __: Any) -> Iterator[ValidationError]:
    # Python's $ matches before a final newline too, the API server's does not.
    if isinstance(value, str) and not re.search(re.sub(r"\$$", r"\\Z", pattern), value):
        yield ValidationError(f"{value!r} does not match {pattern!r}")


_Validator = jsonschema.validators.extend(
    jsonschema.Draft4Validator,
    validators={"pattern": _pattern},
    type_checker=jsonschema.Draft4Validator.TYPE_CHECKER.redefine(
        # 3.0 is a whole number to the API server.
        "integer",
        lambda _, value: (
            not isinstance(value, bool)
            and (isinstance(value, int) or (isinstance(value, float) and value.is_integer()))
        ),
    ),
)


def check_schema(kind: str, spec: Any) -> Iterator[Trouble]:
    """Everything in a spec (defaults filled in) that the schema does not allow; paths begin at the spec."""
    for error in _validator(kind).iter_errors(spec):
        yield from _troubles(kind, tuple(error.absolute_path), error)
    yield from _repeated(crds.spec_schema(kind), spec, ())


@cache
def _validator(kind: str) -> Any:
    return _Validator(_closed(crds.spec_schema(kind)))


def _closed(schema: Schema) -> dict[str, Any]:
    """The schema with unknown fields refused, as `kubectl apply` has it, where the CRD names all fields."""
    closed: dict[str, Any] = dict(schema)
    if "properties" in schema:
        closed["properties"] = {name: _closed(child) for name, child in schema["properties"].items()}
    if is_closed(schema):
        closed["additionalProperties"] = False
    elif isinstance(schema.get("additionalProperties"), dict):
        closed["additionalProperties"] = _closed(schema["additionalProperties"])
    if "items" in schema:
        closed["items"] = _closed(schema["items"])
    return closed


def _troubles(kind: str, path: Path, error: ValidationError) -> Iterator[Trouble]:
    schema, value = error.schema, error.instance
    properties = schema.get("properties", {})
    match error.validator:
        case "additionalProperties":
            for name in value.keys() - properties.keys():
                message = unknown_field(kind, name, properties, value)
                yield Trouble((*path, name), message, gone=(*path, name))
        case "required":
            for name in set(schema["required"]) - value.keys():
                # jsonschema tells of each missing field in an error of its own.
                if repr(name) in error.message:
                    yield Trouble(path, wording.missing(name, child_schema(schema, name)), gone=(*path, name))
        case "type":
            yield Trouble(path, wording.wrong_type(schema["type"], value), gone=path)
        case "enum":
            yield Trouble(path, wording.not_in_enum(value, schema["enum"]), gone=path)
        case "pattern":
            yield Trouble(path, wording.no_match(value, schema["pattern"], schema), gone=path)
        case "anyOf":
            yield Trouble(path, wording.neither(value, schema), gone=path)
        case keyword:
            bound = wording.broken_bound(str(keyword), error.validator_value, value, schema)
            yield Trouble(path, bound or error.message, gone=path)


def _repeated(schema: Schema, value: Any, path: Path) -> Iterator[Trouble]:
    """Entries of sets that are there already, and of list maps with the same key as an earlier one."""
    if isinstance(value, dict):
        for name, child in value.items():
            yield from _repeated(child_schema(schema, name), child, (*path, name))
    if not isinstance(value, list):
        return
    seen: set[tuple[str, ...]] = set()
    for index, entry in enumerate(value):
        yield from _repeated(child_schema(schema, 0), entry, (*path, index))
        if key := _key(schema, entry):
            if key in seen:
                message = f"{', '.join(key)} is listed more than once: give it one entry"
                yield Trouble((*path, index), message)
            seen.add(key)


def _key(schema: Schema, entry: Any) -> tuple[str, ...]:
    """What an entry of this list may share with no other; nothing where entries may repeat."""
    if schema.get("x-kubernetes-list-type") == "set":
        return (str(entry),)
    names = schema.get("x-kubernetes-list-map-keys", ())
    return tuple(str(entry.get(name)) for name in names) if isinstance(entry, dict) else ()
