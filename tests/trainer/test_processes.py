"""Several processes a run (torch's DistributedDataParallel), here two of them on processors, by gloo.

91 examples in steps of 18 are six steps an epoch, the last with one example: one process has none there. The passes of
a step are of 5 examples at most.
"""

import json
import shutil
import signal
from dataclasses import replace

import psutil
import pytest
from safetensors.torch import load_file

from finetune_core.planning.plan import ExecutionLimits
from finetune_core.results.dev_predictions import read_tsv
from finetune_core.results.run import ExitCode, Failure
from finetune_dev.shell import wait_for
from glue_demo import write
from support.checkpoints import pointers
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
WEIGHTED = {"maxSteps": 12, "evalSteps": 6, "labelWeights": {"equivalent": 5.0}, "gradientCheckpointing": True}
"""A step's examples count unlike each other, and so do the processes' shares of it; activations are made again."""

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
    return folder


@pytest.fixture
def both(place, tmp_path):
    return Workspace(tmp_path, place / "model", place / "glue", processes=2)


@pytest.fixture(scope="module")
def expected(place, tmp_path_factory):
    """What one process makes of it."""
    alone = Workspace(tmp_path_factory.mktemp("alone"), place / "model", place / "glue")
    job = plan(alone, weighted=True)
    code, log = alone.run(job)
    assert code == ExitCode.SUCCESS, log
    return [outcome(alone, job, place) for place in range(2)]


def plan(workspace, *, weighted=False):
    tasks = [{"name": "rte", "runs": 1, "training": TRAINING}]
    if weighted:
        tasks.append({"name": "mrpc", "runs": 1, "training": TRAINING | WEIGHTED})
    return workspace.plan(tasks, limits=AT_EACH_STEP, runs_per_pod=2, retention={"models": "All"})


def outcome(workspace, job, place=0):
    result, layout = workspace.result(job, place), workspace.layout(job, place)
    weights = load_file(workspace.store / result.model / "model.safetensors")
    predicted = (workspace.store / layout.predictions(result.attempt, f"{result.task.upper()}.tsv")).read_text()
    answers = (workspace.store / layout.dev_predictions(result.attempt, "validation.tsv")).read_bytes()
    return result, weights, predicted, read_tsv(answers)


def assert_same(found, expected):
    (result, weights, predicted, answers), (first, ours, guessed, known) = found, expected
    assert (result.run_id, result.step, result.last_step) == (first.run_id, first.step, first.last_step)
    assert result.metrics == pytest.approx(first.metrics, rel=1e-4)
    assert result.last_metrics == pytest.approx(first.last_metrics, rel=1e-4)
    assert weights.keys() == ours.keys()
    for name, tensor in ours.items():
        assert weights[name].numpy() == pytest.approx(tensor.numpy(), abs=1e-5), name
    assert predicted == guessed
    assert (answers.index, answers.label, answers.prediction) == (known.index, known.label, known.prediction)
    assert answers.probability == pytest.approx(known.probability, rel=1e-3)


def test_two_processes_make_of_runs_what_one_makes(both, expected):
    job = plan(both, weighted=True)
    code, log = both.run(job)
    assert code == ExitCode.SUCCESS, log
    for place in range(2):
        assert_same(outcome(both, job, place), expected[place])
    assert both.result(job).hardware["processes"] == 2
    assert len(list((both.store / both.layout(job).attempts).iterdir())) == 1


def test_one_process_killed_ends_all_and_one_alone_goes_on_from_the_checkpoint(both, expected):
    job = plan(both)
    crew = both.start(job)
    wait_for("a checkpoint", lambda: pointers(both.store, both.layout(job)), seconds=300)
    processes = psutil.Process(crew.pid).children(recursive=True)
    processes[-1].kill()
    assert crew.wait(120) == ExitCode.RETRY
    assert psutil.wait_procs(processes, timeout=10)[1] == []
    failure = Failure.model_validate_json((both.store / both.layout(job).failure("attempt-1")).read_bytes())
    assert failure.reason == "WorkerDied"
    assert "of 2: the worker's process ended" in failure.message
    assert json.loads(both.termination_log.read_text())["reason"] == "WorkerDied"

    alone = replace(both, processes=1)
    code, log = alone.run(job, attempt="attempt-2")
    assert code == ExitCode.SUCCESS, log
    assert alone.result(job).resumed_from
    assert_same(outcome(alone, job), expected[0])


def test_two_processes_go_on_from_the_checkpoint_of_one_and_stop_when_told(both, expected):
    job = plan(both)
    alone = replace(both, processes=1).start(job)
    wait_for("a checkpoint", lambda: pointers(both.store, both.layout(job)), seconds=300)
    alone.send_signal(signal.SIGTERM)
    assert alone.wait(120) == ExitCode.INTERRUPTED
    before = both.layout(job)

    crew = both.start(job, attempt="attempt-2")
    wait_for(
        "its checkpoint", lambda: any("attempt-2" in str(one) for one in pointers(both.store, before)), seconds=300
    )
    crew.send_signal(signal.SIGTERM)
    assert crew.wait(120) == ExitCode.INTERRUPTED

    code, log = both.run(job, attempt="attempt-3")
    assert code == ExitCode.SUCCESS, log
    assert both.result(job).attempts == 3
    assert_same(outcome(both, job), expected[0])
