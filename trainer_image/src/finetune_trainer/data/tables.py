"""Tables with named columns: parquet (Hugging Face's GLUE), and CSV, TSV, JSON Lines or parquet of custom tasks."""

import logging
from collections.abc import Iterator
from pathlib import Path
from types import NoneType

from finetune_core.tasks.registry import TaskDefinition
from finetune_trainer.data.delimited import read_delimited
from finetune_trainer.data.folds import group_names
from finetune_trainer.data.json_lines import read_json_lines
from finetune_trainer.data.labels import LabelReader, shown
from finetune_trainer.data.parquet import read_parquet
from finetune_trainer.data.rows import Columns, Rows, Tell, not_empty
from finetune_trainer.errors import UserError

logger = logging.getLogger(__name__)

_DELIMITERS = {".csv": ",", ".tsv": "\t"}


def read_tables(
    paths: list[Path], definition: TaskDefinition, split: str, tell: Tell = logger.warning
) -> Iterator[Rows]:
    """A split from one or more files, in parts; labels are read where the split is scored.

    `tell` takes what is to be known of a file that is used all the same. UserError names file, place and remedy.
    """
    scored = split == "train" or split in definition.evaluation_splits.values()
    parts = (part for path in paths for part in _parts(path, definition, scored=scored, tell=tell))
    yield from not_empty(parts, ", ".join(path.name for path in paths))


def read_groups(path: Path, definition: TaskDefinition, column: str) -> list[str]:
    """The group of each row of a training file, in its order."""
    unit = "row" if path.suffix == ".parquet" else "line"
    # Read as labels are: a group may be a number.
    parts = _columns(path, definition.model_copy(update={"label_column": column}), scored=True, tell=logger.warning)
    return [name for part in parts for name in group_names(part.values[-1], part.places, f"{path.name}, {unit}")]


def _parts(path: Path, definition: TaskDefinition, *, scored: bool, tell: Tell) -> Iterator[Rows]:
    unit = "row" if path.suffix == ".parquet" else "line"
    reader = LabelReader(definition, path.name, unit=unit)
    missing: dict[str, list[int]] = {}
    for part in _columns(path, definition, scored=scored, tell=tell):
        texts = tuple(
            _texts(part, place, f"{path.name}, {unit}", name) for place, name in enumerate(definition.text_columns)
        )
        for name, column in zip(definition.text_columns, part.values, strict=False):
            if None in column:
                places = (place for place, value in zip(part.places, column, strict=True) if value is None)
                missing.setdefault(name, []).extend(places)
        yield Rows(texts, reader.read(part.values[-1], part.places) if scored else None)
    for name, empty in missing.items():
        tell(f"{path.name} has no text in column {name} in {len(empty)} rows, from {unit} {empty[0]} on")


def _columns(path: Path, definition: TaskDefinition, *, scored: bool, tell: Tell) -> Iterator[Columns]:
    label = definition.label_column if scored else None
    wanted = [*definition.text_columns, *([label] if label else [])]
    kind = Path(path.name.removesuffix(".gz")).suffix
    if kind == ".parquet":
        return read_parquet(path, definition.text_columns, label)
    if kind in _DELIMITERS:
        return read_delimited(path, wanted, _DELIMITERS[kind], definition.quoting, tell)
    return read_json_lines(path, wanted)


def _texts(part: Columns, column: int, where: str, name: str) -> list[str]:
    """Texts as they are, "" for null; UserError for what is no text, or cannot be written as UTF-8."""
    values = part.values[column]
    if not set(map(type, values)) <= {str, NoneType}:
        place, value = next(
            pair for pair in zip(part.places, values, strict=True) if type(pair[1]) not in {str, NoneType}
        )
        kind = {dict: "an object", list: "a list", bool: "a truth value"}.get(type(value), "a number")
        raise UserError(f"{where} {place}: column {name} holds {kind}, {shown(value)}: write texts in quotes")
    texts = ["" if value is None else str(value) for value in values]
    try:
        "".join(texts).encode()
    except UnicodeEncodeError as error:
        place = next(place for place, text in zip(part.places, texts, strict=True) if not _is_whole(text))
        raise UserError(
            f"{where} {place}: column {name} holds half of a surrogate pair, which is no character: correct it"
        ) from error
    return texts


def _is_whole(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)
