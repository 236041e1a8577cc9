"""Rows of a split, a part at a time, and what every reader checks."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from finetune_trainer.errors import UserError

PART = 8192
"""Rows that are in memory at a time."""

Tell = Callable[[str], object]
"""Takes what the user is to be told about a file that can be used."""

_SHOWN = 30


@dataclass(frozen=True)
class Rows:
    """A part of a split: one or two columns of texts; class ids (in the definition's order) or scores, or None.

    Where a text can have several labels, `labels` holds a 0 or 1 for each of them (rows x labels).
    """

    texts: tuple[list[str], ...]
    labels: list[float] | list[list[float]] | None

    def __len__(self) -> int:
        return len(self.texts[0])


@dataclass(frozen=True)
class Columns:
    """A part of a file's wanted columns as they are written; `places` are the lines or rows that they lie in."""

    places: list[int]
    values: list[list[object]]


def require_columns(where: str, wanted: Sequence[str], names: Sequence[str], *, hint: str = "") -> None:
    """UserError for a column that is not there, or is there more than once; other columns may be as they like."""
    for name in wanted:
        if name not in names:
            raise UserError(f"{where} has no column {name}; it has {', '.join(names[:_SHOWN])}{hint}")
        if names.count(name) > 1:
            raise UserError(f"{where} has {names.count(name)} columns {name}: rename or remove all but one")


def not_empty(parts: Iterable[Rows], where: str) -> Iterator[Rows]:
    """The parts that hold rows; UserError if none does."""
    found = False
    for part in parts:
        if len(part):
            found = True
            yield part
    if not found:
        raise UserError(f"{where} holds no examples: it is empty, or only has a header")
