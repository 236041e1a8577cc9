"""A spec against the CEL rules of its CRD, evaluated offline: the rules are those of the CRD, written nowhere else.

See https://kubernetes.io/docs/reference/using-api/cel/ for what Kubernetes adds to the language: `sum`.
"""

import re
from collections.abc import Iterator, Mapping, Set
from functools import cache
from typing import Any

import celpy
from celpy import celtypes
from celpy.adapter import json_to_cel
from celpy.evaluation import CELEvalError

from finetune_cli.manifest.crds import NO_SCHEMA, Schema, child_schema
from finetune_cli.manifest.findings import Path, Trouble

_RULES = "x-kubernetes-validations"
_WORD = re.compile(r"[A-Za-z_]\w*")


def check_rules(schema: Schema, value: Any, path: Path, gone: Set[Path]) -> Iterator[Trouble]:
    """Every rule that a value and its parts break.

    `gone` are paths that other checks found wrong and took out of the value: a rule that speaks of one of these
    fields below its own place would speak of their absence, and is not asked.
    """
    absent = {part for lost in gone if lost[: len(path)] == path for part in lost[len(path) :]}
    for rule in schema.get(_RULES, ()):
        if not absent.intersection(_WORD.findall(rule["rule"])) and not _holds(rule["rule"], schema, value):
            where = tuple(part for part in rule.get("fieldPath", "").split(".") if part)
            yield Trouble((*path, *where), rule["message"])
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for part, entry in entries:
        yield from check_rules(child_schema(schema, part), entry, (*path, part), gone)


def _holds(rule: str, schema: Schema, value: Any) -> bool:
    """False also where the rule ends in an error, as at the API server."""
    try:
        return bool(_program(rule).evaluate({"self": _typed(schema, value)}))
    except CELEvalError:
        return False


@cache
def _environment() -> celpy.Environment:
    return celpy.Environment()


@cache
def _program(rule: str) -> celpy.Runner:
    environment = _environment()
    return environment.program(environment.compile(rule), functions={"sum": _sum})


def _sum(values: celtypes.ListType) -> celtypes.IntType:
    return celtypes.IntType(sum(values))


def _typed(schema: Schema, value: Any) -> Any:
    """The value in CEL's types, numbers as the schema declares them: 1 under `type: number` is a double."""
    kind = (schema or NO_SCHEMA).get("type")
    if isinstance(value, Mapping):
        entries = {celtypes.StringType(key): _typed(child_schema(schema, key), entry) for key, entry in value.items()}
        return celtypes.MapType(entries)
    if isinstance(value, list):
        return celtypes.ListType([_typed(child_schema(schema, 0), entry) for entry in value])
    if kind == "number" and isinstance(value, int | float):
        return celtypes.DoubleType(value)
    if kind == "integer" and isinstance(value, int | float):
        return celtypes.IntType(int(value))
    return json_to_cel(value)
