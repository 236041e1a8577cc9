"""GLUE's official TSV files, with their quirks (see https://gluebenchmark.com/tasks).

Tab-split with quoting off, since sentences hold lone double quotes; lines end at LF alone, since sentences hold other
separators of Unicode. CoLA's train and dev have no header; MRPC starts with a byte order mark; QQP has a few rows that
are broken in the original and are left out, as Hugging Face's loader does.
"""

import logging
from dataclasses import dataclass
from pathlib import Path

from finetune_core.tasks import TaskDefinition
from finetune_trainer.data.rows import LabelReader, Rows, require_rows
from finetune_trainer.errors import UserError

logger = logging.getLogger(__name__)

_LAST = -1


@dataclass(frozen=True)
class Columns:
    """Positions of the texts and of the label; the last column is -1."""

    texts: tuple[int, ...]
    label: int | None
    header: bool = True


_PAIR = Columns((1, 2), 3)
_SCORED = {
    "cola": Columns((3,), 1, header=False),
    "sst2": Columns((0,), 1),
    "mrpc": Columns((3, 4), 0),
    "stsb": Columns((7, 8), _LAST),
    "qqp": Columns((3, 4), 5),
    "mnli": Columns((8, 9), _LAST),
    "qnli": _PAIR,
    "rte": _PAIR,
    "wnli": _PAIR,
}
_TEST = {
    "cola": Columns((1,), None),
    "sst2": Columns((1,), None),
    "mrpc": Columns((3, 4), None),
    "stsb": Columns((7, 8), None),
    "qqp": Columns((1, 2), None),
    "mnli": Columns((8, 9), None),
    "qnli": Columns((1, 2), None),
    "rte": Columns((1, 2), None),
    "wnli": Columns((1, 2), None),
}
_DIAGNOSTIC = Columns((1, 2), None)
_BROKEN_IN_THE_ORIGINAL = frozenset({"qqp"})


def read_glue_tsv(path: Path, definition: TaskDefinition, split: str) -> Rows:
    """A split of a GLUE task; labels of test sets are never read. UserError for empty or malformed files."""
    scored = split == "train" or split in definition.evaluation_splits.values()
    columns = _DIAGNOSTIC if split == "ax" else (_SCORED if scored else _TEST)[definition.name]
    where = f"{path.parent.name}/{path.name}"
    lines = _lines(path, where)
    require_rows(lines, where)
    width = len(lines[0].split("\t"))
    first = 2 if columns.header else 1
    rows = _split_lines(lines[first - 1 :], first, width, where, lenient=definition.name in _BROKEN_IN_THE_ORIGINAL)
    require_rows(rows, where)
    texts = tuple([fields[place] for _, fields in rows] for place in columns.texts)
    if columns.label is None:
        return Rows(texts, None)
    reader = LabelReader(definition, where)
    return Rows(texts, [reader.read(fields[columns.label], line) for line, fields in rows])


def _lines(path: Path, where: str) -> list[str]:
    try:
        text = path.read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"{where} is not UTF-8 text (byte {error.start}): convert it") from error
    return [line.removesuffix("\r") for line in text.removesuffix("\n").split("\n")] if text else []


def _split_lines(lines: list[str], first: int, width: int, where: str, *, lenient: bool) -> list[tuple[int, list[str]]]:
    rows, broken = [], 0
    for line, text in enumerate(lines, first):
        fields = text.split("\t")
        if len(fields) == width:
            rows.append((line, fields))
        elif lenient:
            broken += 1
        else:
            raise UserError(
                f"{where}, line {line}: {len(fields)} tab-separated columns instead of {width}: correct the line"
            )
    if broken:
        logger.warning("%s: left out %d rows with missing columns", where, broken)
    return rows
