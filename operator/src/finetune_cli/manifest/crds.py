"""The CRDs' schemas, from the same types that the cluster's are generated from, made ready for checks offline."""

from collections.abc import Iterator, Mapping
from functools import cache
from types import MappingProxyType
from typing import Any

from finetune_core.api.crd import GROUP, VERSION, experiment_crd, search_crd
from finetune_core.api.search_status import HPSearchStatus
from finetune_core.api.status import ExperimentStatus

Schema = Mapping[str, Any]

EXPERIMENT = "FinetuneExperiment"
SEARCH = "HPSearch"
KINDS = (EXPERIMENT, SEARCH)
API_VERSION = f"{GROUP}/{VERSION}"
PRESERVE = "x-kubernetes-preserve-unknown-fields"
NO_SCHEMA: Schema = MappingProxyType({})


@cache
def schema_of(kind: str) -> Schema:
    """The schema of a whole object of the kind, as the CRD has it."""
    crd = experiment_crd(ExperimentStatus) if kind == EXPERIMENT else search_crd(HPSearchStatus)
    schema: Schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return schema


@cache
def spec_schema(kind: str) -> Schema:
    """The schema of its spec."""
    schema: Schema = schema_of(kind)["properties"]["spec"]
    return schema


def child_schema(schema: Schema, part: str | int) -> Schema:
    """The schema of a property or of a list's entries; empty where anything goes."""
    if isinstance(part, int):
        found = schema.get("items", NO_SCHEMA)
    else:
        found = schema.get("properties", NO_SCHEMA).get(part) or schema.get("additionalProperties")
    return found if isinstance(found, Mapping) else NO_SCHEMA


def is_closed(schema: Schema) -> bool:
    """Whether the API server knows no other fields than those that are named."""
    return "properties" in schema and not schema.get(PRESERVE) and "additionalProperties" not in schema


def homes_of(kind: str, name: str) -> list[str]:
    """Where a field of that name exists in the kind's spec: `spec.training`, `spec.tasks[].training`; nearest first."""
    return sorted(_homes(spec_schema(kind), "spec", name), key=lambda path: path.count("."))


@cache
def fields_of(kind: str) -> frozenset[str]:
    """The names of all fields of the kind's spec."""
    return frozenset(_names(spec_schema(kind)))


def _names(schema: Schema) -> Iterator[str]:
    properties = schema.get("properties", NO_SCHEMA)
    yield from properties
    for child in (*properties.values(), *([schema["items"]] if "items" in schema else ())):
        yield from _names(child)


def _homes(schema: Schema, path: str, name: str) -> Iterator[str]:
    properties = schema.get("properties", NO_SCHEMA)
    if name in properties:
        yield path
    for key, child in properties.items():
        yield from _homes(child, f"{path}.{key}", name)
    if "items" in schema:
        yield from _homes(schema["items"], f"{path}[]", name)


def with_defaults(schema: Schema, value: Any) -> Any:
    """The value as the API server completes it: defaults filled in, null where there is a default as if not given."""
    if isinstance(value, list):
        return [with_defaults(child_schema(schema, 0), entry) for entry in value]
    if not isinstance(value, dict):
        return value
    properties = schema.get("properties", NO_SCHEMA)
    filled = {
        key: entry
        for key, entry in value.items()
        if not (entry is None and "default" in properties.get(key, NO_SCHEMA))
    }
    for key, child in properties.items():
        if "default" in child:
            filled.setdefault(key, child["default"])
    return {key: with_defaults(child_schema(schema, key), entry) for key, entry in filled.items()}
