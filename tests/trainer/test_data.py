"""Reading and tokenising: a part at a time, the same from every layout, kept where the next run finds it."""

import csv
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from finetune_core.tasks.registry import GLUE_TASKS
from finetune_trainer.data.rows import PART, Rows
from finetune_trainer.data.tables import read_tables
from finetune_trainer.data.tokens import MANIFEST, Tokens, tokenise
from finetune_trainer.data.tsv import read_glue_tsv
from finetune_trainer.errors import UserError
from finetune_trainer.measure.predict import predict_logits, write_predictions
from finetune_trainer.model.tokenizer import load_tokenizer

RTE = GLUE_TASKS["rte"]
HEADER = "index\tsentence1\tsentence2\tlabel\n"


def rte(folder: Path, rows: int) -> Path:
    path = folder / "RTE" / "train.tsv"
    path.parent.mkdir()
    names = ("entailment", "not_entailment")
    path.write_text(HEADER + "".join(f"{n}\tfirst {n}\tsecond {n}\t{names[n % 2]}\n" for n in range(rows)))
    return path


def test_a_file_comes_in_parts_in_its_order(tmp_path):
    rows = 2 * PART + 7

    parts = list(read_glue_tsv(rte(tmp_path, rows), RTE, "train"))

    assert [len(part) for part in parts] == [PART, PART, 7]
    assert [text for part in parts for text in part.texts[1]] == [f"second {n}" for n in range(rows)]
    assert [label for part in parts for label in part.labels] == [float(n % 2) for n in range(rows)]


def test_a_line_beyond_the_first_part_is_named_as_an_editor_counts_it(tmp_path):
    path = rte(tmp_path, PART + 5)
    path.write_text(path.read_text() + "x\ty\tz\tperhaps\n")

    with pytest.raises(UserError, match=rf"RTE/train.tsv, line {PART + 7}: label 'perhaps'"):
        list(read_glue_tsv(path, RTE, "train"))


@pytest.mark.parametrize(
    ("content", "texts"),
    [
        pytest.param(b'0\ta "lone\tb\tentailment\n', ('a "lone', "b"), id="lone quote"),
        pytest.param(b"0\ta\tb\tentailment", ("a", "b"), id="no final newline"),
        pytest.param(b"0\ta\tb\tentailment\r\n", ("a", "b"), id="CR LF"),
        pytest.param("0\ta\u2028c\tb\x0bd\tentailment\n".encode(), ("a\u2028c", "b\x0bd"), id="other line separators"),
    ],
)
def test_the_official_files_quirks(tmp_path, content, texts):
    path = tmp_path / "train.tsv"
    path.write_bytes(b"\xef\xbb\xbf" + HEADER.encode() + content)

    (part,) = read_glue_tsv(path, RTE, "train")

    assert tuple(column[0] for column in part.texts) == texts
    assert part.labels == [0.0]


@pytest.mark.parametrize(
    ("task", "split", "content"),
    [
        pytest.param("rte", "train", "0\ta\tb\tentailment\n", id="train"),
        pytest.param("sst2", "test", "0\ta\n", id="test"),
        pytest.param("mrpc", "train", "index\tsentence1\tsentence2\tlabel\n0\ta\tb\t1\n", id="of another task"),
        pytest.param("rte", "train", "sentence1\tsentence2\na\tb\n", id="without labels"),
    ],
)
def test_an_official_file_without_its_header_is_refused_so_that_no_row_is_lost(tmp_path, task, split, content):
    path = tmp_path / "train.tsv"
    path.write_text(content)

    with pytest.raises(UserError, match=r"train.tsv, line 1: .* is not the header of the official file"):
        list(read_glue_tsv(path, GLUE_TASKS[task], split))


GLUE = {
    "cola": ("CoLA", ["sentence"], "label", ["source", "label", "mark", "sentence"]),
    "mrpc": ("MRPC", ["#1 String", "#2 String"], "Quality", None),
    "rte": ("RTE", ["sentence1", "sentence2"], "label", None),
    "stsb": ("STS-B", ["sentence1", "sentence2"], "score", None),
    "wnli": ("WNLI", ["sentence1", "sentence2"], "label", None),
}


@pytest.mark.skipif("GLUE_DIR" not in os.environ, reason="needs GLUE_DIR, a folder with GLUE's official files")
@pytest.mark.parametrize("task", GLUE)
@pytest.mark.parametrize("split", ["train", "dev", "test"])
def test_the_real_files_hold_what_pandas_reads_there(task, split):
    import pandas as pd  # noqa: PLC0415

    folder, columns, label, names = GLUE[task]
    path = Path(os.environ["GLUE_DIR"]) / folder / f"{split}.tsv"
    frame = pd.read_csv(
        path,
        sep="\t",
        quoting=csv.QUOTE_NONE,
        dtype=str,
        keep_default_na=False,
        names=names if split != "test" else None,
        encoding="utf-8-sig",
    )

    parts = list(read_glue_tsv(path, GLUE_TASKS[task], split.replace("dev", "validation")))

    for place, column in enumerate(columns):
        assert [text for part in parts for text in part.texts[place]] == frame[column].tolist()
    if split != "test":
        ids = {name: float(place) for place, name in enumerate(GLUE_TASKS[task].labels)}
        assert [one for part in parts for one in part.labels] == [
            ids[value] if value in ids else float(value) for value in frame[label]
        ]


def test_text_that_is_not_utf8_is_named_by_its_line(tmp_path):
    path = tmp_path / "train.tsv"
    path.write_bytes(HEADER.encode() + b"0\ta\tb\tentailment\n1\t\xff\tb\tentailment\n")

    with pytest.raises(UserError, match="line 3 is not UTF-8"):
        list(read_glue_tsv(path, RTE, "train"))


@pytest.mark.parametrize("suffix", ["csv", "tsv", "jsonl", "parquet"])
def test_texts_and_labels_of_a_table_are_taken_as_they_are_written(tmp_path, suffix):
    import pandas as pd  # noqa: PLC0415

    path = tmp_path / f"train.{suffix}"
    frame = pd.DataFrame({"sentence1": ["007", "1e5"], "sentence2": ["true", ""], "label": ["0", "not_entailment"]})
    match suffix:
        case "parquet":
            frame.to_parquet(path)
        case "jsonl":
            frame.to_json(path, orient="records", lines=True)
        case _:
            frame.to_csv(path, sep="," if suffix == "csv" else "\t", index=False)

    (part,) = read_tables([path], RTE, "train")

    assert part == Rows((["007", "1e5"], ["true", ""]), [0.0, 1.0])


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        pytest.param("a.csv", "", "holds no examples", id="empty file"),
        pytest.param("a.csv", "sentence1,sentence2,label\n", "holds no examples", id="header only"),
        pytest.param("a.csv", "one,sentence2,label\na,b,0\n", "no column sentence1; it has one, ", id="column"),
        pytest.param("a.jsonl", "{", "a.jsonl cannot be read", id="broken JSON"),
        pytest.param("a.parquet", "no", "a.parquet cannot be read", id="no parquet"),
    ],
)
def test_a_table_that_cannot_be_used_is_the_users_mistake(tmp_path, name, content, message):
    (tmp_path / name).write_text(content)

    with pytest.raises(UserError, match=message):
        list(read_tables([tmp_path / name], RTE, "train"))


def test_a_score_that_is_no_number_is_named_by_its_line(tmp_path):
    (tmp_path / "a.csv").write_text("sentence1,sentence2,label\na,b,4.5\nc,d,high\n")

    with pytest.raises(UserError, match=r"line 3: score 'high' is not a number: correct the file"):
        list(read_tables([tmp_path / "a.csv"], GLUE_TASKS["stsb"], "train"))


def test_a_model_folder_without_a_tokenizer_is_the_users_mistake(shared, tmp_path):
    shutil.copy(shared / "model" / "config.json", tmp_path)

    with pytest.raises(UserError, match=r"holds no tokenizer: add tokenizer\.json or vocab\.txt"):
        load_tokenizer(tmp_path)


def test_tokens_of_several_parts_are_those_of_one(shared, tmp_path):
    tokenizer, _ = load_tokenizer(shared / "model")
    texts = ([f"one {n}" for n in range(9)], [f"two words and {n}" for n in range(9)])
    labels = [float(n % 2) for n in range(9)]
    parts = [Rows(tuple(column[n : n + 4] for column in texts), labels[n : n + 4]) for n in range(0, 9, 4)]

    many = tokenise(parts, tokenizer, 16, tmp_path / "many")
    one = tokenise([Rows(texts, labels)], tokenizer, 16, tmp_path / "one")

    assert len(many) == 9
    for name in ("ids", "types", "ends", "labels"):
        np.testing.assert_array_equal(getattr(many, name), getattr(one, name))
    assert many.ids[many.at(3)].tolist() == tokenizer(texts[0][3], texts[1][3])["input_ids"]


def test_tokens_that_were_not_written_to_their_end_are_none(shared, tmp_path):
    tokenizer, _ = load_tokenizer(shared / "model")

    def torn():
        yield Rows((["a"], ["b"]), None)
        raise UserError("line 2 is malformed")

    with pytest.raises(UserError):
        tokenise(torn(), tokenizer, 16, tmp_path / "torn")

    assert not (tmp_path / "torn" / MANIFEST).exists()
    with pytest.raises(FileNotFoundError):
        Tokens.open(tmp_path / "torn")


def test_predictions_are_in_the_order_of_the_rows_whatever_their_length(tmp_path, monkeypatch):
    import torch  # noqa: PLC0415

    from finetune_trainer.data.padding import Padding  # noqa: PLC0415
    from finetune_trainer.data.tokens import Collator  # noqa: PLC0415

    monkeypatch.setattr("finetune_trainer.measure.predict._WINDOW", 4)
    lengths = [3, 9, 1, 4, 2, 8, 8, 1, 5, 7]
    ends = np.cumsum(lengths)
    tokens = Tokens(np.repeat(np.arange(10, dtype=np.int32), lengths), np.zeros(0, np.int8), ends, None)

    class Even(torch.nn.Linear):
        """Class 1 for rows of an even number."""

        def forward(self, input_ids, attention_mask):
            even = (input_ids[:, 0] % 2 == 0).float()
            return type("Output", (), {"logits": torch.stack([1 - even, even], dim=1)})

    logits = predict_logits(
        Even(1, 1),
        tokens,
        Collator(tokens, padding=Padding(0), label_order=None),
        batch_size=3,
        autocast=torch.no_grad,
        on_batch=lambda: None,
    )
    record = write_predictions(tmp_path / "RTE.tsv", RTE, logits, RTE.labels, RTE.submission[0])

    lines = (tmp_path / "RTE.tsv").read_text().splitlines()
    assert lines[0] == "index\tprediction"
    assert lines[1:] == [f"{n}\t{RTE.labels[1 - n % 2]}" for n in range(10)]
    assert record.rows == 10


MEASURE = """
import resource, sys
from pathlib import Path
from finetune_core.tasks.registry import GLUE_TASKS
from finetune_trainer.data.tokens import tokenise
from finetune_trainer.data.tsv import read_glue_tsv
from finetune_trainer.model.tokenizer import load_tokenizer
tokenizer, _ = load_tokenizer(Path(sys.argv[1]))
tokens = tokenise(read_glue_tsv(Path(sys.argv[2]), GLUE_TASKS["rte"], "train"), tokenizer, 64, Path(sys.argv[3]))
print(len(tokens), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


def test_memory_of_reading_and_tokenising_does_not_grow_with_the_rows(shared, tmp_path):
    peaks = {}
    for rows in (2 * PART, 24 * PART):
        (tmp_path / str(rows)).mkdir()
        data = rte(tmp_path / str(rows), rows)
        arguments = [str(shared / "model"), str(data), str(tmp_path / f"tokens-{rows}")]
        done = subprocess.run(
            [sys.executable, "-c", MEASURE, *arguments], check=True, capture_output=True, text=True, timeout=240
        )
        count, peaks[rows] = map(int, done.stdout.split())
        assert count == rows

    # 180,000 more pairs as Python strings and lists of token ids would be more than 100 MB.
    assert peaks[24 * PART] - peaks[2 * PART] < 30, peaks
