"""Rows of a split, a part at a time, and what every reader checks."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from finetune_core.tasks import ProblemType, TaskDefinition
from finetune_trainer.errors import UserError

PART = 8192
"""Rows that are in memory at a time."""


@dataclass(frozen=True)
class Rows:
    """A part of a split: one or two columns of texts; class ids (in the definition's order) or scores, or None."""

    texts: tuple[list[str], ...]
    labels: list[float] | None

    def __len__(self) -> int:
        return len(self.texts[0])


class LabelReader:
    """Turns what a file says into class ids or scores; UserError names file, line, value and what is allowed."""

    def __init__(self, definition: TaskDefinition, where: str) -> None:
        self._definition = definition
        self._where = where
        self._ids = {name: float(place) for place, name in enumerate(definition.labels)}

    def read(self, value: object, line: int) -> float:
        """The label at `line` (1-based, as an editor shows it)."""
        text = str(value).strip()
        if self._definition.problem_type == ProblemType.REGRESSION:
            return self._score(text, line)
        if text in self._ids:
            return self._ids[text]
        number = _number(text)
        if number is None or not number.is_integer() or not 0 <= number < len(self._ids):
            allowed = ", ".join(f"{int(place)} ({name})" for name, place in list(self._ids.items())[:10])
            raise UserError(f"{self._where}, line {line}: label {text!r} is none of {allowed}: correct the file")
        return number

    def _score(self, text: str, line: int) -> float:
        number = _number(text)
        if number is None:
            raise UserError(f"{self._where}, line {line}: score {text!r} is not a number: correct the file")
        return number


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def not_empty(parts: Iterable[Rows], where: str) -> Iterator[Rows]:
    """The parts that hold rows; UserError if none does."""
    found = False
    for part in parts:
        if len(part):
            found = True
            yield part
    if not found:
        raise UserError(f"{where} holds no examples: it is empty, or only has a header")
