"""pydantic models -> structural OpenAPI v3 schemas, the subset of JSON Schema that a CRD may use.

pydantic writes JSON Schema 2020-12 with `$defs`, titles and `null` types; the API server takes none of these. What
this module does not know is an error, so nothing that a model says gets lost on its way into a CRD.
See https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#specifying-a-structural-schema
"""

import math
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from finetune_core.problems import FinetuneError

Schema = dict[str, Any]

_PRESERVE = "x-kubernetes-preserve-unknown-fields"
_INT_OR_STRING = {"anyOf": [{"type": "integer"}, {"type": "string"}], "x-kubernetes-int-or-string": True}
_NULL = {"type": "null"}
_INT32_MAX = 2**31 - 1

# Keywords that mean the same in both, in the order in which they are written.
_SAME = (
    "description",
    "type",
    "format",
    "enum",
    "default",
    "pattern",
    "minLength",
    "maxLength",
    "minimum",
    "maximum",
    "minItems",
    "maxItems",
    "minProperties",
    "maxProperties",
    "required",
    _PRESERVE,
    "x-kubernetes-list-type",
    "x-kubernetes-list-map-keys",
    "x-kubernetes-map-type",
    "x-kubernetes-validations",
)
_TRANSLATED = ("$defs", "title", "properties", "items", "additionalProperties", "exclusiveMinimum", "exclusiveMaximum")


class UnsupportedSchemaError(FinetuneError):
    """A model uses something that a structural schema cannot say, or that nothing here translates."""


class _Defaults(GenerateJsonSchema):
    def get_default_value(self, schema: core_schema.WithDefaultSchema) -> Any:
        """`{}` for a part that is always there: the API server then fills in the defaults inside it."""
        return {} if "default_factory" in schema else super().get_default_value(schema)


class _NoDefaults(GenerateJsonSchema):
    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        """As if the field had no default."""
        return self.generate_inner(schema["schema"])


def structural_schema(model: type[BaseModel], *, defaults: bool = True) -> Schema:
    """The structural schema of a model and all that it contains, named by aliases; UnsupportedSchemaError.

    `defaults` are what the API server fills in. A status must have none: they would come back after each removal.
    """
    document = model.model_json_schema(by_alias=True, schema_generator=_Defaults if defaults else _NoDefaults)
    return _convert(document, document.get("$defs", {}), model.__name__)


def _convert(node: Schema, definitions: Mapping[str, Schema], path: str) -> Schema:
    node = _inline(node, definitions, path)
    if unknown := node.keys() - {*_SAME, *_TRANSLATED, *_INT_OR_STRING}:
        raise UnsupportedSchemaError(f"{path}: nothing translates {', '.join(sorted(unknown))}")
    if "type" not in node and not node.keys() & {_PRESERVE, *_INT_OR_STRING}:
        raise UnsupportedSchemaError(f"{path}: has no single type: {node}")
    schema = {key: node[key] for key in _SAME if node.get(key) is not None}
    if "description" in schema:
        schema["description"] = " ".join(schema["description"].split())
    return schema | _default(node) | _number(node) | _int_or_string(node) | _children(node, definitions, path)


def _inline(node: Schema, definitions: Mapping[str, Schema], path: str) -> Schema:
    """The node with its `$ref` resolved and with `X | None` as X: in the API a field that is not set is absent."""
    siblings = {key: value for key, value in node.items() if key not in ("$ref", "anyOf")}
    if "$ref" in node:
        target = definitions[node["$ref"].removeprefix("#/$defs/")]
        return _merge(target, siblings)
    if "anyOf" not in node or node["anyOf"] == _INT_OR_STRING["anyOf"]:
        return node
    options = [option for option in node["anyOf"] if option != _NULL]
    if len(options) != 1:
        raise UnsupportedSchemaError(f"{path}: is one of several types: {options}")
    return _inline(_merge(options[0], siblings), definitions, path)


def _merge(target: Schema, field: Schema) -> Schema:
    """A type with what its field adds. An object keeps both descriptions: what it is for, and what it is."""
    merged = target | field
    descriptions = dict.fromkeys(part["description"] for part in (field, target) if "description" in part)
    if merged.get("type") == "object" and descriptions:
        merged["description"] = " ".join(descriptions)
    return merged


def _default(node: Schema) -> Schema:
    """Whole numbers without a fraction, as the API server stores them: a CRD that says 0.0 is never unchanged."""
    default = node.get("default")
    whole = isinstance(default, float) and default.is_integer()
    return {"default": int(default)} if whole and default is not None else {}


def _number(node: Schema) -> Schema:
    match node.get("type"):
        case "integer":
            fits = node.get("minimum", -math.inf) >= -_INT32_MAX and node.get("maximum", math.inf) <= _INT32_MAX
            return {"format": "int32" if fits else "int64"}
        case "number":
            return {"format": "double"} | _exclusive_bounds(node)
        case _:
            return {}


def _exclusive_bounds(node: Schema) -> Schema:
    """OpenAPI v3.0 has the bound in `minimum` and says beside it that the bound itself is outside."""
    schema: Schema = {}
    for bound, flag in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        if flag in node:
            schema |= {bound: node[flag], flag: True}
    return schema


def _int_or_string(node: Schema) -> Schema:
    return dict(_INT_OR_STRING) if "anyOf" in node else {}


def _children(node: Schema, definitions: Mapping[str, Schema], path: str) -> Schema:
    schema: Schema = {}
    if "items" in node:
        schema["items"] = _convert(node["items"], definitions, f"{path}[]")
    if "properties" in node:
        schema["properties"] = {
            name: _convert(child, definitions, f"{path}.{name}") for name, child in node["properties"].items()
        }
    match node.get("additionalProperties"):
        case True:
            schema[_PRESERVE] = True
        case dict(values):
            schema["additionalProperties"] = _convert(values, definitions, f"{path}{{}}")
    return schema
