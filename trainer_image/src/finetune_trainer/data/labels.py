"""From what a file says to class ids or scores.

Where all classes are numbers, a number is the class of that name and never an id: with the classes 1, 2 and 3, a 0 is
refused. Where none is, whole numbers are ids, in the order of the task's labels. Where some are, names alone count.
"""

import math
from collections.abc import Callable, Sequence
from itertools import islice

from finetune_core.tasks.labels import are_numbers, as_number
from finetune_core.tasks.metrics import ProblemType
from finetune_core.tasks.registry import TaskDefinition
from finetune_trainer.errors import UserError

_MAX_FLOAT32 = 3.4028234663852886e38
_SHOWN = 10
_MAX_TEXT = 60


class LabelReader:
    """Reads the labels of one file; UserError names file, place, value, what is allowed and what the file has.

    `unit` is what places count: lines as an editor shows them, or rows.
    """

    def __init__(self, definition: TaskDefinition, where: str, *, unit: str = "line") -> None:
        self._definition = definition
        self._where = where
        self._unit = unit
        self._meaning = _meaning(definition)
        self._known: dict[tuple[type, object], float] = {}

    def read(self, values: Sequence[object], places: Sequence[int]) -> list[float]:
        """Class ids or scores of some rows; `places` are 1-based, one for each value."""
        known, labels = self._known, []
        for value, place in zip(values, places, strict=True):
            simple = not isinstance(value, (list, dict))
            label = known.get((type(value), value)) if simple else None
            if label is None:
                label = self._meaning(value) if simple else None
                if label is None:
                    raise UserError(self._refusal(value, place, values))
                if self._definition.labels:
                    known[type(value), value] = label
            labels.append(label)
        return labels

    def _refusal(self, value: object, place: int, values: Sequence[object]) -> str:
        at = f"{self._where}, {self._unit} {place}"
        if is_missing(value):
            return f"{at}: there is no label: give the row one, or remove it"
        if self._definition.problem_type == ProblemType.REGRESSION:
            return f"{at}: score {shown(value)} is not a number{_in_float32(value)}: correct the file"
        names = self._definition.labels
        found = ", ".join(islice(dict.fromkeys(shown(one) for one in values if not is_missing(one)), _SHOWN))
        return (
            f"{at}: label {shown(value)} is none of {allowed(names)}: correct the file, or the task's labels; "
            f"the file has {found}"
        )


def allowed(names: Sequence[str]) -> str:
    """What a file may hold for the labels of these names, as a message shows it."""
    ids = not any(as_number(name) is not None for name in names)
    return ", ".join(f"{place} ({name})" if ids else name for place, name in enumerate(names[:_SHOWN]))


def shown(value: object) -> str:
    """A value as a message shows it: shortened, texts in quotes."""
    text = repr(value.strip()) if isinstance(value, str) else str(value)
    return text if len(text) <= _MAX_TEXT else f"{text[:_MAX_TEXT]}…"


def _meaning(definition: TaskDefinition) -> Callable[[object], float | None]:
    return _score if definition.problem_type == ProblemType.REGRESSION else label_id(definition.labels)


def label_id(names: tuple[str, ...]) -> Callable[[object], float | None]:
    """What finds the id of the label that a value names; None where it is none of them."""
    if are_numbers(names):
        classes = {as_number(name): float(place) for place, name in enumerate(names)}
        return lambda value: classes.get(as_number(value)) if as_number(value) is not None else None
    return _ByName(names)


def _score(value: object) -> float | None:
    number = as_number(value)
    # What training would hold as infinite is no score.
    return float(number) if number is not None and abs(number) <= _MAX_FLOAT32 else None


class _ByName:
    """The id of a class by its name; also by the id itself, where no name is a number."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self._classes = {name: float(place) for place, name in enumerate(names)}
        lowered = [name.lower() for name in names]
        self._truth = {word: float(lowered.index(word)) for word in ("true", "false") if lowered.count(word) == 1}
        self._by_id = not any(as_number(name) is not None for name in names)

    def __call__(self, value: object) -> float | None:
        if isinstance(value, bool):
            return self._truth.get(str(value).lower())
        if isinstance(value, str) and value.strip() in self._classes:
            return self._classes[value.strip()]
        number = as_number(value)
        if number is None or not self._by_id or number not in range(len(self._classes)):
            return None
        return float(number)


def is_missing(value: object) -> bool:
    """Whether a cell says nothing."""
    if isinstance(value, float):
        return math.isnan(value)
    return value is None or (isinstance(value, str) and not value.strip())


def _in_float32(value: object) -> str:
    return " in the range of float32" if as_number(value) is not None else ""
