"""Parquet files: only the wanted columns are read, so that the others may be of any type."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pa_parquet

from finetune_core.tasks.labels import as_number
from finetune_trainer.data.rows import PART, Columns, require_columns
from finetune_trainer.errors import UserError


def read_parquet(path: Path, texts: Sequence[str], labels: Sequence[str], *, lists: bool = False) -> Iterator[Columns]:
    """The columns of the texts and of the labels in parts; ids of Hugging Face's ClassLabel become their names.

    `lists`: labels may be lists. UserError where a column is not there, or its type is that of no text or label.
    """
    if not path.stat().st_size:
        return
    wanted = [*texts, *labels]
    place = 1
    try:
        with pa_parquet.ParquetFile(path) as file:
            schema = file.schema_arrow
            require_columns(path.name, wanted, schema.names)
            _check_types(path, schema, texts, labels, lists=lists)
            classes = _class_names(schema, labels[0]) if len(labels) == 1 else []
            for batch in file.iter_batches(PART, columns=wanted):
                places = list(range(place, place + batch.num_rows))
                values = [_values(path, name, batch.column(name), place) for name in wanted]
                if classes:
                    values[-1] = [_named(value, classes) for value in values[-1]]
                yield Columns(places, values)
                place += batch.num_rows
    except (pa.ArrowException, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise UserError(f"{path.name} cannot be read: {error}: write it again as parquet") from error


def _check_types(path: Path, schema: pa.Schema, texts: Sequence[str], labels: Sequence[str], *, lists: bool) -> None:
    for name in [*texts, *labels]:
        kind = schema.field(name).type
        if lists and name in labels and _is_list(kind):
            kind = kind.value_type
        kind = kind.value_type if pa.types.is_dictionary(kind) else kind
        if _is_text(kind) or (name in labels and _is_label(kind)):
            continue
        what = "texts or numbers" if name in labels else "texts"
        raise UserError(f"{path.name}: column {name} holds {kind} and no {what}: write it as strings")


def _is_text(kind: pa.DataType) -> bool:
    types = pa.types
    return any(
        known(kind)
        for known in (
            *(types.is_string, types.is_large_string, types.is_string_view, types.is_null),
            *(types.is_binary, types.is_large_binary, types.is_binary_view, types.is_fixed_size_binary),
        )
    )


def _is_list(kind: pa.DataType) -> bool:
    types = pa.types
    return any(known(kind) for known in (types.is_list, types.is_large_list, types.is_fixed_size_list))


def _is_label(kind: pa.DataType) -> bool:
    types = pa.types
    return any(known(kind) for known in (types.is_integer, types.is_floating, types.is_boolean, types.is_decimal))


def _values(path: Path, name: str, column: pa.Array, place: int) -> list[object]:
    """As Python has them; bytes as the UTF-8 that they are."""
    try:
        values: list[object] = column.to_pylist()
    except UnicodeDecodeError as error:
        raise UserError(_not_utf8(path, f"in column {name}", place)) from error
    for row, value in enumerate(values):
        if isinstance(value, bytes):
            try:
                values[row] = value.decode()
            except UnicodeDecodeError as error:
                raise UserError(_not_utf8(path, f"row {place + row}, column {name}", None)) from error
    return values


def _not_utf8(path: Path, where: str, near: int | None) -> str:
    after = f" at or after row {near}" if near else ""
    return f"{path.name}, {where}{after}: the bytes are not UTF-8 text: write the column as strings"


def _class_names(schema: pa.Schema, label: str) -> list[str]:
    """The names of a ClassLabel column, as the datasets library writes them beside the schema; none elsewhere."""
    try:
        feature = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"][label]
        # A list of classes has the feature of its items inside, or is a list of one.
        feature = feature[0] if isinstance(feature, list) else feature.get("feature", feature)
        names = feature["names"]
    except (KeyError, IndexError, ValueError, TypeError, AttributeError):
        return []
    return [str(name) for name in names] if isinstance(names, list) else []


def _named(value: object, classes: list[str]) -> object:
    """The class of an id; None for an id that is none, such as the -1 of rows without a label."""
    if isinstance(value, list):
        return [_named(one, classes) for one in value]
    number = as_number(value)
    if number is None:
        return value
    return classes[int(number)] if number in range(len(classes)) else None
