"""What is wrong in a file, and where."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

Path = tuple[str | int, ...]
"""Keys and list indexes from a document's root: `("spec", "tasks", 0, "runs")`."""


@dataclass(frozen=True, order=True)
class Place:
    """Where something begins, both counted from 1."""

    line: int
    column: int


class Severity(StrEnum):
    """Whether the cluster would refuse it."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, order=True)
class Finding:
    """One problem of a file; `message` says what is wrong and what to do."""

    file: str
    place: Place
    field: str
    message: str
    severity: Severity = Severity.ERROR

    def __str__(self) -> str:
        kind = "warning: " if self.severity == Severity.WARNING else ""
        field = f"{self.field}: " if self.field else ""
        return f"{self.file}:{self.place.line}:{self.place.column}: {kind}{field}{self.message}"

    def to_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "file": self.file,
            "line": self.place.line,
            "column": self.place.column,
            "severity": self.severity.value,
            "field": self.field,
            "message": self.message,
        }


@dataclass(frozen=True)
class Document:
    """A document of a file: its value as JSON has it, and where each part of it is written."""

    value: Any
    places: Mapping[Path, Place]

    def place(self, path: Path) -> Place:
        """Where a part is written; where it is not, where its nearest parent is."""
        while path and path not in self.places:
            path = path[:-1]
        return self.places[path]


@dataclass(frozen=True)
class Trouble:
    """One problem of a document, before its place is looked up. `gone`: the part that later checks must do without."""

    path: Path
    message: str
    gone: Path | None = None


def field_of(path: Path, value: Any) -> str:
    """`spec.tasks[rte].runs`: list entries go by their name where they have one."""
    text = ""
    for part in path:
        value = _child(value, part)
        if isinstance(part, int):
            name = value.get("name") if isinstance(value, Mapping) else None
            text += f"[{name if isinstance(name, str) else part}]"
        else:
            text += f".{part}" if text else part
    return text


def _child(value: Any, part: str | int) -> Any:
    if isinstance(value, Mapping):
        return value.get(str(part))
    if isinstance(value, list) and isinstance(part, int) and part < len(value):
        return value[part]
    return None
