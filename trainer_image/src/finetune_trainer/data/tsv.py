"""GLUE's official TSV files, with their quirks (see https://gluebenchmark.com/tasks).

Tab-split with quoting off, since sentences hold lone double quotes; lines end at LF alone, since sentences hold other
separators of Unicode. CoLA's train and dev have no header; MRPC starts with a byte order mark; QQP has a few rows that
are broken in the original and are left out, as Hugging Face's loader does.
"""

import logging
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from finetune_core.tasks.official import OFFICIAL_COLUMNS
from finetune_core.tasks.registry import TaskDefinition
from finetune_trainer.data.labels import LabelReader
from finetune_trainer.data.lines import text_lines
from finetune_trainer.data.rows import PART, Rows, not_empty
from finetune_trainer.errors import UserError

logger = logging.getLogger(__name__)

_COLA_HEADER = ("source", "label", "mark", "sentence")
"""What the four columns of CoLA's train and dev files hold."""

_BROKEN_IN_THE_ORIGINAL = frozenset({"qqp"})


def read_glue_tsv(path: Path, definition: TaskDefinition, split: str) -> Iterator[Rows]:
    """A split of a GLUE task, in parts; labels of test sets are never read. UserError for empty or malformed files."""
    scored = split == "train" or split in definition.evaluation_splits.values()
    where = f"{path.parent.name}/{path.name}"
    yield from not_empty(_parts(path, where, definition, scored=scored), where)


def _parts(path: Path, where: str, definition: TaskDefinition, *, scored: bool) -> Iterator[Rows]:
    known = OFFICIAL_COLUMNS[definition.name]
    reader = LabelReader(definition, where)
    rows = _rows(path, where, definition.name, headless=scored and definition.name == "cola")
    head = next(rows, None)
    if head is None:
        return
    names = [*known.texts, *([known.label] if scored else [])]
    places = [_place(where, head[1], name) for name in names]
    while part := list(islice(rows, PART)):
        columns = [[fields[place] for _, fields in part] for place in places]
        lines = [line for line, _ in part]
        yield Rows(tuple(columns[: len(known.texts)]), reader.read(columns[-1], lines) if scored else None)


def _place(where: str, header: list[str], name: str) -> int:
    try:
        return header.index(name)
    except ValueError:
        first = "\t".join(header)[:80]
        raise UserError(
            f"{where}, line 1: {first!r} is not the header of the official file, with the column {name}: without its "
            "header a file's first row would be lost: add it"
        ) from None


def _rows(path: Path, where: str, task: str, *, headless: bool) -> Iterator[tuple[int, list[str]]]:
    """Line number and fields of the header and of every row; all have as many fields, or are left out where known."""
    width, broken = 0, 0
    if headless:
        width = len(_COLA_HEADER)
        yield 0, list(_COLA_HEADER)
    for line, text in enumerate(text_lines(path, where), 1):
        fields = text.removesuffix("\n").removesuffix("\r").split("\t")
        width = width or len(fields)
        if len(fields) == width:
            yield line, fields
        elif task in _BROKEN_IN_THE_ORIGINAL:
            broken += 1
        else:
            raise UserError(
                f"{where}, line {line}: {len(fields)} tab-separated columns instead of {width}: correct the line"
            )
    if broken:
        logger.warning("%s: left out %d rows with missing columns", where, broken)
