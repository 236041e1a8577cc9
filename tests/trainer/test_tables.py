"""Tables of a user's own: what is read is what another reader finds there, or the file is refused with a remedy."""

import csv
import gzip
import json
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from finetune_core.tasks.metrics import ProblemType
from finetune_core.tasks.registry import Quoting, TaskDefinition
from finetune_trainer.data.rows import PART
from finetune_trainer.data.tables import read_tables
from finetune_trainer.errors import UserError


def task(*labels: str, columns: tuple[str, ...] = ("text",), quoting: Quoting = Quoting.AUTO) -> TaskDefinition:
    return TaskDefinition(
        name="own",
        problem_type=ProblemType.CLASSIFICATION if labels else ProblemType.REGRESSION,
        text_columns=columns,
        labels=labels,
        metrics=("accuracy",),
        measured=("accuracy",),
        quoting=quoting,
    )


WORDS = task("neg", "pos")


def read(path: Path, definition: TaskDefinition = WORDS, split: str = "train"):
    """Texts of the first column, labels, and what was told."""
    told: list[str] = []
    parts = list(read_tables([path], definition, split, told.append))
    texts = [text for part in parts for text in part.texts[0]]
    return texts, [label for part in parts for label in part.labels or ()], told


def refusal(path: Path, definition: TaskDefinition = WORDS) -> str:
    with pytest.raises(UserError) as caught:
        read(path, definition)
    return str(caught.value)


def written(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


# Labels


def labelled(path: Path, values: list) -> Path:
    """A table of these labels; JSON Lines keeps their types."""
    return written(path, "".join(json.dumps({"text": "a", "label": value}) + "\n" for value in values))


@pytest.mark.parametrize(
    ("names", "values", "classes"),
    [
        pytest.param(("1", "2", "3"), [1, 2, 3], [0, 1, 2], id="numbers are names, from 1"),
        pytest.param(("-1", "1"), [-1, 1, -1], [0, 1, 0], id="numbers are names, negative"),
        pytest.param(("1", "2", "3"), [1.0, "2", "3.0", "01"], [0, 1, 2, 0], id="floats, texts, zeros"),
        pytest.param(("2", "1", "0"), [0, 1, 2], [2, 1, 0], id="numbers in an order of their own"),
        pytest.param(("0", "1"), ["0", "1", 1.0], [0, 1, 1], id="0 and 1"),
        pytest.param(("0.5", "1"), [0.5, 1], [0, 1], id="fractions"),
        pytest.param(("neg", "pos"), ["pos", " neg ", 0, 1.0], [1, 0, 0, 1], id="words, or their ids"),
        pytest.param(("None", "some"), ["None", "some"], [0, 1], id="a class of the name None"),
        pytest.param(("True", "False"), [True, False, "True"], [0, 1, 0], id="truth values by name"),
        pytest.param(("0", "other"), ["0", "other"], [0, 1], id="some numbers"),
    ],
)
def test_labels_mean_the_class_that_they_name(tmp_path, names, values, classes):
    _, labels, _ = read(labelled(tmp_path / "a.jsonl", values), task(*names))

    assert labels == classes


@pytest.mark.parametrize(
    ("names", "values", "message"),
    [
        pytest.param(
            ("1", "2", "3"), [1, 2, 0], "line 3: label 0 is none of 1, 2, 3: correct the file, or the task's labels; "
            "the file has 1, 2, 0", id="an id where numbers are names",
        ),
        pytest.param(("-1", "1"), [1, 0], "line 2: label 0 is none of -1, 1", id="an id beside negative numbers"),
        pytest.param(("0", "other"), [1], "line 1: label 1 is none of 0, other", id="an id beside a number"),
        pytest.param(("None", "some"), ["some", None], "line 2: there is no label", id="null beside a class None"),
        pytest.param(("neg", "pos"), ["pos", " "], "line 2: there is no label", id="blank"),
        pytest.param(("neg", "pos"), [True], "line 1: label True is none of 0 (neg), 1 (pos)", id="truth value"),
        pytest.param(("0", "1"), [True], "line 1: label True is none of 0, 1", id="truth value beside numbers"),
        pytest.param(("neg", "pos"), [0, -1], "line 2: label -1 is none of", id="-1"),
        pytest.param(("neg", "pos"), [0.5], "line 1: label 0.5 is none of", id="no whole number"),
        pytest.param(("neg", "pos"), [["pos"]], "line 1: label ['pos'] is none of", id="list"),
        pytest.param(("neg", "pos"), ["x" * 500], "line 1: label 'xxx", id="shortened"),
        pytest.param((), [1.5, "1_000"], "line 2: score '1_000' is not a number", id="what only Python takes"),
        pytest.param((), [1e39], "line 1: score 1e+39 is not a number in the range of float32", id="float32"),
        pytest.param((), [float("nan")], "line 1: there is no label", id="NaN"),
        pytest.param((), [True], "line 1: score True is not a number", id="truth value as a score"),
    ],
)  # fmt: skip
def test_labels_that_name_no_class_are_refused_with_row_and_value(tmp_path, names, values, message):
    said = refusal(labelled(tmp_path / "a.jsonl", values), task(*names))

    assert f"a.jsonl, {message}" in said
    assert len(said) < 250


def test_scores_are_those_that_pandas_reads(tmp_path):
    scores = [0.1, -2, 3.25, 1e-7, 4.0]
    path = labelled(tmp_path / "a.jsonl", [*scores, "2.5"])

    assert read(path, task())[1] == [*scores, 2.5]


@pytest.mark.parametrize(
    ("names", "labels", "classes"),
    [(("pos", "neg"), [0, 1, 1], [1, 0, 0]), (("1", "2", "3"), [0, 1, 2], [0, 1, 2])],
)
def test_ids_of_parquet_mean_what_the_file_says_they_mean(tmp_path, names, labels, classes):
    """Hugging Face's ClassLabel: ids of its own order, with their names beside the schema."""
    own = ["neg", "pos"] if "neg" in names else ["1", "2", "3"]
    features = {"label": {"names": own, "_type": "ClassLabel"}}
    table = pa.table({"text": ["a"] * len(labels), "label": labels})
    pq.write_table(
        table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})}),
        tmp_path / "a.parquet",
    )

    assert read(tmp_path / "a.parquet", task(*names))[1] == classes


def class_labels(path: Path, labels: pa.Array) -> Path:
    """Ids of Hugging Face's ClassLabel with the names pos and neg."""
    features = {"label": {"names": ["pos", "neg"], "_type": "ClassLabel"}}
    metadata = {"huggingface": json.dumps({"info": {"features": features}})}
    pq.write_table(pa.table({"text": ["a"] * len(labels), "label": labels}).replace_schema_metadata(metadata), path)
    return path


def test_ids_of_parquet_that_became_floats_mean_the_same(tmp_path):
    assert read(class_labels(tmp_path / "a.parquet", pa.array([0.0, 1.0])))[1] == [1, 0]


@pytest.mark.parametrize("none", [-1, 5])
def test_ids_of_parquet_that_have_no_name_are_no_labels(tmp_path, none):
    path = class_labels(tmp_path / "a.parquet", pa.array([0, none]))
    assert "row 2: there is no label" in refusal(path, task("neg", "pos", "a", "b", "c", "d"))


# Quotes

TWEETS = [f"text {n}" for n in range(40)]
TWEETS[5] = '"lone at the start'
TWEETS[11] = 'lone at the end"'
TWEETS[20] = 'in "the" middle'


def bare_tsv(path: Path, texts: list[str]) -> Path:
    return written(path, "text\tlabel\n" + "".join(f"{text}\t{n % 2}\n" for n, text in enumerate(texts)))


def test_lone_quotes_of_a_tsv_file_swallow_no_rows(tmp_path):
    texts = [*TWEETS, '"Yes" he said', 'and "']
    path = bare_tsv(tmp_path / "a.tsv", texts)

    found, labels, told = read(path)

    by_pandas = pd.read_csv(path, sep="\t", quoting=csv.QUOTE_NONE, keep_default_na=False)
    assert found == texts == by_pandas["text"].tolist()
    assert labels == by_pandas["label"].tolist()
    assert "a.tsv is read with quotes as parts of the texts" in told[0]


def test_quotes_that_could_be_either_are_refused_with_their_line_until_it_is_said(tmp_path):
    path = bare_tsv(tmp_path / "a.tsv", TWEETS)
    with_quotes = pd.read_csv(path, sep="\t", keep_default_na=False)
    assert len(with_quotes) == 34

    said = refusal(path)
    assert "a.tsv: a quote opens in line 7 and closes in line 13" in said
    assert "(34 rows in all) or several with lone quotes (40 rows): set the task's data.quoting" in said
    assert read(path, task("0", "1", quoting=Quoting.NONE))[0] == TWEETS
    assert read(path, task("0", "1", quoting=Quoting.MINIMAL))[0] == with_quotes["text"].tolist()


def test_a_csv_file_has_quotes_and_what_could_be_lone_ones_is_told(tmp_path):
    path = written(tmp_path / "a.csv", 'text,label\n"a,0\nb",1\nc,0\n')

    texts, labels, told = read(path)

    assert (texts, labels) == (["a,0\nb", "c"], [1, 0])
    assert "a quote opens in line 2 and closes in line 3" in told[0]
    assert "(2 rows in all) or several with lone quotes (3 rows)" in told[0]


@pytest.mark.parametrize("suffix", ["csv", "tsv"])
def test_quotes_around_texts_are_read_as_pandas_writes_them(tmp_path, suffix):
    texts = ['say "hi"', "two\nlines", "a,b\tc", '"', "", " blanks ", "NA", "007", "end", "a\r\nb"]
    path = tmp_path / f"a.{suffix}"
    pd.DataFrame({"text": texts, "label": ["neg", "pos"] * 5}).to_csv(
        path, sep="," if suffix == "csv" else "\t", index=False
    )

    assert read(path) == (texts, [0, 1] * 5, [])


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        pytest.param("a.csv", 'text,label\na,0\n"b,1\nc,0\n', "a.csv, line 3: a quote opens in this row and is read on "
                     "to line 4: quotes do not fit", id="never closed"),
        pytest.param("a.csv", 'text,label\n"b" c,1\n', "a.csv, line 2: quotes do not fit", id="text after a quote"),
        pytest.param("a.csv", 'text,label\n"two\nlines",0\n\na\n', "a.csv, line 5: 1 columns instead of 2: correct",
                     id="lines in quotes and blank lines are counted"),
        pytest.param("a.csv", 'text,label\n"two\nlines",0\n\na,7\n', "a.csv, line 5: label '7' is none of",
                     id="a label's line"),
        pytest.param("a.tsv", 'text\tlabel\n"b\t1\tc\nd\n', "a.tsv, line 2: a quote opens", id="neither way"),
        pytest.param("a.csv", "text,label\na\rb,0\n", "a.csv, line 2: a carriage return inside a text", id="lone CR"),
    ],
)  # fmt: skip
def test_rows_that_do_not_fit_are_named_by_the_line_that_they_begin_in(tmp_path, name, content, message):
    assert message in refusal(written(tmp_path / name, content))


# Texts


def test_bytes_of_parquet_are_the_text_that_they_are(tmp_path):
    texts = ["grün", "b'x'", ""]
    table = pa.table({"text": pa.array([text.encode() for text in texts]), "label": [0, 1, 0], "when": [1.5, None, 2]})
    pq.write_table(table, tmp_path / "a.parquet")

    assert read(tmp_path / "a.parquet")[0] == texts


@pytest.mark.parametrize("kind", [pa.large_string(), pa.dictionary(pa.int32(), pa.string()), pa.string_view()])
def test_every_kind_of_string_is_a_text(tmp_path, kind):
    table = pa.table({"text": pa.array(["a", "b"]).cast(kind), "label": [0, 1]})
    pq.write_table(table, tmp_path / "a.parquet")

    assert read(tmp_path / "a.parquet")[:2] == (["a", "b"], [0, 1])


@pytest.mark.parametrize(
    ("values", "said"),
    [
        pytest.param(pa.array([b"a", b"\xff"]), "row 2, column text: the bytes are not UTF-8", id="bytes"),
        pytest.param(pa.array([1, 2]), "column text holds int64 and no texts: write it as strings", id="numbers"),
        pytest.param(pa.array([["a"], ["b"]]), "column text holds list<", id="lists"),
        pytest.param(pa.array([{"a": 1}] * 2), "column text holds struct<", id="objects"),
        pytest.param(pa.array([0, 1], pa.timestamp("s")), "column text holds timestamp[", id="times"),
    ],
)
def test_columns_of_parquet_that_hold_no_texts_are_refused_by_their_type(tmp_path, values, said):
    pq.write_table(pa.table({"text": values, "label": [0, 1]}), tmp_path / "a.parquet")

    assert f"a.parquet: {said}".replace(": row", ", row") in refusal(tmp_path / "a.parquet")


def test_strings_of_parquet_that_are_not_utf8_are_refused(tmp_path):
    broken = pa.Array.from_buffers(pa.string(), 2, pa.array([b"a", b"\xff"]).buffers())
    pq.write_table(pa.table({"text": broken, "label": [0, 1]}), tmp_path / "a.parquet")

    assert "the bytes are not UTF-8 text" in refusal(tmp_path / "a.parquet")


def test_dates_in_json_stay_the_texts_that_they_are(tmp_path):
    dates = ["2024-01-02", "2024-01-02T03:04:05", "12", "true"]
    path = written(tmp_path / "a.jsonl", "".join(json.dumps({"text": d, "label": "pos"}) + "\n" for d in dates))

    assert read(path)[0] == dates


@pytest.mark.parametrize(
    ("value", "kind"),
    [('["a"]', "a list, ['a']"), ('{"a": 1}', "an object, {'a': 1}"), ("5", "a number, 5"), ("true", "a truth value")],
)
def test_values_of_json_that_are_no_texts_are_refused_with_their_line(tmp_path, value, kind):
    path = written(tmp_path / "a.jsonl", f'{{"text": "a", "label": 0}}\n\n{{"text": {value}, "label": 0}}\n')

    assert f"a.jsonl, line 3: column text holds {kind}" in refusal(path)


def test_half_a_surrogate_pair_is_refused_before_a_tokenizer_fails_on_it(tmp_path):
    path = written(tmp_path / "a.jsonl", '{"text": "a", "label": 0}\n{"text": "\\ud83d", "label": 0}\n')

    assert "a.jsonl, line 2: column text holds half of a surrogate pair" in refusal(path)


def test_rows_without_a_text_are_counted(tmp_path):
    path = written(tmp_path / "a.jsonl", '{"text": "a", "label": 0}\n{"text": null, "label": 1}\n{"label": 1}\n')

    texts, _, told = read(path)

    assert texts == ["a", "", ""]
    assert told == ["a.jsonl has no text in column text in 2 rows, from line 2 on"]


def test_other_columns_may_be_of_any_type_and_change_it(tmp_path):
    rows = [{"text": f"t{n}", "label": n % 2, "more": [None, n, "x", {"a": [n]}][n % 4]} for n in range(PART + 9)]
    rows[-1]["late"] = 1
    path = written(tmp_path / "a.jsonl", "".join(json.dumps(row) + "\n" for row in rows))

    texts, labels, _ = read(path)

    assert texts == [row["text"] for row in rows]
    assert labels == [row["label"] for row in rows]


def test_a_column_that_no_object_has_is_refused(tmp_path):
    path = written(tmp_path / "a.jsonl", '{"txt": "a", "label": 0}\n')

    assert "a.jsonl has no column text; it has txt, label" in refusal(path)


# Files


@pytest.mark.parametrize(
    ("name", "content"),
    [
        pytest.param("a.csv", "text,label\ngrün,0\nß,1\n".encode("utf-16"), id="UTF-16"),
        pytest.param("a.csv", "text,label\ngrün,0\nß,1\n".encode("utf-8-sig"), id="byte order mark"),
        pytest.param("a.csv", "\n\ntext,label\ngrün,0\nß,1\n".encode(), id="blank lines before the header"),
        pytest.param("a.csv", "text,label\r\ngrün,0\r\nß,1\r\n".encode(), id="CR LF"),
        pytest.param("a.csv", "text,label\rgrün,0\rß,1".encode(), id="CR"),
        pytest.param("a.csv", gzip.compress("text,label\ngrün,0\nß,1\n".encode()), id="gzip by content"),
        pytest.param("a.csv.gz", gzip.compress("text,label\ngrün,0\nß,1\n".encode()), id="gzip by name"),
        pytest.param("a.tsv", "x\ttext\tx\tlabel\n1\tgrün\t2\t0\n1\tß\t2\t1\n".encode(), id="two other columns alike"),
        pytest.param("a.json", '{"text": "grün", "label": 0}\n{"text": "ß", "label": 1}'.encode(), id="JSON Lines"),
    ],
)
def test_what_can_be_read_safely_is_read(tmp_path, name, content):
    assert read(written(tmp_path / name, content)) == (["grün", "ß"], [0, 1], [])


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", "text,label\na,0\ngrün,1\n".encode("latin-1"), "line 3 is not UTF-8 text (byte 0xfc at 2): convert"),
        ("a.csv", "text,label\na,0\n".encode("utf-16-le"), "line 1 holds a NUL character"),
        ("a.csv", b"\xff\xfe" + "text,label\na,0\n".encode("utf-16-le")[:-1], "begins as UTF-16 and is not"),
        ("a.csv", gzip.compress(b"text,label\na,0\n" * 99, mtime=0)[:-9], "is a damaged gzip file"),
        ("a.csv", b"PK\x03\x04...", "is a zip archive or an Excel workbook"),
        ("a.csv", b"version https://git-lfs.github.com/spec/v1\n", "is a pointer of git-lfs"),
        ("a.jsonl", b'[{"text": "a", "label": 0}]', "is one JSON array and not one object a line"),
        ("a.jsonl", b'[\n  {"text": "a", "label": 0}\n]', "is one JSON array and not one object a line"),
        ("a.jsonl", b'{"text": "a", "label": 0}\n{"text": ', "line 2 is not one whole JSON object"),
        ("a.jsonl", b'{"text": "a", "text": "b", "label": 0}\n', "line 1 has 2 columns text: rename"),
        ("a.jsonl", b'{"text": "a", "te\\u0078t": "b", "label": 0}\n', "line 1 has 2 columns text: rename"),
        ("a.jsonl", b'{"text": "a", "label": 0, "other": ' + b"1" * 5000 + b"}\n", "line 1 is not one whole"),
        ("a.csv", b"text,label,text\na,0,b\n", "has 2 columns text: rename or remove all but one"),
        ("a.csv", b"text;label\na;0\n", "its columns seem to be separated otherwise, write it with commas"),
        ("a.tsv", b"text,label\na,0\n", "its columns seem to be separated otherwise, name it .csv"),
        ("a.parquet", b"PAR1" + b"\0" * 99 + b"PAR1", "cannot be read"),
    ],
)  # fmt: skip
def test_what_is_no_such_table_is_named_as_what_it_is(tmp_path, name, content, message):
    said = refusal(written(tmp_path / name, content))

    assert said.startswith(name)
    assert message in said


def test_a_parquet_file_that_is_cut_off_is_refused(tmp_path):
    pq.write_table(pa.table({"text": ["a" * 99] * 999, "label": [0] * 999}), tmp_path / "a.parquet")
    whole = (tmp_path / "a.parquet").read_bytes()
    damaged = bytearray(whole)
    damaged[100:160] = b"\xff" * 60

    for content in (whole[: len(whole) // 2], bytes(damaged)):
        assert "a.parquet cannot be read" in refusal(written(tmp_path / "a.parquet", content))
