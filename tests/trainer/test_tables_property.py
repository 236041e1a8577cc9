"""Whatever texts a table holds: they are read as they were written, or the file is refused; never as other texts."""

import csv
import io
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from finetune_core.tasks.metrics import ProblemType
from finetune_core.tasks.registry import Quoting, TaskDefinition
from finetune_trainer.data.tables import read_tables
from finetune_trainer.errors import UserError

HOSTILE = st.text(st.sampled_from(list("ab \"'\\,;\t\n\r\0\x0b\u2028\ufeffüß中😀")), max_size=12)
TEXTS = st.one_of(HOSTILE, st.text(max_size=8), st.sampled_from(["NA", "null", "007", "1e5", "true", '"', '""', "a,b"]))
ROWS = st.lists(st.tuples(TEXTS, TEXTS, st.sampled_from(["neg", "pos"])), min_size=1, max_size=9)
NAMES = ("one", "two", "label")


def definition(quoting: Quoting) -> TaskDefinition:
    return TaskDefinition(
        name="own",
        problem_type=ProblemType.CLASSIFICATION,
        text_columns=NAMES[:2],
        labels=("neg", "pos"),
        metrics=("accuracy",),
        measured=("accuracy",),
        quoting=quoting,
    )


def delimited(delimiter: str, style: int):
    def write(frame: pd.DataFrame, path: Path) -> None:
        path.write_bytes(frame.to_csv(sep=delimiter, index=False, quoting=style, lineterminator="\n").encode())

    return write


def by_hand(frame: pd.DataFrame, path: Path) -> None:
    """As programs write that know of no quotes, and so can hold no tabs and lines inside texts."""
    assume(not any(set("\t\n") & set(text) for row in frame.itertuples(index=False) for text in row))
    lines = ["\t".join(row) for row in [NAMES, *frame.itertuples(index=False)]]
    path.write_bytes(("\n".join(lines) + "\n").encode())


def json_lines(*, ascii_only: bool):
    def write(frame: pd.DataFrame, path: Path) -> None:
        buffer = io.BytesIO()
        frame.to_json(buffer, orient="records", lines=True, force_ascii=ascii_only)
        path.write_bytes(buffer.getvalue())

    return write


WRITERS = {
    "csv": (delimited(",", csv.QUOTE_MINIMAL), "a.csv", Quoting.AUTO),
    "csv, all quoted": (delimited(",", csv.QUOTE_ALL), "a.csv", Quoting.AUTO),
    "tsv": (delimited("\t", csv.QUOTE_MINIMAL), "a.tsv", Quoting.AUTO),
    "tsv, minimal": (delimited("\t", csv.QUOTE_MINIMAL), "a.tsv", Quoting.MINIMAL),
    "tsv, none": (by_hand, "a.tsv", Quoting.NONE),
    "jsonl": (json_lines(ascii_only=False), "a.jsonl", Quoting.AUTO),
    "jsonl, ascii": (json_lines(ascii_only=True), "a.jsonl", Quoting.AUTO),
    "parquet": (lambda frame, path: pq.write_table(pa.Table.from_pandas(frame), path), "a.parquet", Quoting.AUTO),
}


@pytest.mark.parametrize("writer", WRITERS)
@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=ROWS)
def test_texts_are_read_as_they_were_written_or_the_file_is_refused(tmp_path, writer, rows):
    write, name, quoting = WRITERS[writer]
    write(pd.DataFrame(rows, columns=NAMES), tmp_path / name)

    try:
        parts = list(read_tables([tmp_path / name], definition(quoting), "train", lambda note: None))
    except UserError:
        # Only such texts are reason enough; in JSON and parquet there are none.
        assert any(set('\0\r\t\n"') & set(text) for row in rows for text in row)
        assert not name.endswith((".jsonl", ".parquet"))
        return

    assert [text for part in parts for text in part.texts[0]] == [row[0] for row in rows]
    assert [text for part in parts for text in part.texts[1]] == [row[1] for row in rows]
    assert [label for part in parts for label in part.labels] == [float(row[2] == "pos") for row in rows]
