"""Several processes a run (torch's DistributedDataParallel), here two of them on processors, by gloo.

91 examples in steps of 18 are six steps an epoch, the last with one example: one process has none there, as with 37
examples. The passes of a step are of 5 examples at most.
"""

import csv
import json
import shutil
import signal
from dataclasses import replace

import numpy as np
import psutil
import pytest
from safetensors.torch import load_file

from finetune_core.planning.plan import ExecutionLimits
from finetune_core.results.dev_predictions import read_tsv
from finetune_core.results.run import ExitCode, Failure
from finetune_core.tasks.sparse import SparseType
from finetune_dev.shell import wait_for
from glue_demo import write
from support.checkpoints import pointers
from support.sparse_models import pruned
from support.trainer_runs import Workspace

TRAINING = {
    "maxSteps": 40,
    "evalSteps": 20,
    "trainBatchSize": 18,
    "perDeviceTrainBatchSize": 5,
    "evalBatchSize": 7,
    "learningRate": 2e-4,
    "precision": "fp32",
}
SHORT = {**TRAINING, "maxSteps": 6, "evalSteps": 3}
LABELS = ("red", "green", "blue")
OWN = {"train": "own/train.csv", "validation": "own/dev.csv", "test": "own/test.csv", "textColumns": ["text"]}
KAPPA = {"name": "kappa", "function": "sklearn.metrics.cohen_kappa_score", "greaterIsBetter": True}
KINDS = [
    # A step's examples count unlike each other, and so do the processes' shares of it; activations are made again.
    {
        "name": "mrpc",
        "training": {**SHORT, "maxSteps": 12, "labelWeights": {"equivalent": 5.0}, "gradientCheckpointing": True},
    },
    {"name": "cola", "training": {**SHORT, "peftType": "LORA", "loraDropout": 0.0}},
    {
        "name": "colours",
        "problemType": "MultiLabelClassification",
        "metrics": ["average_precision", "f1_micro"],
        "data": {**OWN, "labelColumns": LABELS},
        "training": {**SHORT, "classWeights": "balanced"},
    },
    {
        "name": "folded",
        "problemType": "Classification",
        "labels": ["0", "1"],
        "folds": 2,
        "metrics": ["balanced_accuracy"],
        "metricFunctions": [KAPPA],
        "data": {"train": OWN["train"], "textColumns": ["text"], "labelColumn": "red"},
        "training": {**SHORT, "classWeights": "balanced"},
    },
    # One example's loss is infinite, in one of the processes.
    {
        "name": "scores",
        "problemType": "Regression",
        "data": {**OWN, "labelColumn": "score"},
        "training": {**SHORT, "maxSteps": 3},
    },
]
"""What one process can do, beside a plain run."""

AT_EACH_STEP = ExecutionLimits(checkpoint_interval_seconds=0)


@pytest.fixture(scope="module")
def place(shared, tmp_path_factory):
    """The tiny model without dropout, which alone differs between processes; and an odd number of examples."""
    folder = tmp_path_factory.mktemp("place")
    shutil.copytree(shared / "model", folder / "model")
    file = folder / "model" / "config.json"
    still = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    file.write_text(json.dumps(json.loads(file.read_text()) | still))
    write(folder / "glue", train_rows=91, dev_rows=24, test_rows=24)
    write_own(folder / "glue" / "own")
    return folder


def write_own(folder):
    """Texts that say their labels, with a score that is finite in float32, unlike its square."""
    folder.mkdir()
    random = np.random.default_rng(0)
    for split, count in {"train": 37, "dev": 20, "test": 9}.items():
        sets = (random.random((count, 3)) < [0.5, 0.4, 0.3]).astype(int)
        words = [" ".join(("film", "good" * a, "bad" * b, "long" * c)) for a, b, c in sets.tolist()]
        with (folder / f"{split}.csv").open("w", newline="") as file:
            rows = [
                (text, *row, 1e30 if split == "train" and place == 7 else place)
                for place, (text, row) in enumerate(zip(words, sets.tolist(), strict=True))
            ]
            csv.writer(file).writerows([("text", *LABELS, "score"), *rows])


@pytest.fixture
def both(place, tmp_path):
    return Workspace(tmp_path, place / "model", place / "glue", processes=2)


@pytest.fixture(scope="module")
def expected(place, tmp_path_factory):
    """What one process makes of the plain run."""
    return done_alone(place, tmp_path_factory, place / "model")


@pytest.fixture(scope="module")
def sparse(place):
    return pruned(place / "model", place / "pruned", SparseType.FULL)


@pytest.fixture(scope="module")
def expected_sparse(place, tmp_path_factory, sparse):
    return done_alone(place, tmp_path_factory, sparse)


def done_alone(place, tmp_path_factory, model):
    alone = Workspace(tmp_path_factory.mktemp("alone"), model, place / "glue")
    code, log = alone.run(job := plan(alone))
    assert code == ExitCode.SUCCESS, log
    return outcome(alone, job)


def plan(workspace, *tasks):
    plain = {"name": "rte", "training": TRAINING}
    made = [{"runs": 1, **task} for task in tasks or [plain]]
    limits = None if tasks else AT_EACH_STEP
    return workspace.plan(made, limits=limits, runs_per_pod=len(KINDS) + 1, retention={"models": "All"})


def outcome(workspace, job, place=0):
    result, layout = workspace.result(job, place), workspace.layout(job, place)
    weights = load_file(workspace.store / result.model / "model.safetensors")
    predicted = [
        (workspace.store / layout.predictions(result.attempt, name)).read_text() for name in result.predictions
    ]
    answers = (workspace.store / layout.dev_predictions(result.attempt, "validation.tsv")).read_bytes()
    return result, weights, predicted, read_tsv(answers)


def measured(metrics):
    """But for a metric of the order of scores: a model that has learned little gives many that differ by rounding."""
    return {name: value for name, value in metrics.items() if name != "average_precision"}


def assert_same(found, expected):
    (result, weights, predicted, answers), (first, ours, guessed, known) = found, expected
    assert (result.run_id, result.step, result.last_step) == (first.run_id, first.step, first.last_step)
    assert measured(result.metrics) == pytest.approx(measured(first.metrics), rel=1e-4)
    assert measured(result.last_metrics) == pytest.approx(measured(first.last_metrics), rel=1e-4)
    assert (result.sparsity, result.parameters) == (first.sparsity, first.parameters)
    assert result.warnings == first.warnings
    assert weights.keys() == ours.keys()
    for name, tensor in ours.items():
        assert weights[name].float().numpy() == pytest.approx(tensor.float().numpy(), abs=1e-5), name
    assert predicted == guessed
    assert (answers.index, answers.label, answers.prediction) == (known.index, known.label, known.prediction)
    assert answers.probability == pytest.approx(known.probability, rel=1e-3)


def test_two_processes_make_of_runs_of_each_kind_what_one_makes(both, tmp_path):
    alone = replace(both, root=tmp_path / "alone", processes=1)
    alone.root.mkdir()
    jobs = {workspace.processes: (workspace, plan(workspace, *KINDS)) for workspace in (alone, both)}
    found = {}
    for count, (workspace, job) in jobs.items():
        code, log = workspace.run(job)
        assert code == ExitCode.USER_ERROR, log
        *ended, last = range(len(job.plan.runs))
        found[count] = [outcome(workspace, job, place) for place in ended]
        assert len(list((workspace.store / workspace.layout(job).attempts).iterdir())) == 1
        file = workspace.store / workspace.layout(job, last).failure("attempt-1")
        found[count].append(Failure.model_validate_json(file.read_bytes()))
        assert {result.hardware.get("processes", 1) for result, *_ in found[count][:-1]} == {count}
    (*two, failure), (*one, first) = found[2], found[1]
    assert [result.task for result, *_ in two] == ["mrpc", "cola", "colours", "folded", "folded"]
    for mine, theirs in zip(two, one, strict=True):
        assert_same(mine, theirs)
    assert (failure.task, failure.reason, failure.message) == ("scores", "Diverged", first.message)
    assert "the training loss is not finite at step" in failure.message


def test_one_process_killed_ends_all_and_one_alone_goes_on_from_the_checkpoint(both, expected):
    job = plan(both)
    crew = both.start(job)
    wait_for("a checkpoint", lambda: pointers(both.store, both.layout(job)), seconds=300)
    processes = psutil.Process(crew.pid).children(recursive=True)
    processes[-1].kill()
    assert crew.wait(300) == ExitCode.RETRY
    assert psutil.wait_procs(processes, timeout=180)[1] == []
    failure = Failure.model_validate_json((both.store / both.layout(job).failure("attempt-1")).read_bytes())
    assert failure.reason == "WorkerDied"
    assert "of 2: the worker's process ended" in failure.message
    assert json.loads(both.termination_log.read_text())["reason"] == "WorkerDied"

    alone = replace(both, processes=1)
    code, log = alone.run(job, attempt="attempt-2")
    assert code == ExitCode.SUCCESS, log
    assert alone.result(job).resumed_from
    assert_same(outcome(alone, job), expected)


def test_two_processes_go_on_with_a_sparse_model_from_the_checkpoint_of_one_and_stop_when_told(
    both, sparse, expected_sparse
):
    both.model = sparse
    job = plan(both)
    alone = replace(both, processes=1).start(job)
    wait_for("a checkpoint", lambda: pointers(both.store, both.layout(job)), seconds=300)
    alone.send_signal(signal.SIGTERM)
    assert alone.wait(300) == ExitCode.INTERRUPTED
    before = both.layout(job)

    crew = both.start(job, attempt="attempt-2")
    wait_for(
        "its checkpoint", lambda: any("attempt-2" in str(one) for one in pointers(both.store, before)), seconds=300
    )
    crew.send_signal(signal.SIGTERM)
    assert crew.wait(300) == ExitCode.INTERRUPTED

    code, log = both.run(job, attempt="attempt-3")
    assert code == ExitCode.SUCCESS, log
    assert both.result(job).attempts == 3
    assert both.result(job).hardware["processes"] == 2
    assert_same(outcome(both, job), expected_sparse)
