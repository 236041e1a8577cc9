"""Tables with named columns: parquet (Hugging Face's GLUE), and CSV, TSV, JSONL or parquet of custom tasks."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.json as pa_json
import pyarrow.parquet as pa_parquet

from finetune_core.tasks import TaskDefinition
from finetune_trainer.data.rows import LabelReader, Rows, require_rows
from finetune_trainer.errors import UserError


def read_tables(paths: list[Path], definition: TaskDefinition, split: str) -> Rows:
    """A split from one or more files; labels are read where the split is scored. UserError as for TSV."""
    where = ", ".join(path.name for path in paths)
    tables = [_read(path) for path in paths]
    scored = split == "train" or split in definition.evaluation_splits.values()
    texts = tuple(
        [
            "" if value is None else str(value)
            for table, path in zip(tables, paths, strict=True)
            for value in _column(table, name, path)
        ]
        for name in definition.text_columns
    )
    require_rows(texts[0], where)
    if not scored:
        return Rows(texts, None)
    labels: list[float] = []
    for table, path in zip(tables, paths, strict=True):
        reader = LabelReader(definition, path.name)
        first = 2 if path.suffix in {".csv", ".tsv"} else 1
        values = _column(table, definition.label_column, path)
        labels += [reader.read(value, line) for line, value in enumerate(values, first)]
    return Rows(texts, labels)


def _read(path: Path) -> pa.Table:
    try:
        if path.suffix == ".parquet":
            return pa_parquet.read_table(path)
        if path.suffix == ".jsonl":
            return pa_json.read_json(path)
        options = pa_csv.ParseOptions(delimiter="\t" if path.suffix == ".tsv" else ",", newlines_in_values=True)
        strings = pa_csv.ConvertOptions(strings_can_be_null=False, check_utf8=True, null_values=[])
        return pa_csv.read_csv(path, parse_options=options, convert_options=strings)
    except pa.ArrowInvalid as error:
        raise UserError(f"{path.name} cannot be read: {error}") from error


def _column(table: pa.Table, name: str, path: Path) -> list[Any]:
    if name not in table.column_names:
        raise UserError(f"{path.name} has no column {name}; it has {', '.join(table.column_names)}")
    values: list[Any] = table.column(name).to_pylist()
    return values
