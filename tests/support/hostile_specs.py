"""Every place of a CRD's schema where a text can be written, and specs with a text of one's own choice there."""

import copy
from collections.abc import Iterator, Mapping
from typing import Any

from finetune_core.api.crd import experiment_crd, search_crd
from finetune_core.api.search_status import HPSearchStatus
from finetune_core.api.status import ExperimentStatus
from finetune_core.json_types import Json

Path = tuple[str, ...]

ITEM, KEY, VALUE = "[]", "{key}", "{value}"
"""Steps of a path into a list's entries, a mapping's keys, and its values."""

FREE = {"x-kubernetes-preserve-unknown-fields"}

CRDS = {"FinetuneExperiment": experiment_crd(ExperimentStatus), "HPSearch": search_crd(HPSearchStatus)}


def spec_schema(kind: str) -> Json:
    """The schema of a kind's spec."""
    schema: Json = CRDS[kind]["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    return schema


def texts(schema: Mapping[str, Any], path: Path = ()) -> Iterator[Path]:
    """Paths to all texts: fields, entries of lists, keys and values of mappings, and what is kept as it is."""
    if schema.get("type") == "string" or FREE & schema.keys() or "x-kubernetes-int-or-string" in schema:
        yield path
    for name, child in schema.get("properties", {}).items():
        yield from texts(child, (*path, name))
    if "items" in schema:
        yield from texts(schema["items"], (*path, ITEM))
    values = schema.get("additionalProperties")
    if isinstance(values, Mapping):
        yield (*path, KEY)
        yield from texts(values, (*path, VALUE))


_ADDRESS = {"url": "https://hooks.slack.com/services/abc"}


def with_text(kind: str, base: Json, path: Path, text: str) -> Json:
    """The spec with a text at the path; what is required around it is added."""
    spec = copy.deepcopy(base)
    return _put(spec_schema(kind), spec, path, text)


def _put(schema: Mapping[str, Any], old: Any, path: Path, text: str) -> Any:
    if not path:
        return {"name": text, "value": text} if FREE & schema.keys() else text
    step, rest = path[0], path[1:]
    if step == ITEM:
        entries = old or [None]
        return [_put(schema["items"], entries[0], rest, text), *entries[1:]]
    if step in {KEY, VALUE}:
        values = schema["additionalProperties"]
        if step == KEY:
            return {text: sample(values)}
        name, value = next(iter((old or {}).items()), ("learningRate", None))
        return {**(old or {}), name: _put(values, value, rest, text)}
    made = old if isinstance(old, dict) else sample(schema)
    if step not in {*_ADDRESS, "urlSecretRef"} and "urlSecretRef" in schema["properties"]:
        # By a rule of the schema, not by `required`.
        made = _ADDRESS | made
    return {**made, step: _put(schema["properties"][step], made.get(step), rest, text)}


def sample(schema: Mapping[str, Any]) -> Any:
    """The least that the schema takes."""
    match schema.get("type"):
        case "object":
            return {name: sample(schema["properties"][name]) for name in schema.get("required", ())}
        case "array":
            return [sample(schema["items"])] * schema.get("minItems", 0)
        case "string":
            return _sample_text(schema)
        case "boolean":
            return True
        case _:
            return max(1, schema.get("minimum", 1))


def _sample_text(schema: Mapping[str, Any]) -> str:
    if "enum" in schema:
        return str(schema["enum"][0])
    pattern = schema.get("pattern", "")
    if any("hf://" in rule["rule"] for rule in schema.get("x-kubernetes-validations", ())):
        return "oci://registry.test/{task}"
    samples = {
        "/(0|": "rte/0",
        "0-9a-f]{16}": "0123456789abcdef",
        "csv": "a.csv",
        "sklearn": "sklearn.metrics.f1_score",
    }
    return next((text for part, text in samples.items() if part in pattern), "abc")
