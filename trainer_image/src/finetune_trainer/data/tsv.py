"""GLUE's official TSV files, with their quirks (see https://gluebenchmark.com/tasks).

Tab-split with quoting off, since sentences hold lone double quotes; lines end at LF alone, since sentences hold other
separators of Unicode. CoLA's train and dev have no header; MRPC starts with a byte order mark; QQP has a few rows that
are broken in the original and are left out, as Hugging Face's loader does.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from finetune_core.tasks import TaskDefinition
from finetune_trainer.data.rows import PART, LabelReader, Rows, not_empty
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


def read_glue_tsv(path: Path, definition: TaskDefinition, split: str) -> Iterator[Rows]:
    """A split of a GLUE task, in parts; labels of test sets are never read. UserError for empty or malformed files."""
    scored = split == "train" or split in definition.evaluation_splits.values()
    columns = _DIAGNOSTIC if split == "ax" else (_SCORED if scored else _TEST)[definition.name]
    where = f"{path.parent.name}/{path.name}"
    reader = LabelReader(definition, where)
    yield from not_empty(
        _parts(path, where, columns, reader, lenient=definition.name in _BROKEN_IN_THE_ORIGINAL), where
    )


def _parts(path: Path, where: str, columns: Columns, reader: LabelReader, *, lenient: bool) -> Iterator[Rows]:
    rows = _rows(path, where, header=columns.header, lenient=lenient)
    while part := list(islice(rows, PART)):
        texts = tuple([fields[place] for _, fields in part] for place in columns.texts)
        at = columns.label
        yield Rows(texts, None if at is None else [reader.read(fields[at], line) for line, fields in part])


def _rows(path: Path, where: str, *, header: bool, lenient: bool) -> Iterator[tuple[int, list[str]]]:
    """Line number and fields of every row; all have as many fields as the first line, or are left out if `lenient`."""
    width, broken = 0, 0
    for line, text in enumerate(_lines(path, where), 1):
        fields = text.split("\t")
        width = width or len(fields)
        if line == 1 and header:
            continue
        if len(fields) == width:
            yield line, fields
        elif lenient:
            broken += 1
        else:
            raise UserError(
                f"{where}, line {line}: {len(fields)} tab-separated columns instead of {width}: correct the line"
            )
    if broken:
        logger.warning("%s: left out %d rows with missing columns", where, broken)


def _lines(path: Path, where: str) -> Iterator[str]:
    with path.open("rb") as file:
        # A binary file's lines end at LF alone.
        for line, raw in enumerate(file, 1):
            try:
                text = raw.decode("utf-8-sig" if line == 1 else "utf-8")
            except UnicodeDecodeError as error:
                raise UserError(f"{where}, line {line} is not UTF-8 text (byte {error.start}): convert it") from error
            yield text.removesuffix("\n").removesuffix("\r")
