"""SuperGLUE's official files, with generated texts: rows and labels as they are, metrics worked out by hand."""

import json

import numpy as np
import pytest

from finetune_core.planning.parse import define, parse_spec
from finetune_trainer.data.tables import read_tables
from finetune_trainer.errors import UserError
from finetune_trainer.measure.metrics import measure


def definition(name):
    raw = {"model": {"uri": "s3://b/m"}, "data": {"uri": "s3://b/s"}, "tasks": [{"name": name}]}
    return define(parse_spec(raw).tasks[0])


def read(folder, name, split, *rows):
    path = folder / f"{split}.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    (part,) = read_tables([path], definition(name), split)
    return part.texts, part.labels


def test_boolq_has_truth_values_for_labels(tmp_path):
    row = {"question": "is tea hot", "passage": "Tea -- it is hot.", "idx": 0}
    texts, labels = read(tmp_path, "boolq", "train", {**row, "label": True}, {**row, "label": False})
    assert texts == (["Tea -- it is hot."] * 2, ["is tea hot"] * 2)
    assert [definition("boolq").labels[int(label)] for label in labels] == ["True", "False"]
    assert read(tmp_path, "boolq", "test", row)[1] is None


def test_cb_has_names_for_labels(tmp_path):
    names = ("neutral", "entailment", "contradiction")
    rows = [{"premise": f"p{k}", "hypothesis": f"h{k}", "label": name, "idx": k} for k, name in enumerate(names)]
    texts, labels = read(tmp_path, "cb", "validation", *rows)
    assert texts == (["p0", "p1", "p2"], ["h0", "h1", "h2"])
    assert [definition("cb").labels[int(label)] for label in labels] == list(names)
    with pytest.raises(UserError, match="line 1: label 'maybe' is none of"):
        read(tmp_path, "cb", "train", {**rows[0], "label": "maybe"})


def test_cb_is_measured_by_accuracy_and_the_mean_of_the_classes_f1():
    truth = np.array([0, 0, 1, 1, 1, 2])
    guess = np.array([0, 1, 1, 1, 0, 0])
    found = measure(definition("cb"), np.eye(3, dtype=np.float32)[guess], truth)
    # entailment: precision 1/3, recall 1/2; contradiction: 2/3, 2/3; neutral is never right.
    assert found["f1_macro"] == pytest.approx((2 / 5 + 2 / 3 + 0) / 3)
    assert found["accuracy"] == pytest.approx(3 / 6)
