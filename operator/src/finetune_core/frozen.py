"""What models of the core share: immutable, closed, Python's names inside and camelCase outside."""

from typing import Any

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler
from pydantic.alias_generators import to_camel
from pydantic_core import CoreSchema, core_schema

_MAX_NAMES = 10_000
"""The most names in a mapping of a record; the largest that there is has a name for each file of a report."""

_NO_SCHEMAS = frozenset({"default", "metadata", "serialization"})
"""Parts of a schema that hold none."""


def few_names(value: Any) -> Any:
    """The value; ValueError if it is a mapping of more names than any record has."""
    if isinstance(value, dict) and len(value) > _MAX_NAMES:
        raise ValueError(f"it has {len(value)} names, and may have {_MAX_NAMES}")
    return value


def _bounded(part: Any) -> Any:
    """A copy of a part of a schema; pydantic shares the original with the models that are in it."""
    if isinstance(part, list):
        return [_bounded(item) for item in part]
    if not isinstance(part, dict):
        return part
    copy: Any = {name: item if name in _NO_SCHEMAS else _bounded(item) for name, item in part.items()}
    match copy.get("type"):
        case "list" | "tuple" | "set" | "frozenset":
            return {**copy, "fail_fast": True}
        case "dict":
            return core_schema.no_info_before_validator_function(few_names, copy)
    return copy


def absent(value: Any) -> bool:
    """Whether there is none: for `exclude_if`, so that documents from before a field keep every byte."""
    return value is None


def empty(value: Any) -> bool:
    """Whether there is nothing in it; as `absent`."""
    return not value


class Frozen(BaseModel):
    """Fields that a model does not have are refused; both spellings of a field's name are read."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True)


class Record(Frozen):
    """A part of what lies in a store, where others may write too: reading it costs no more than its size says.

    Pydantic keeps half a kilobyte for each thing that is wrong, so that a malformed list of 4 MB takes 1 GiB and 30 s.
    Here a list ends at its first wrong item, and a mapping has a most.
    """

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """The usual schema, with its lists and mappings bounded."""
        schema: CoreSchema = _bounded(handler(source))
        return schema


class Document(Record):
    """A record whose readers accept fields that a later version added."""

    model_config = ConfigDict(extra="ignore")

    def to_json(self) -> bytes:
        """Indented JSON with a final newline, for people and programs."""
        return (self.model_dump_json(by_alias=True, indent=2) + "\n").encode()
