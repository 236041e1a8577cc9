"""A checkpoint that was fine-tuned elsewhere knows its labels in an order of its own: they are mapped by name."""

import json
import shutil

import numpy as np
import pytest
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from finetune_core.results.run import ExitCode
from finetune_core.tasks.registry import GLUE_TASKS
from finetune_trainer.errors import UserError
from finetune_trainer.model.loading import load_model
from support.trainer_runs import Workspace

TO_LEARN = {"maxSteps": 120, "evalSteps": 40, "maxSeqLength": 32, "learningRate": 3e-3}
HARDLY = {"maxSteps": 1, "evalSteps": 1, "maxSeqLength": 32, "learningRate": 1e-9}


def reordered(folder, target, names):
    """The same classifier with its outputs in another order."""
    model = AutoModelForSequenceClassification.from_pretrained(folder)
    order = [model.config.label2id[name.lower()] for name in names]
    with torch.no_grad():
        model.classifier.weight.copy_(model.classifier.weight[order].clone())
        model.classifier.bias.copy_(model.classifier.bias[order].clone())
    model.config.id2label = dict(enumerate(names))
    model.config.label2id = {name: place for place, name in enumerate(names)}
    shutil.copytree(folder, target)
    model.save_pretrained(target)
    return target


def run(folder, model, data, task, training):
    """Metrics, prediction files, the labels as the kept model has them, and its folder."""
    folder.mkdir()
    workspace = Workspace(folder, model, data)
    job = workspace.plan([{"name": task, "runs": 1, "training": training}], retention={"models": "All"})
    code, log = workspace.run(job)
    assert code == ExitCode.SUCCESS, log
    result, layout = workspace.result(job), workspace.layout(job)
    files = {
        name: (workspace.store / layout.predictions(result.attempt, name)).read_text() for name in result.predictions
    }
    kept = workspace.store / layout.model(result.attempt)
    config = json.loads((kept / "config.json").read_text())
    return result.metrics, files, [config["id2label"][str(place)] for place in range(len(config["id2label"]))], kept


def f1_by_hand(folder, dev, positive):
    """Of what transformers alone makes of a model and MRPC's dev set."""
    rows = [line.split("\t") for line in dev.read_text().strip("\n").split("\n")[1:]]
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    pairs = [row[3] for row in rows], [row[4] for row in rows]
    texts = AutoTokenizer.from_pretrained(folder)(
        *pairs, truncation=True, max_length=32, padding=True, return_tensors="pt"
    )
    with torch.no_grad():
        guesses = [model.config.id2label[int(place)] for place in model(**texts).logits.argmax(dim=1)]
    labels = [GLUE_TASKS["mrpc"].labels[int(row[0])] for row in rows]
    hits = [*zip(labels, guesses, strict=True)].count((positive, positive))
    return 2 * hits / (labels.count(positive) + guesses.count(positive))


@pytest.mark.parametrize(
    ("task", "names"),
    [
        pytest.param("mnli", ["CONTRADICTION", "NEUTRAL", "ENTAILMENT"], id="mnli, in capitals"),
        pytest.param("mrpc", ["equivalent", "not_equivalent"], id="mrpc"),
    ],
)
def test_labels_in_another_order_change_neither_metrics_nor_predictions(shared, tmp_path, task, names):
    data = shared / "glue"
    ours = list(GLUE_TASKS[task].labels)
    assert [name.lower() for name in names] != ours
    _, _, _, tuned = run(tmp_path / "tuned", shared / "model", data, task, TO_LEARN)

    metrics, files, labels, _ = run(tmp_path / "same", tuned, data, task, HARDLY)
    other = reordered(tuned, tmp_path / "elsewhere", names)
    other_metrics, other_files, other_labels, kept = run(tmp_path / "other", other, data, task, HARDLY)

    assert other_metrics == pytest.approx(metrics, abs=1e-5)
    assert other_files == files
    predicted = files[GLUE_TASKS[task].submission[0].name].splitlines()[1:]
    assert len({line.split("\t")[1] for line in predicted}) > 1
    # The checkpoint keeps its order, in the task's own words.
    assert (labels, other_labels) == (ours, [name.lower() for name in names])
    if "f1" in metrics:
        expected = f1_by_hand(kept, data / "MRPC" / "dev.tsv", positive="equivalent")
        assert other_metrics["f1"] == pytest.approx(expected)
        assert expected != pytest.approx(f1_by_hand(kept, data / "MRPC" / "dev.tsv", positive="not_equivalent"))


@pytest.mark.parametrize(
    ("labels", "warned"),
    [
        pytest.param(["entailment", "not_entailment"], False, id="the task's"),
        pytest.param(["Not_Entailment", "Entailment"], False, id="the task's in another order"),
        pytest.param(["LABEL_0", "LABEL_1"], False, id="none of its own"),
        pytest.param(["negative", "positive"], True, id="others"),
        pytest.param(["entailment", "neutral", "contradiction"], True, id="more"),
    ],
)
def test_labels_that_cannot_be_mapped_by_name_are_warned_of(shared, tmp_path, caplog, labels, warned):
    folder = shutil.copytree(shared / "model", tmp_path / "model")
    config = json.loads((folder / "config.json").read_text())
    config |= {"id2label": dict(enumerate(labels)), "label2id": {name: place for place, name in enumerate(labels)}}
    (folder / "config.json").write_text(json.dumps(config))
    _, head = load_model(folder, GLUE_TASKS["rte"], None)
    assert ("cannot be mapped by name" in caplog.text) == warned
    assert sorted(head.names) == ["entailment", "not_entailment"]


THEIRS = {"0": "not_entailment", "1": "entailment"}
UNNAMED = {"0": "LABEL_0", "1": "LABEL_1"}


def with_labels(shared, tmp_path, **tables):
    folder = shutil.copytree(shared / "model", tmp_path / "model")
    config = json.loads((folder / "config.json").read_text())
    config = {name: value for name, value in config.items() if name not in {"id2label", "label2id"}} | tables
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def reversed_table(table):
    return {name: int(place) for place, name in table.items()}


@pytest.mark.parametrize(
    "tables",
    [
        {"id2label": THEIRS},
        {"label2id": reversed_table(THEIRS)},
        {"id2label": THEIRS, "label2id": reversed_table(UNNAMED)},
        {"id2label": UNNAMED, "label2id": reversed_table(THEIRS)},
    ],
    ids=["id2label alone", "label2id alone", "id2label, label2id unnamed", "label2id, id2label unnamed"],
)
def test_either_table_of_labels_tells_their_order(shared, tmp_path, tables):
    _, head = load_model(with_labels(shared, tmp_path, **tables), GLUE_TASKS["rte"], None)
    assert head.names == ("not_entailment", "entailment")
    assert np.array_equal(head.order, [1, 0])


def test_tables_of_labels_that_contradict_each_other_are_refused(shared, tmp_path):
    tables = {"id2label": THEIRS, "label2id": {"not_entailment": 1, "entailment": 0}}
    folder = with_labels(shared, tmp_path, **tables)
    with pytest.raises(UserError, match="contradicts itself about the labels"):
        load_model(folder, GLUE_TASKS["rte"], None)
    # Where the labels are not the task's, the order of theirs says nothing.
    load_model(folder, GLUE_TASKS["mnli"], None)
