"""What a table of training arguments is, and the models that are made from one.

A table is a class of annotations, `name: Annotated[type | Unset, Field(bounds, description), Argument(...)]`. See
`finetune_core.planning.arguments.table` for the one there is.
"""

import inspect
import operator
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache, reduce
from types import MappingProxyType
from typing import Annotated, Any, TypeVar, get_args

from pydantic import SerializerFunctionWrapHandler, create_model, model_serializer
from pydantic.alias_generators import to_camel

from finetune_core.frozen import Frozen

REQUIRED: Any = ...
"""Default of an argument that has none of its own: the task's recipe has one."""

Unset = TypeVar("Unset")
"""None in a spec, where an argument may be left out; no type at all in settings, where each has a value."""


@dataclass(frozen=True)
class Argument:
    """What is known of an argument beside its type, bounds and description.

    default: in settings, where no layer of them says more.
    since: the version that brought it; None for those of version 0.1.0. A later argument at its default, which is what
        the trainer did before, is part of no plan and of no run's identity: finished work stays finished. So the
        default of such an argument never changes.
    hugging_face: its names in Hugging Face's scripts that mean the same; its own unless given.
    passed: Hugging Face's Trainer does what it says, and is told by the first of these names; else our code does.
    searchable: a search's space can hold it.
    label: with its unit, for plots; the words of its name unless given.
    group: arguments of one group exclude each other, and replace each other where layers of settings meet.
    decides: a run's result depends on it.
    told: a run is told of it; else it only confirms another argument in the spec.
    """

    default: Any = None
    since: str | None = None
    hugging_face: tuple[str, ...] | None = None
    passed: bool = False
    searchable: bool = False
    label: str | None = None
    group: str | None = None
    decides: bool = True
    told: bool = True
    name: str = ""
    kind: Any = None
    """Its type; name and type are read from the table."""

    @property
    def api_name(self) -> str:
        """`learningRate`."""
        return to_camel(self.name)

    @property
    def script_names(self) -> tuple[str, ...]:
        """`("learning_rate",)`."""
        return (self.name,) if self.hugging_face is None else self.hugging_face

    @property
    def shown(self) -> str:
        """`learning rate (peak)`."""
        return self.label or self.name.replace("_", " ")


class _Arguments(Frozen):
    """Is written without the later arguments that are at their defaults: bytes and digests from before them stay."""

    @model_serializer(mode="wrap")
    def _without_silent_ones(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        written: dict[str, Any] = write(self)
        for name, spelling, default in _later(type(self)):
            if getattr(self, name) == default:
                written.pop(name, None)
                written.pop(spelling, None)
        return written


def table(arguments: type[Frozen]) -> Mapping[str, Argument]:
    """The arguments of a table by their names, in its order."""
    return MappingProxyType({entry.name: entry for entry, _ in _rows(arguments)})


def given(name: str, arguments: type[Frozen]) -> type[Frozen]:
    """The model of arguments as users write them: within their bounds, and each of them may be left out."""
    fields: Any = {
        entry.name: (Annotated[entry.kind | None, bounds, entry], None) for entry, bounds in _rows(arguments)
    }
    return create_model(name, __base__=_Arguments, **fields)


def resolved(name: str, arguments: type[Frozen]) -> type[Frozen]:
    """The model of arguments as runs are told them, with defaults and without bounds, which have been checked."""
    told = [entry for entry, _ in _rows(arguments) if entry.told]
    fields: Any = {entry.name: (Annotated[entry.kind, entry], entry.default) for entry in told}
    return create_model(name, __base__=_Arguments, **fields)


def exclusive_groups(arguments: Mapping[str, Argument]) -> tuple[tuple[Argument, ...], ...]:
    """The arguments that exclude each other, group by group."""
    groups = dict.fromkeys(entry.group for entry in arguments.values() if entry.group is not None)
    return tuple(tuple(entry for entry in arguments.values() if entry.group == group) for group in groups)


def overlay(below: Mapping[str, Any], above: Mapping[str, Any], groups: tuple[tuple[str, ...], ...]) -> dict[str, Any]:
    """Both layers, `above` winning; what excludes a name in `above` is dropped. `groups` are spelt as the keys are."""
    excluded = rivals(above, groups)
    return {**{name: value for name, value in below.items() if name not in excluded}, **above}


def rivals(names: Collection[str], groups: tuple[tuple[str, ...], ...]) -> frozenset[str]:
    """What cannot stand beside any of the names, these themselves among it."""
    return frozenset(rival for group in groups if not set(group).isdisjoint(names) for rival in group)


def _rows(arguments: type[Frozen]) -> Iterator[tuple[Argument, Any]]:
    """(argument, its pydantic Field)."""
    for name, annotation in inspect.get_annotations(arguments).items():
        union, bounds, entry = get_args(annotation)
        kinds = (kind for kind in get_args(union) if kind is not Unset)
        yield replace(entry, name=name, kind=reduce(operator.or_, kinds)), bounds


@cache
def _later(model: type[Frozen]) -> tuple[tuple[str, str, Any], ...]:
    """(name, name in the API, default) of the later arguments; every plan and run id is written with this at hand."""
    return tuple(
        (name, to_camel(name), field.default)
        for name, field in model.model_fields.items()
        if any(isinstance(entry, Argument) and entry.since is not None for entry in field.metadata)
    )
