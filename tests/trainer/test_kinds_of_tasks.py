"""Whole runs of texts with several labels, with class weights, and with metrics of a user's own."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import transformers
from sklearn.metrics import f1_score

from finetune_core.results.dev_predictions import read_tsv
from finetune_core.results.evaluation import read_lines
from finetune_core.results.run import ExitCode, Failure
from support.trainer_runs import Workspace

NAMES = ("red", "green", "blue")
TRAINING = {"maxSteps": 60, "evalSteps": 30, "maxSeqLength": 16, "learningRate": 3e-3, "trainBatchSize": 8}


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Texts that say which labels they have."""
    folder, random = tmp_path_factory.mktemp("tables"), np.random.default_rng(0)
    for split, count in {"train": 64, "dev": 24, "test": 16}.items():
        sets = random.random((count, 3)) < [0.5, 0.3, 0.2]
        rows = [
            (" ".join(("the film is", "good" * a, "bad" * b, "long" * c)), ";".join(np.array(NAMES)[row]), int(row[2]))
            for row in sets
            for a, b, c in [map(int, row)]
        ]
        with (folder / f"{split}.csv").open("w", newline="") as file:
            csv.writer(file).writerows([("text", "labels", "blue"), *rows])
    return folder


def task(*, label: str = "labels", training: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    files = {"train": "train.csv", "validation": "dev.csv", "test": "test.csv", "textColumns": ["text"]}
    data = {**files, "labelColumn": label, **({"labelDelimiter": ";"} if label == "labels" else {})}
    return {"name": "mine", "runs": 1, "data": data, "training": {**TRAINING, **(training or {})}, **fields}


COLOURS = {"problemType": "MultiLabelClassification", "labels": list(NAMES)}
BLUE = {"problemType": "Classification", "labels": ["0", "1"], "label": "blue"}


def column(folder: Path, name: str) -> list[str]:
    with (folder / "test.csv").open(newline="") as file:
        return [row[name] for row in csv.DictReader(file)]


def test_a_task_with_several_labels_is_learnt_and_predicted_by_name(shared: Path, tables: Path, tmp_path: Path) -> None:
    workspace = Workspace(tmp_path, shared / "model", tables)
    metrics = ["average_precision", "f1_micro", "subset_accuracy"]
    job = workspace.plan(
        [task(**COLOURS, metrics=metrics, training={"classWeights": "balanced"})], retention={"models": "All"}
    )
    code, log = workspace.run(job)
    assert code == ExitCode.SUCCESS, log
    result = workspace.result(job)
    assert result.metric == "average_precision"
    # Far above chance: the texts say it.
    assert result.metrics["average_precision"] > 0.8, result.metrics
    lines = (workspace.store / workspace.layout(job).predictions(result.attempt, "test.tsv")).read_text().splitlines()
    made = [json.loads(line.split("\t")[1]) for line in lines[1:]]
    assert [line.split("\t")[0] for line in lines[1:]] == [str(row) for row in range(16)]
    folder = workspace.store / workspace.layout(job).model(result.attempt)
    config = transformers.AutoConfig.from_pretrained(folder)
    assert config.problem_type == "multi_label_classification"
    assert tuple(config.id2label.values()) == NAMES
    # What transformers alone makes of the kept model: the names whose probability is 0.5 or more.
    model = transformers.AutoModelForSequenceClassification.from_pretrained(folder).eval()
    texts = transformers.AutoTokenizer.from_pretrained(folder)(
        column(tables, "text"), padding=True, return_tensors="pt"
    )
    given = model(**texts).logits.sigmoid() >= 0.5
    assert made == [[name for name, has in zip(NAMES, row, strict=True) if has] for row in given.tolist()]
    # What is kept of the dev set gives the metric.
    key = workspace.layout(job).dev_predictions(result.attempt, "validation.tsv")
    kept = read_tsv((workspace.store / key).read_bytes())
    sets = [[[name in json.loads(one) for name in NAMES] for one in cells] for cells in (kept.label, kept.prediction)]
    assert result.metrics["f1_micro"] == pytest.approx(f1_score(*sets, average="micro"))


def test_a_run_whose_metric_is_a_cost_keeps_its_cheapest_step(
    shared: Path, tables: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "costs_of_ours.py").write_text(
        "import numpy as np\ndef cost(truth, guess): return 5.0 * np.sum(truth > guess) + np.sum(truth < guess)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    workspace = Workspace(tmp_path, shared / "model", tables)
    own = {"name": "cost", "function": "costs_of_ours:cost", "greaterIsBetter": False}
    settings = {"evalSteps": 10, "maxSteps": 40, "metricForBestModel": "cost", "classWeights": "balanced"}
    job = workspace.plan([task(**BLUE, metrics=["roc_auc", "cost"], metricFunctions=[own], training=settings)])
    code, log = workspace.run(job)
    assert code == ExitCode.SUCCESS, log
    result = workspace.result(job)
    lines = read_lines((workspace.store / workspace.layout(job).metrics(result.attempt)).read_bytes())
    costs = [line.metrics["cost"] for line in lines]
    assert (result.value, result.greater_is_better) == (min(costs), False)
    assert result.step == lines[costs.index(min(costs))].step
    assert len(set(costs)) > 1, costs


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        pytest.param(
            {
                **BLUE,
                "metricFunctions": [{"name": "cost", "function": "not_in_the_image:cost", "greaterIsBetter": False}],
            },
            "metricFunctions[cost]: not_in_the_image:cost cannot be imported",
            id="a function that the image does not have",
        ),
        pytest.param(
            {**COLOURS, "labels": ["red", "green", "blau"]}, "label 'blue' is none of 0 (red)", id="a label's name"
        ),
        pytest.param(
            {**COLOURS, "labels": [*NAMES, "black"], "training": {"classWeights": "balanced"}},
            "no row of the training data has the label black",
            id="a label that no row has",
        ),
    ],
)
def test_what_is_wrong_ends_a_run_before_its_first_step_and_is_not_retried(
    shared: Path, tables: Path, tmp_path: Path, fields: dict[str, Any], said: str
) -> None:
    workspace = Workspace(tmp_path, shared / "model", tables)
    code, _ = workspace.run(job := workspace.plan([task(**fields)]))
    assert code == ExitCode.USER_ERROR
    failure = workspace.store / workspace.layout(job).failure("attempt-1")
    assert said in Failure.model_validate_json(failure.read_bytes()).message
    assert not (workspace.store / workspace.layout(job).metrics("attempt-1")).exists()
