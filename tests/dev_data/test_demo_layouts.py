"""Both data layouts, read back with the public tools that users read the real ones with."""

import csv
import json
from collections.abc import Callable
from pathlib import Path

import datasets
import pandas as pd
import pyarrow.parquet as pq
import pytest

from glue_demo import TASKS, DemoDataError, Split, rows, splits_of, write

TRAIN, DEV, TEST = 40, 24, 16
MNLI_TEST_HEADER = [
    *("index", "promptID", "pairID", "genre", "sentence1_binary_parse", "sentence2_binary_parse"),
    *("sentence1_parse", "sentence2_parse", "sentence1", "sentence2"),
]
STSB_TEST_HEADER = [
    *("index", "genre", "filename", "year", "old_index", "source1", "source2", "sentence1", "sentence2"),
]
# The leaderboard's own numbers.
OFFICIAL_TEST_ROWS = {
    ("cola", "test"): 1063,
    ("sst2", "test"): 1821,
    ("mrpc", "test"): 1725,
    ("stsb", "test"): 1379,
    ("qqp", "test"): 390_965,
    ("mnli", "test_matched"): 9796,
    ("mnli", "test_mismatched"): 9847,
    ("qnli", "test"): 5463,
    ("rte", "test"): 3000,
    ("wnli", "test"): 146,
    ("ax", "test"): 1104,
}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    out = tmp_path_factory.mktemp("demo")
    return write(out, layout="both", train_rows=TRAIN, dev_rows=DEV, test_rows=TEST, seed=5)


def table(path: Path) -> list[list[str]]:
    """All lines of an official file, split at tabs and nothing else."""
    return [line.split("\t") for line in path.read_text("utf-8-sig").removesuffix("\n").split("\n")]


@pytest.mark.parametrize(
    ("file", "header"),
    [
        ("CoLA/test.tsv", ["index", "sentence"]),
        ("SST-2/train.tsv", ["sentence", "label"]),
        ("SST-2/test.tsv", ["index", "sentence"]),
        ("MRPC/train.tsv", ["Quality", "#1 ID", "#2 ID", "#1 String", "#2 String"]),
        ("MRPC/test.tsv", ["index", "#1 ID", "#2 ID", "#1 String", "#2 String"]),
        ("STS-B/dev.tsv", [*STSB_TEST_HEADER, "score"]),
        ("STS-B/test.tsv", STSB_TEST_HEADER),
        ("QQP/train.tsv", ["id", "qid1", "qid2", "question1", "question2", "is_duplicate"]),
        ("QQP/test.tsv", ["id", "question1", "question2"]),
        ("MNLI/train.tsv", [*MNLI_TEST_HEADER, "label1", "gold_label"]),
        ("MNLI/dev_matched.tsv", [*MNLI_TEST_HEADER, *(f"label{n}" for n in range(1, 6)), "gold_label"]),
        ("MNLI/test_mismatched.tsv", MNLI_TEST_HEADER),
        ("QNLI/dev.tsv", ["index", "question", "sentence", "label"]),
        ("RTE/test.tsv", ["index", "sentence1", "sentence2"]),
        ("WNLI/train.tsv", ["index", "sentence1", "sentence2", "label"]),
        ("diagnostic/diagnostic.tsv", ["index", "sentence1", "sentence2"]),
    ],
)
def test_an_official_file_has_the_real_header_and_as_many_fields_in_each_line(
    data: dict[str, Path], file: str, header: list[str]
) -> None:
    found, *lines = table(data["tsv"] / file)
    assert found == header
    assert {len(line) for line in lines} == {len(header)}


def test_cola_train_and_dev_have_no_header_and_four_columns(data: dict[str, Path]) -> None:
    for file, count in (("train.tsv", TRAIN), ("dev.tsv", DEV)):
        lines = table(data["tsv"] / "CoLA" / file)
        assert len(lines) == count
        assert {len(line) for line in lines} == {4}
        assert {line[1] for line in lines} == {"0", "1"}


def test_mrpc_train_and_dev_begin_with_a_byte_order_mark_and_test_does_not(data: dict[str, Path]) -> None:
    begins = [(data["tsv"] / "MRPC" / f"{name}.tsv").read_bytes()[:3] for name in ("train", "dev", "test")]
    assert begins == [b"\xef\xbb\xbf", b"\xef\xbb\xbf", b"ind"]


def test_some_files_lack_the_final_newline(data: dict[str, Path]) -> None:
    ends = {path.read_bytes()[-1:] == b"\n" for path in data["tsv"].glob("*/*.tsv")}
    assert ends == {True, False}
    assert not (data["tsv"] / "CoLA/dev.tsv").read_bytes().endswith(b"\n")


@pytest.mark.parametrize(
    ("file", "labels"),
    [
        ("QNLI/train.tsv", {"entailment", "not_entailment"}),
        ("RTE/train.tsv", {"entailment", "not_entailment"}),
        ("MNLI/train.tsv", {"entailment", "neutral", "contradiction"}),
        ("WNLI/train.tsv", {"0", "1"}),
        ("SST-2/train.tsv", {"0", "1"}),
        ("QQP/train.tsv", {"0", "1"}),
    ],
)
def test_labels_are_written_as_in_the_official_files(data: dict[str, Path], file: str, labels: set[str]) -> None:
    assert {line[-1] for line in table(data["tsv"] / file)[1:]} == labels


def test_pandas_reads_every_official_row_when_quoting_is_off_and_loses_rows_when_it_is_on(
    data: dict[str, Path],
) -> None:
    path = data["tsv"] / "QQP" / "train.tsv"
    assert len(pd.read_csv(path, sep="\t", quoting=csv.QUOTE_NONE)) == TRAIN
    with pytest.raises(pd.errors.ParserError):
        pd.read_csv(path, sep="\t")


@pytest.mark.parametrize(
    ("file", "parquet", "texts", "label"),
    [
        ("CoLA/train.tsv", "cola/train", {"sentence": 3}, lambda line: int(line[1])),
        ("MRPC/dev.tsv", "mrpc/validation", {"sentence1": 3, "sentence2": 4}, lambda line: int(line[0])),
        ("QQP/dev.tsv", "qqp/validation", {"question1": 3, "question2": 4}, lambda line: int(line[5])),
        ("WNLI/train.tsv", "wnli/train", {"sentence1": 1, "sentence2": 2}, lambda line: int(line[-1])),
        (
            "MNLI/dev_mismatched.tsv",
            "mnli/validation_mismatched",
            {"premise": 8, "hypothesis": 9},
            lambda line: ["entailment", "neutral", "contradiction"].index(line[-1]),
        ),
        (
            "RTE/train.tsv",
            "rte/train",
            {"sentence1": 1, "sentence2": 2},
            lambda line: ["entailment", "not_entailment"].index(line[-1]),
        ),
    ],
)
def test_both_layouts_hold_the_same_rows(
    data: dict[str, Path],
    file: str,
    parquet: str,
    texts: dict[str, int],
    label: Callable[[list[str]], int],
) -> None:
    lines = [line for line in table(data["tsv"] / file) if line[0] not in {"index", "id", "Quality"}]
    frame = pd.read_parquet(data["parquet"] / f"{parquet}-00000-of-00001.parquet")
    for column, position in texts.items():
        assert list(frame[column]) == [line[position] for line in lines]
    assert list(frame["label"]) == [label(line) for line in lines]
    assert list(frame["idx"]) == list(range(len(lines)))


def test_stsb_scores_are_the_same_in_both_layouts_to_three_decimals(data: dict[str, Path]) -> None:
    scores = [line[-1] for line in table(data["tsv"] / "STS-B/train.tsv")[1:]]
    frame = pd.read_parquet(data["parquet"] / "stsb/train-00000-of-00001.parquet")
    assert frame["label"].dtype == "float32"
    assert [f"{score:.3f}" for score in frame["label"]] == scores


@pytest.mark.parametrize("task", TASKS)
def test_test_labels_are_hidden_except_in_mrpc_as_on_the_hub(data: dict[str, Path], task: str) -> None:
    for split in splits_of(task):
        if split.part == "test":
            labels = set(pq.read_table(parquet_path(data, split))["label"].to_pylist())
            assert labels == ({0, 1} if task == "mrpc" else {-1})


def parquet_path(data: dict[str, Path], split: Split) -> Path:
    return data["parquet"] / split.task / f"{split.name}-00000-of-00001.parquet"


@pytest.mark.parametrize("task", TASKS)
def test_a_parquet_file_names_its_columns_and_labels_for_the_datasets_library(data: dict[str, Path], task: str) -> None:
    for split in splits_of(task):
        schema = pq.read_schema(parquet_path(data, split))
        described = json.loads(schema.metadata[b"huggingface"])["info"]["features"]
        features = datasets.Features.from_dict(described)
        assert list(features) == [*split.definition.text_columns, "label", "idx"]
        assert features.arrow_schema.types == schema.types
        names = getattr(features["label"], "names", [])
        assert tuple(names) == split.definition.labels


def test_the_datasets_library_loads_a_parquet_split(data: dict[str, Path], tmp_path: Path) -> None:
    path = data["parquet"] / "mnli/validation_matched-00000-of-00001.parquet"
    loaded = datasets.Dataset.from_parquet(str(path), cache_dir=str(tmp_path))
    assert loaded.num_rows == DEV
    assert loaded.features["label"].names == ["entailment", "neutral", "contradiction"]


def test_all_eleven_test_files_can_be_as_long_as_the_leaderboard_asks() -> None:
    found = {
        (split.task, split.name): split.official_rows
        for task in TASKS
        for split in splits_of(task)
        if split.part == "test"
    }
    assert found == OFFICIAL_TEST_ROWS


def test_official_test_sets_go_with_small_training_sets(tmp_path: Path) -> None:
    write(tmp_path, layout="parquet", train_rows=8, dev_rows=4, test_rows="official", tasks=["mnli", "ax"])
    counts = {
        f"{path.parent.name}/{path.name.split('-')[0]}": pq.read_metadata(path).num_rows
        for path in tmp_path.glob("*/*.parquet")
    }
    assert counts == {
        "mnli/train": 8,
        "mnli/validation_matched": 4,
        "mnli/validation_mismatched": 4,
        "mnli/test_matched": 9796,
        "mnli/test_mismatched": 9847,
        "ax/test": 1104,
    }


def test_one_layout_is_written_to_the_folder_itself_with_the_same_bytes(data: dict[str, Path], tmp_path: Path) -> None:
    folders = write(tmp_path, layout="tsv", train_rows=TRAIN, dev_rows=DEV, test_rows=TEST, seed=5)
    assert folders == {"tsv": tmp_path}
    for path in data["tsv"].glob("*/*.tsv"):
        assert (tmp_path / path.relative_to(data["tsv"])).read_bytes() == path.read_bytes()


def test_rows_give_the_true_labels_of_a_test_split(data: dict[str, Path]) -> None:
    split = splits_of("rte")[-1]
    lines = table(data["tsv"] / "RTE/test.tsv")[1:]
    true = list(rows(split, TEST, seed=5))
    assert [tuple(line[1:]) for line in lines] == [row.texts for row in true]
    assert {row.label for row in true} == {0, 1}


def test_what_cannot_be_made_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(DemoDataError, match="tasks snli are unknown: use some of cola"):
        write(tmp_path / "a", tasks=["cola", "snli"])
    with pytest.raises(DemoDataError, match="dev_rows is 0: give a number of rows"):
        write(tmp_path / "a", dev_rows=0)
    with pytest.raises(DemoDataError, match="layout 'csv' is unknown"):
        write(tmp_path / "a", layout="csv")  # type: ignore[arg-type]
    assert not (tmp_path / "a").exists()
