"""`dev/<split>.tsv`: what a run's best evaluation said of each row of a dev set, and the reader of that.

    index<TAB>label<TAB>prediction<TAB>probability

`index` is the row in the file of the dev set, from 0 on, without its header; with folds, in the training file. Labels
are names, a JSON list of them in the task's order where a text can have several; scores of a regression are floats that
read back as the same float32, and have no probability. Quoted as Python's csv has it.
"""

import csv
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

MOST_ROWS = 200_000
"""Of a dev set whose predictions are kept: GLUE's largest has 40,430. A row takes some 30 bytes."""

MOST_MARKS = 50 * MOST_ROWS
"""Rows times labels of such a dev set, where a text can have several: they are in memory and in checkpoints."""

_MOST_LINES = 4 * MOST_ROWS

COLUMNS = ("index", "label", "prediction", "probability")

Line = tuple[int, str, str, str]
"""A row's index, label, prediction and the probability of that; the last is empty for scores."""


@dataclass(frozen=True)
class DevPredictions:
    """The columns of a file, row by row."""

    index: tuple[int, ...]
    label: tuple[str, ...]
    prediction: tuple[str, ...]
    probability: tuple[float | None, ...]


def to_tsv(lines: Iterable[Line]) -> Iterator[bytes]:
    """The file's lines, its header first."""
    for line in (COLUMNS, *lines):
        text = io.StringIO()
        csv.writer(text, delimiter="\t", lineterminator="\n").writerow(line)
        yield text.getvalue().encode()


def read_tsv(content: bytes) -> DevPredictions:
    """What `to_tsv` wrote; ValueError for anything else, and for more lines than any file of ours has."""
    # A label may go on in the next line, so that a row may have several.
    if content.count(b"\n") > _MOST_LINES:
        raise ValueError(f"it has more than {_MOST_LINES:,} lines")
    try:
        head, *rows = csv.reader(io.StringIO(content.decode(), newline=""), delimiter="\t", strict=True)
    except csv.Error as error:
        raise ValueError(str(error)) from error
    if tuple(head) != COLUMNS:
        raise ValueError(f"its columns are {', '.join(head)[:200]}, not {', '.join(COLUMNS)}")
    index, label, prediction, probability = zip(*rows, strict=True) if rows else ((), (), (), ())
    return DevPredictions(
        tuple(map(int, index)), label, prediction, tuple(float(one) if one else None for one in probability)
    )
