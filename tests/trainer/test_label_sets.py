"""Tables of texts that can have several labels: each form gives the same labels, or is refused with row and value."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from finetune_core.tasks.metrics import ProblemType
from finetune_core.tasks.registry import TaskDefinition
from finetune_trainer.data.tables import read_tables
from finetune_trainer.data.tokens import Tokens
from finetune_trainer.errors import UserError

NAMES = ("joy", "fear", "calm")
TRUTH = [[1, 0, 1], [0, 0, 0], [0, 1, 0], [1, 1, 1]]
NAMED = [[name for name, one in zip(NAMES, row, strict=True) if one] for row in TRUTH]
IDS = [[place for place, one in enumerate(row) if one] for row in TRUTH]


def task(**fields: Any) -> TaskDefinition:
    return TaskDefinition(
        name="own",
        problem_type=ProblemType.MULTI_LABEL,
        text_columns=("text",),
        **{"labels": NAMES, "metrics": ("f1_micro",), "measured": ("f1_micro", "loss"), **fields},
    )


def read(path: Path, definition: TaskDefinition, split: str = "train") -> tuple[list[Any], list[str]]:
    told: list[str] = []
    parts = list(read_tables([path], definition, split, told.append))
    return [label for part in parts for label in part.labels or ()], told


def refusal(path: Path, definition: TaskDefinition) -> str:
    with pytest.raises(UserError) as caught:
        read(path, definition)
    return str(caught.value)


def json_lines(folder: Path, values: list[Any]) -> Path:
    path = folder / "train.jsonl"
    path.write_text("".join(json.dumps({"text": "a", "label": value}) + "\n" for value in values))
    return path


def table(folder: Path, **columns: list[Any]) -> Path:
    path = folder / "train.csv"
    pd.DataFrame({"text": ["a"] * len(next(iter(columns.values()))), **columns}).to_csv(path, index=False)
    return path


def parquet(folder: Path, values: pa.Array, features: dict[str, Any] | None = None) -> Path:
    path = folder / "train.parquet"
    made = pa.table({"text": pa.array(["a"] * len(values)), "label": values})
    if features:
        told = json.dumps({"info": {"features": {"label": features}}})
        made = made.replace_schema_metadata({"huggingface": told})
    pq.write_table(made, path)
    return path


CLASSES = {"names": ["calm", "fear", "joy"], "_type": "ClassLabel"}
"""In an order of its own."""
CLASS_IDS = [[2, 0], [], [1], [0, 1, 2]]


@pytest.mark.parametrize(
    ("write", "fields"),
    [
        pytest.param(lambda folder: json_lines(folder, NAMED), {}, id="JSON lists of names"),
        pytest.param(lambda folder: json_lines(folder, IDS), {}, id="JSON lists of ids"),
        pytest.param(lambda folder: parquet(folder, pa.array(NAMED)), {}, id="parquet lists of names"),
        pytest.param(lambda folder: parquet(folder, pa.array(IDS)), {}, id="parquet lists of ids"),
        pytest.param(
            lambda folder: parquet(folder, pa.array(CLASS_IDS), {"feature": CLASSES, "_type": "List"}),
            {},
            id="ClassLabels, as datasets writes them",
        ),
        pytest.param(
            lambda folder: parquet(folder, pa.array(CLASS_IDS), [CLASSES]),
            {},
            id="ClassLabels, as datasets wrote them",
        ),
        pytest.param(
            lambda folder: table(folder, label=[",".join(row) for row in NAMED]),
            {"label_delimiter": ","},
            id="names with commas between them",
        ),
        pytest.param(
            lambda folder: table(folder, label=[" | ".join(row) for row in NAMED]),
            {"label_delimiter": "|"},
            id="names with blanks around the delimiter",
        ),
        pytest.param(
            lambda folder: table(folder, label=["  ".join(map(str, row)) for row in IDS]),
            {"label_delimiter": " "},
            id="ids with blanks between them",
        ),
        pytest.param(
            lambda folder: table(folder, **{f"is_{name}": [row[k] for row in TRUTH] for k, name in enumerate(NAMES)}),
            {"label_columns": ("is_joy", "is_fear", "is_calm")},
            id="columns of 0 and 1",
        ),
        pytest.param(
            lambda folder: table(folder, **{name: [bool(row[k]) for row in TRUTH] for k, name in enumerate(NAMES)}),
            {"label_columns": NAMES},
            id="columns of truth values",
        ),
        pytest.param(
            lambda folder: table(folder, **{name: [float(row[k]) for row in TRUTH] for k, name in enumerate(NAMES)}),
            {"label_columns": NAMES},
            id="columns of floats",
        ),
    ],
)
def test_each_form_gives_the_same_labels(tmp_path: Path, write: Any, fields: dict[str, Any]) -> None:
    labels, told = read(write(tmp_path), task(**fields))
    assert labels == TRUTH
    empty = ["train.csv: 1 of 4 rows have an empty text for none of the labels"]
    assert told == (empty if "label_delimiter" in fields else [])


@pytest.mark.parametrize(
    ("value", "fields", "said"),
    [
        pytest.param(["joy", "hate"], {}, "line 2: label 'hate' is none of 0 (joy), 1 (fear), 2 (calm)", id="a name"),
        pytest.param([3], {}, "line 2: label 3 is none of 0 (joy)", id="an id"),
        pytest.param([None], {}, "line 2: label None is none of", id="null in a list"),
        pytest.param([["joy"]], {}, "line 2: label ['joy'] is none of", id="a list in a list"),
        pytest.param(None, {}, "line 2: there is no list of labels: write []", id="null"),
        pytest.param("joy", {}, "line 2: 'joy' is no list of labels", id="one name"),
        pytest.param("joy,fear", {}, "set data.labelDelimiter to what stands between", id="no delimiter is said"),
        pytest.param("joy;fear", {"label_delimiter": ","}, "label 'joy;fear' is none of", id="another delimiter"),
        pytest.param("joy,,fear", {"label_delimiter": ","}, "label '' is none of", id="an empty label"),
        pytest.param("['joy']", {"label_delimiter": ","}, "label \"['joy']\" is none of", id="a list of Python"),
        pytest.param([0], {"labels": ("1", "2")}, "label 0 is none of 1, 2", id="numbers are names and no ids"),
    ],
)
def test_labels_that_cannot_be_matched_are_refused_with_row_and_value(
    tmp_path: Path, value: Any, fields: dict[str, Any], said: str
) -> None:
    first = "" if "label_delimiter" in fields else []
    assert said in refusal(json_lines(tmp_path, [first, value]), task(**fields))


@pytest.mark.parametrize("value", ["-1", "2", "", "yes", "0.5", "nan"])
def test_a_column_of_a_label_holds_0_or_1(tmp_path: Path, value: str) -> None:
    """-1 is what the Jigsaw test set has for rows without labels."""
    path = table(tmp_path, joy=["0", "1"], fear=["1", value], calm=["0", "0"])
    said = f"train.csv, line 3: column fear holds {value!r}, which is neither 0 nor 1"
    assert said in refusal(path, task(label_columns=NAMES))


def test_numbers_are_matched_as_numbers(tmp_path: Path) -> None:
    labels, _ = read(json_lines(tmp_path, [["1", 2.0], ["02"]]), task(labels=("1", "2")))
    assert labels == [[1, 1], [0, 1]]


def test_labels_that_no_row_has_are_told(tmp_path: Path) -> None:
    _, told = read(json_lines(tmp_path, [["joy"], ["joy"]]), task())
    assert told == ["train.jsonl: no row has the label fear, calm"]


def test_test_files_need_no_labels(tmp_path: Path) -> None:
    path = table(tmp_path, other=["x", "y"])
    assert read(path, task(label_columns=NAMES), "test") == ([], [])


def test_tokens_keep_a_row_of_labels_for_each_text(tmp_path: Path) -> None:
    from finetune_trainer.data.tokens import tokenise  # noqa: PLC0415 - beside the reader that it is fed by

    def tokenizer(texts: list[str], **_: Any) -> dict[str, Any]:
        return {"input_ids": [[1, 2]] * len(texts)}

    parts = read_tables([json_lines(tmp_path, NAMED)], task(), "train", lambda _: None)
    made = tokenise(parts, tokenizer, 8, tmp_path / "tokens")
    assert made.labels is not None
    np.testing.assert_array_equal(made.labels, TRUTH)
    again = Tokens.open(tmp_path / "tokens").labels
    assert again is not None
    assert again.shape == (4, 3)
