"""YAML that others wrote: scalars of YAML 1.2's core schema, within bounds, written out. Pure.

A few hundred bytes of anchors unfold to gigabytes, a date may name no day, and a number may have any count of digits:
here a text is bounded before it is parsed, and whatever is wrong with it is a YamlTextError.
"""

import math
import re
from collections.abc import Callable
from typing import Any

import yaml

MOST_CHARACTERS = 64 << 10
"""Of a text that is read as a whole (PyYAML takes about a second for it); a search of all of GLUE exports 3 KiB."""

_MOST_NODES = 20_000
_DEEPEST = 20
_LONGEST_NUMBER = 100
_SHOWN = 60
TAG = "tag:yaml.org,2002:"
_TRUE = {"true", "yes", "on"}
_RESOLVERS = (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE|yes|Yes|YES|no|No|NO|on|On|ON|off|Off|OFF", list("tTfFyYnNoO")),
    ("int", r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", list("-+0123456789")),
    (
        "float",
        r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
        list("-+.0123456789"),
    ),
)


class YamlTextError(Exception):
    """The text cannot be used; the message says what is wrong, where, and what to do."""


class CoreLoader(yaml.SafeLoader):
    """Scalars as in https://yaml.org/spec/1.2.2/#103-core-schema (1.1 takes 5e-5 for a text, 012 for ten).

    But for yes, no, on and off, which kubectl still takes for booleans.
    """

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}


for _name, _pattern, _first in _RESOLVERS:
    CoreLoader.add_implicit_resolver(f"{TAG}{_name}", re.compile(rf"(?:{_pattern})\Z"), _first)


class _BoundedLoader(CoreLoader):
    """Composes no more than so much, and nothing that stands for something else."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._nodes = 0
        self._depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]  # the stubs say nothing of it
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            raise _at(event.start_mark, "anchors and aliases are not read: write the values out")
        if getattr(event, "tag", None) not in (None, "!"):
            raise _at(event.start_mark, f"the tag {event.tag[:_SHOWN]} is not read: remove it")
        self._nodes += 1
        if self._nodes > _MOST_NODES:
            raise _at(event.start_mark, f"more than {_MOST_NODES:,} values: is it the right text?")
        self._depth += 1
        if self._depth > _DEEPEST:
            raise _at(event.start_mark, "nested too deeply: is it the right text?")
        try:
            return super().compose_node(parent, index)
        finally:
            self._depth -= 1


def read_yaml(text: str) -> Any:
    """The one document of a text; YamlTextError."""
    if len(text) > MOST_CHARACTERS:
        raise YamlTextError(f"it has more than {MOST_CHARACTERS:,} characters: is it the right text?")
    try:
        loader = _BoundedLoader(text)
        node = loader.get_single_node()
    except yaml.YAMLError as error:
        raise YamlTextError(" ".join(str(error).split())[:500]) from error
    return None if node is None else _value(node)


def scalar(kind: str, text: str) -> Any:
    """The value of a scalar, `kind` being its tag without the prefix; ValueError if it is none that JSON has."""
    return _SCALARS[kind](text)


def shown(text: str) -> str:
    """The beginning of a text, for a message."""
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def _value(node: yaml.Node) -> Any:
    if isinstance(node, yaml.MappingNode):
        return _mapping(node)
    if isinstance(node, yaml.SequenceNode):
        return [_value(child) for child in node.value]
    text, kind = str(node.value), node.tag.removeprefix(TAG)
    try:
        return scalar(kind, text)
    except ValueError as error:
        message = f"{shown(text)} is no {kind} that JSON has: correct it, or put quotes around it"
        raise _at(node.start_mark, message) from error


def _mapping(node: yaml.MappingNode) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for key, value in node.value:
        if not isinstance(key, yaml.ScalarNode):
            raise _at(key.start_mark, "a key must be a single word: write `key: value`")
        if key.value == "<<":
            raise _at(key.start_mark, "merge keys are not read: write the values out")
        if key.value in values:
            raise _at(key.start_mark, f"{shown(key.value)} is given twice: remove one of the two")
        values[str(key.value)] = _value(value)
    return values


def _at(mark: yaml.Mark, message: str) -> YamlTextError:
    return YamlTextError(f"line {mark.line + 1}: {message}")


def _int(text: str) -> int:
    if len(text) > _LONGEST_NUMBER:
        raise ValueError(text)
    # A leading zero means octal, as in YAML 1.1; Python's own rule refuses it.
    return int(text, 8) if re.fullmatch(r"[-+]?0[0-7]+", text) else int(text, 0)


def _float(text: str) -> float:
    value = float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
    if not math.isfinite(value):
        raise ValueError(text)
    return value


_SCALARS: dict[str, Callable[[str], Any]] = {
    "null": lambda _: None,
    "bool": lambda text: text.lower() in _TRUE,
    "int": _int,
    "float": _float,
    "str": str,
}
KINDS = frozenset(_SCALARS)
"""What a scalar can be."""
