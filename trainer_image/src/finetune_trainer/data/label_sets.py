"""From what a file says to the labels of texts that can have several: a 0 or 1 for each label, in the task's order.

A cell holds a list (JSON, parquet), or one text with a delimiter between the labels; or each label has a column of 0
and 1. An empty list, and an empty text where there is a delimiter, have none of the labels; null is refused.
"""

from collections.abc import Iterator, Sequence

from finetune_core.tasks.labels import as_number
from finetune_core.tasks.registry import TaskDefinition
from finetune_trainer.data.labels import allowed, is_missing, label_id, shown
from finetune_trainer.data.rows import Tell
from finetune_trainer.errors import UserError

_SHOWN = 10
_WORDS = {"true": 1.0, "false": 0.0}


class LabelSetReader:
    """Reads the labels of one file; UserError names file, place, value and what is allowed.

    `unit` is what places count. `end` tells which labels no row has, and how many texts between delimiters were empty.
    """

    def __init__(self, definition: TaskDefinition, where: str, *, unit: str = "line") -> None:
        self._definition = definition
        self._where = where
        self._unit = unit
        self._id = label_id(definition.labels)
        self._known: dict[tuple[type, object], int] = {}
        self._counts = [0] * len(definition.labels)
        self._rows = self._empty = 0

    def read(self, columns: Sequence[Sequence[object]], places: Sequence[int]) -> list[list[float]]:
        """The labels of some rows (rows x labels); `columns` are those that hold them, `places` are 1-based."""
        in_columns = self._definition.label_columns
        rows = list(self._from_columns(columns, places) if in_columns else self._from_cells(columns[0], places))
        self._rows += len(rows)
        self._empty += sum(not any(row) for row in rows)
        self._counts = [
            count + int(sum(column)) for count, column in zip(self._counts, zip(*rows, strict=True), strict=True)
        ]
        return rows

    def end(self, tell: Tell) -> None:
        """After the last row."""
        if self._empty and self._definition.label_delimiter:
            # Texts of a table are empty too where somebody forgot them.
            tell(f"{self._where}: {self._empty} of {self._rows} rows have an empty text for none of the labels")
        pairs = zip(self._definition.labels, self._counts, strict=True)
        if never := [name for name, count in pairs if not count]:
            tell(f"{self._where}: no row has the label {', '.join(never[:_SHOWN])}")

    def _from_columns(self, columns: Sequence[Sequence[object]], places: Sequence[int]) -> Iterator[list[float]]:
        names = self._definition.label_columns
        for *values, place in zip(*columns, places, strict=True):
            yield [self._zero_or_one(value, name, place) for value, name in zip(values, names, strict=True)]

    def _zero_or_one(self, value: object, column: str, place: object) -> float:
        found, number = _WORDS.get(str(value).strip().lower()), as_number(value)
        if found is None and number in {0, 1}:
            found = float(str(number))
        if found is None:
            raise UserError(
                f"{self._where}, {self._unit} {place}: column {column} holds {shown(value)}, which is neither 0 nor 1: "
                "correct the file, or remove the row"
            )
        return found

    def _from_cells(self, values: Sequence[object], places: Sequence[int]) -> Iterator[list[float]]:
        for value, place in zip(values, places, strict=True):
            row = [0.0] * len(self._definition.labels)
            for one in self._split(value, place):
                row[self._label(one, place)] = 1.0
            yield row

    def _split(self, value: object, place: int) -> Sequence[object]:
        delimiter = self._definition.label_delimiter
        if isinstance(value, list):
            return value
        if delimiter and isinstance(value, str):
            parts = value.split(delimiter)
            # A blank as delimiter: several in a row are one, as people write them.
            return [part for part in parts if part.strip()] if not value.strip() or not delimiter.strip() else parts
        at = f"{self._where}, {self._unit} {place}"
        if is_missing(value):
            raise UserError(f"{at}: there is no list of labels: write [] for none of them, or remove the row")
        raise UserError(
            f"{at}: {shown(value)} is no list of labels: write lists (.jsonl, .parquet), or set data.labelDelimiter to "
            "what stands between the labels, or data.labelColumns"
        )

    def _label(self, value: object, place: int) -> int:
        simple = not isinstance(value, list | dict)
        known = self._known.get((type(value), value)) if simple else None
        if known is not None:
            return known
        found = self._id(value) if simple else None
        if found is None:
            raise UserError(
                f"{self._where}, {self._unit} {place}: label {shown(value)} is none of "
                f"{allowed(self._definition.labels)}: correct the file, or the task's labels"
            )
        self._known[type(value), value] = int(found)
        return int(found)
