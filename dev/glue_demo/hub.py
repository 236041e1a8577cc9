"""The Hugging Face layout (https://huggingface.co/datasets/nyu-mll/glue): one parquet file a split.

Columns: the texts, `label` (int64 ids in the order of the label names, float32 scores in STS-B, -1 where hidden)
and `idx` (int32). MRPC's test split carries the true labels, as on the hub: a trap for whoever reads them.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pyarrow as pa
import pyarrow.parquet as pq

from glue_demo.row import Row
from glue_demo.streams import Split

_HIDDEN = -1


def parquet_name(split: Split) -> str:
    """The file of a split inside its task's folder."""
    return f"{split.name}-00000-of-00001.parquet"


class HubWriter:
    """Writes one split, rows in the order given; a context manager."""

    def __init__(self, root: Path, split: Split) -> None:
        self._split, self._schema, self._rows = split, _schema(split), 0
        path = root / split.task / parquet_name(split)
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = pq.ParquetWriter(path, self._schema)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def write(self, rows: Sequence[Row]) -> None:
        """Append rows, as one row group."""
        columns: list[list[Any]] = [list(texts) for texts in zip(*(row.texts for row in rows), strict=True)]
        hidden = self._split.part == "test" and self._split.task != "mrpc"
        columns.append([_HIDDEN if hidden else row.label for row in rows])
        columns.append(list(range(self._rows, self._rows + len(rows))))
        arrays = [pa.array(values, kind) for values, kind in zip(columns, self._schema.types, strict=True)]
        self._file.write_batch(pa.RecordBatch.from_arrays(arrays, schema=self._schema))
        self._rows += len(rows)


def _schema(split: Split) -> Any:
    """Arrow types, and the label names where `datasets` looks for them."""
    definition = split.definition
    label_type = pa.int64() if definition.labels else pa.float32()
    features: dict[str, object] = {name: {"dtype": "string", "_type": "Value"} for name in definition.text_columns}
    features["label"] = (
        {"names": list(definition.labels), "_type": "ClassLabel"}
        if definition.labels
        else {"dtype": "float32", "_type": "Value"}
    )
    features["idx"] = {"dtype": "int32", "_type": "Value"}
    fields = [(name, pa.string()) for name in definition.text_columns]
    return pa.schema(
        [*fields, ("label", label_type), ("idx", pa.int32())],
        metadata={"huggingface": json.dumps({"info": {"features": features}})},
    )
