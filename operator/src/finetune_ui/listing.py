"""The list as somebody asks for it: sorted, filtered, grouped. All of it is in the address of the page. Pure."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from types import MappingProxyType
from typing import Any
from urllib.parse import urlencode

from finetune_client.overview import Overview

_LABEL = "label:"
_FIRST_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
_NO_GROUP = "none"


@dataclass(frozen=True)
class Column:
    """A column: its title, and what it is sorted by; None comes last in either order."""

    title: str
    by: Callable[[Overview], Any]


def _score(head: Overview) -> float | None:
    """Of the text of SCORE; the best of a search is of several tasks and is no one number."""
    found = _FIRST_NUMBER.match(head.score)
    return float(found[0]) if found else None


def _eta(head: Overview) -> float | None:
    found = _FIRST_NUMBER.search(head.eta)
    return float(found[0]) * {"m": 60, "h": 3600, "d": 86_400}.get(head.eta[-1:], 1) if found else None


def _age(head: Overview) -> float | None:
    try:
        return -datetime.fromisoformat(head.created).timestamp()
    except ValueError:
        return None


COLUMNS: Mapping[str, Column] = MappingProxyType(
    {
        "name": Column("Name", lambda head: (head.name, head.namespace)),
        "kind": Column("Kind", lambda head: head.word),
        "status": Column("Status", lambda head: head.state),
        "done": Column("Runs or trials", lambda head: (head.percent, head.total)),
        "score": Column("Score or best", _score),
        "eta": Column("ETA", _eta),
        "created": Column("Age", _age),
        "model": Column("Model", lambda head: head.model),
    }
)

_GROUPS: Mapping[str, Callable[[Overview], str]] = MappingProxyType(
    {
        "namespace": lambda head: head.namespace,
        "kind": lambda head: head.word,
        "status": lambda head: head.state,
        "model": lambda head: head.model,
    }
)


@dataclass(frozen=True)
class Asked:
    """What an address asks for: `words` that each object has to have somewhere, `sort` by a column (`-score`: greatest
    first; empty: as it comes), `group` by one of `groups`.
    """

    namespace: str = ""
    words: str = ""
    status: str = ""
    sort: str = ""
    group: str = ""

    @classmethod
    def of(cls, query: Mapping[str, str]) -> "Asked":
        """From an address; an unknown column sorts nothing."""
        asked = cls(**{name: query.get(name, "").strip() for name in asdict(cls())})
        return asked if asked.column in COLUMNS else replace(asked, sort="")

    @property
    def column(self) -> str:
        """The column to sort by."""
        return self.sort.removeprefix("-")

    def order(self, column: str) -> str:
        """What aria-sort says of a column."""
        if column != self.column:
            return "none"
        return "descending" if self.sort.startswith("-") else "ascending"

    def sorted_by(self, column: str) -> str:
        """The address of the same list sorted by a column; the other way round where it is already."""
        turned = f"-{column}" if self.sort == column else column
        told = {name: value for name, value in asdict(replace(self, sort=turned)).items() if value}
        return f"/?{urlencode(told)}"


@dataclass(frozen=True)
class Group:
    """Objects that have something in common; `title` is empty where nothing was asked for."""

    title: str
    heads: tuple[Overview, ...]


def arranged(heads: Iterable[Overview], asked: Asked) -> tuple[Group, ...]:
    """The objects that fit, sorted, by groups; groups by their titles."""
    found = _sorted([head for head in heads if _fits(head, asked)], asked)
    if not asked.group:
        return (Group("", tuple(found)),)
    groups: dict[str, list[Overview]] = {}
    for head in found:
        groups.setdefault(_group(head, asked.group), []).append(head)
    return tuple(Group(f"{_shown(asked.group)}: {title}", tuple(groups[title])) for title in sorted(groups))


def groups(heads: Iterable[Overview]) -> Mapping[str, str]:
    """What one can group by -> how it is called: labels that any object has come last."""
    keys = sorted({key for head in heads for key in head.labels})
    return {name: _shown(name) for name in (*_GROUPS, *(f"{_LABEL}{key}" for key in keys))}


def states(heads: Iterable[Overview]) -> Sequence[str]:
    """Every status that there is."""
    return sorted({head.state for head in heads})


def _shown(group: str) -> str:
    return f"label {group.removeprefix(_LABEL)}" if group.startswith(_LABEL) else group


def _group(head: Overview, group: str) -> str:
    if group.startswith(_LABEL):
        return head.labels.get(group.removeprefix(_LABEL), _NO_GROUP)
    by = _GROUPS.get(group)
    return by(head) if by else _NO_GROUP


def _fits(head: Overview, asked: Asked) -> bool:
    if asked.status and head.state != asked.status:
        return False
    labels = (f"{key}={value}" for key, value in head.labels.items())
    text = " ".join((head.namespace, head.name, head.word, head.state, head.model, *labels)).lower()
    return all(word in text for word in asked.words.lower().split())


def _sorted(heads: list[Overview], asked: Asked) -> list[Overview]:
    if not asked.sort:
        return heads
    by = COLUMNS[asked.column].by
    known = [head for head in heads if by(head) is not None]
    return [
        *sorted(known, key=by, reverse=asked.sort.startswith("-")),
        *(head for head in heads if by(head) is None),
    ]
