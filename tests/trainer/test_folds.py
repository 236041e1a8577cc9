"""How a training file is cut into folds, and a whole cross-validation."""

import csv

import numpy as np
import pytest
from sklearn.metrics import accuracy_score
from sklearn.model_selection import GroupKFold, KFold, StratifiedGroupKFold, StratifiedKFold

from finetune_core.results.dev_predictions import read_tsv
from finetune_core.results.run import ExitCode
from finetune_core.tasks.registry import Folds, ProblemType, TaskDefinition
from finetune_trainer.data.folds import fold_rows, group_names, rare_labels
from finetune_trainer.data.tables import read_groups
from finetune_trainer.data.tokens import Tokens
from finetune_trainer.errors import UserError
from support.trainer_runs import Workspace

LABELS = np.array([0, 1, 0, 1, 0, 0, 1, 0, 0, 0, 1, 0], np.float32)
GROUPS = ["a", "a", "b", "b", "c", "c", "d", "d", "e", "e", "f", "f"]
FOLDS = Folds(count=3)
DEFINITION = TaskDefinition(
    name="mine",
    problem_type=ProblemType.CLASSIFICATION,
    text_columns=("text",),
    labels=("no", "yes"),
    metrics=("accuracy",),
    measured=("accuracy",),
)


@pytest.mark.parametrize(
    ("splitter", "stratified", "groups"),
    [
        (StratifiedKFold, True, None),
        (StratifiedGroupKFold, True, GROUPS),
        (KFold, False, None),
        (GroupKFold, False, GROUPS),
    ],
)
def test_folds_are_those_of_scikit_learn_and_cover_every_row_once(splitter, stratified, groups):
    expected = list(splitter(3, shuffle=True, random_state=0).split(LABELS, LABELS, groups))
    dev_rows = []
    for fold, (train, dev) in enumerate(expected):
        found = fold_rows(FOLDS, fold, LABELS, groups, stratified=stratified)
        assert [list(rows) for rows in found] == [list(train), list(dev)]
        assert not {*train} & {*dev}
        if groups:
            assert not {groups[row] for row in train} & {groups[row] for row in dev}
        dev_rows += list(dev)
    assert sorted(dev_rows) == list(range(12))


def test_each_dev_set_has_its_share_of_every_label():
    shares = [LABELS[fold_rows(FOLDS, fold, LABELS, None, stratified=True)[1]].mean() for fold in range(3)]
    assert all(abs(share - LABELS.mean()) <= 0.25 for share in shares)


@pytest.mark.parametrize(
    ("labels", "groups", "words"),
    [
        (LABELS[:2], None, "cannot be cut into 3 folds"),
        (LABELS, ["a"] * 12, "lower folds"),
        (LABELS, ["a"] * 6 + ["b"] * 6, "lower folds"),
    ],
)
@pytest.mark.parametrize("stratified", [True, False])
def test_too_few_rows_or_groups_are_refused(labels, groups, words, stratified):
    with pytest.raises(UserError, match=words):
        fold_rows(FOLDS, 0, labels, groups, stratified=stratified)


def test_a_label_that_is_rarer_than_the_folds_is_cut_all_the_same_and_named():
    labels = np.array([0] * 10 + [1] * 2, np.float32)
    assert len(fold_rows(FOLDS, 0, labels, None, stratified=True)[1]) == 4
    assert rare_labels(FOLDS, labels, ("ham", "spam", "unused")) == ["spam"]


@pytest.mark.parametrize("value", [None, "", "  ", float("nan"), ["a"]])
def test_a_row_without_a_group_is_refused_by_its_place(value):
    with pytest.raises(UserError, match=r"train\.csv, line 3: the group is"):
        group_names(["a", value], [2, 3], "train.csv, line")


@pytest.mark.parametrize(
    ("name", "content", "groups"),
    [
        ("a.csv", "text,author\nx,7\ny,b\n", ["7", "b"]),
        ("a.jsonl", '{"text": "x", "author": 7}\n{"text": "y", "author": "b"}\n', ["7", "b"]),
    ],
)
def test_groups_may_be_texts_or_numbers(tmp_path, name, content, groups):
    (tmp_path / name).write_text(content)
    assert read_groups(tmp_path / name, DEFINITION, "author") == groups


def test_some_rows_of_a_split_are_taken_in_their_order():
    whole = Tokens(
        ids=np.arange(6, dtype=np.int32),
        types=np.zeros(6, np.int8),
        ends=np.array([1, 3, 6]),
        labels=np.array([0, 1, 2], np.float32),
    )
    part = whole.take(np.array([0, 2]))
    assert list(part.ids) == [0, 3, 4, 5]
    assert list(part.ends) == [1, 4]
    assert list(part.labels) == [0, 2]
    assert list(part.rows) == [0, 2]
    assert len(whole.take(np.array([1])).types) == 2


def test_a_cross_validation_scores_every_row_of_the_training_file_once(shared, tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    with (data / "train.csv").open("w", newline="") as file:
        rows = [(f"text number {k} of {k // 2}", "yes" if k % 3 else "no", k // 2) for k in range(24)]
        # Two rows of one text: in one fold they are training and dev rows at once.
        csv.writer(file).writerows([("text", "label", "author"), *rows, ("text number 0 of 0", "no", 99)])
    workspace = Workspace(tmp_path, shared / "model", data)
    task = {
        "name": "mine",
        "problemType": "Classification",
        "labels": ["no", "yes"],
        "runs": 1,
        "folds": 2,
        "training": {"maxSteps": 2, "evalSteps": 2, "maxSeqLength": 16},
        "data": {"train": "train.csv", "textColumns": ["text"], "groupColumn": "author"},
    }
    job = workspace.plan([task], runs_per_pod=2)
    code, log = workspace.run(job)
    assert code == ExitCode.SUCCESS, log

    seen, labels = [], {}
    for place in range(2):
        result = workspace.result(job, place)
        path = workspace.store / workspace.layout(job, place).dev_predictions("attempt-1", "validation.tsv")
        read = read_tsv(path.read_bytes())
        assert result.metrics["accuracy"] == pytest.approx(accuracy_score(read.label, read.prediction))
        assert result.predictions == {}
        seen += read.index
        labels |= dict(zip(read.index, read.label, strict=True))
        assert {row // 2 for row in read.index if row < 24}.isdisjoint(
            {row // 2 for row in range(24) if row not in read.index}
        )
    assert sorted(seen) == list(range(25))
    assert [labels[row] for row in range(24)] == [row[1] for row in rows]
    first, second = (next(iter(workspace.result(job, place).dev_predictions.values())) for place in range(2))
    assert first.data == second.data
    warned = [workspace.result(job, place).warnings for place in range(2)]
    split = {row in read.index for row in (0, 24)} == {True, False}
    assert any("texts that are in the training data too" in text for texts in warned for text in texts) == split
