"""Tables with named columns: parquet (Hugging Face's GLUE), and CSV, TSV, JSONL or parquet of custom tasks."""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.json as pa_json
import pyarrow.parquet as pa_parquet

from finetune_core.tasks import TaskDefinition
from finetune_trainer.data.rows import PART, LabelReader, Rows, not_empty
from finetune_trainer.errors import UserError


def read_tables(paths: list[Path], definition: TaskDefinition, split: str) -> Iterator[Rows]:
    """A split from one or more files, in parts; labels are read where the split is scored. UserError as for TSV."""
    scored = split == "train" or split in definition.evaluation_splits.values()
    parts = (part for path in paths for part in _parts(path, definition, scored=scored))
    yield from not_empty(parts, ", ".join(path.name for path in paths))


def _parts(path: Path, definition: TaskDefinition, *, scored: bool) -> Iterator[Rows]:
    wanted = [*definition.text_columns, *([definition.label_column] if scored else [])]
    reader = LabelReader(definition, path.name)
    line = 2 if path.suffix in {".csv", ".tsv"} else 1
    for batch in _batches(path, wanted):
        texts = tuple(_texts(batch.column(name)) for name in definition.text_columns)
        labels = None
        if scored:
            values = batch.column(definition.label_column).to_pylist()
            labels = [reader.read(value, at) for at, value in enumerate(values, line)]
        yield Rows(texts, labels)
        line += batch.num_rows


def _texts(column: pa.Array) -> list[str]:
    return ["" if value is None else str(value) for value in column.to_pylist()]


def _batches(path: Path, wanted: list[str]) -> Iterator[pa.RecordBatch]:
    """Parts of a file that has the wanted columns, of at most PART rows."""
    try:
        for batch in _open(path, wanted):
            if missing := [name for name in wanted if name not in batch.schema.names]:
                raise UserError(f"{path.name} has no column {missing[0]}; it has {', '.join(batch.schema.names)}")
            yield from (batch.slice(start, PART) for start in range(0, batch.num_rows, PART))
    except pa.ArrowInvalid as error:
        # pyarrow has no other word for a file without a byte.
        if path.stat().st_size:
            raise UserError(f"{path.name} cannot be read: {error}") from error


def _open(path: Path, wanted: list[str]) -> Iterator[pa.RecordBatch]:
    if path.suffix == ".parquet":
        yield from pa_parquet.ParquetFile(path).iter_batches(PART)
    elif path.suffix == ".jsonl":
        yield from pa_json.open_json(path)
    else:
        # Texts and labels as they are written: "007" stays so.
        strings = pa_csv.ConvertOptions(
            strings_can_be_null=False, check_utf8=True, null_values=[], column_types=dict.fromkeys(wanted, pa.string())
        )
        options = pa_csv.ParseOptions(delimiter="\t" if path.suffix == ".tsv" else ",", newlines_in_values=True)
        yield from pa_csv.open_csv(path, parse_options=options, convert_options=strings)
