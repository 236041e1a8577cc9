"""Runs that report to trackers: TensorBoard's files for real, MLflow and W&B by stand-ins (support/fake_trackers)."""

import importlib.util
import json
import struct
import sys
from pathlib import Path

import pytest
from tensorboardX.proto.event_pb2 import Event

import support
from finetune_core.planning.plan import ExecutionLimits
from finetune_core.results.evaluation import read_lines
from finetune_core.results.run import ExitCode, Failure
from finetune_core.tracking import TRACKING_ENV
from finetune_trainer.tracking import trackers

TRAINING = {"maxSteps": 6, "evalSteps": 4, "maxSeqLength": 32, "learningRate": 1e-3}
FAKES = Path(support.__path__[0]) / "fake_trackers"
KEY = "a-key-that-nobody-should-see"


def task(name="rte", runs=1, **training):
    return {"name": name, "runs": runs, "training": {**TRAINING, **training}}


def evaluations(workspace, job, attempt="attempt-1", place=0):
    path = workspace.store / workspace.layout(job, place).metrics(attempt)
    return [evaluation.row() for evaluation in read_lines(path.read_bytes())]


def scalars(folder):
    """(tag, step) -> value of all event files in a folder, as TensorBoard reads them: records with two checksums."""
    found = {}
    for file in folder.rglob("events.out.tfevents.*"):
        data = file.read_bytes()
        while data:
            (length,) = struct.unpack("<Q", data[:8])
            event = Event.FromString(data[12 : 12 + length])
            found |= {(one.tag, event.step): one.simple_value for one in event.summary.value if not one.tensor.dtype}
            data = data[16 + length :]
    return found


@pytest.fixture
def report_to(monkeypatch):
    """Has the trainer told of trackers, as the operator and `finetune run` do."""

    def choose(*names, **fields):
        monkeypatch.setenv(TRACKING_ENV, json.dumps({"reportTo": names, **fields}))

    return choose


@pytest.fixture(autouse=True)
def exits(monkeypatch):
    """The codes that the trainer ended its process with where a tracker failed; the process stays, it is pytest's."""
    codes = []
    monkeypatch.setattr(trackers.os, "_exit", codes.append)
    return codes


@pytest.fixture
def calls(monkeypatch, tmp_path):
    """What the stand-ins for wandb and mlflow were told."""
    log = tmp_path / "calls.jsonl"
    log.touch()
    monkeypatch.syspath_prepend(str(FAKES))
    monkeypatch.setenv("PYTHONPATH", str(FAKES))
    monkeypatch.setenv("FAKE_TRACKER_LOG", str(log))
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://mlflow.test")

    def read(name):
        called = map(json.loads, log.read_text().splitlines())
        return [call for call in called if call["call"] == name]

    yield read
    for name in [name for name in sys.modules if name.split(".")[0] in {"wandb", "mlflow", "fake_calls"}]:
        del sys.modules[name]


def test_without_tracking_nothing_is_written_for_trackers(workspace):
    job = workspace.plan([task()])
    assert workspace.run(job)[0] == ExitCode.SUCCESS
    assert workspace.result(job).warnings == ()
    assert not (workspace.store / workspace.layout(job).tensorboard("attempt-1")).exists()


def test_tensorboards_files_lie_beside_the_metrics_and_hold_the_same_values(workspace, report_to):
    report_to("tensorboard")
    job = workspace.plan([task()])
    code, log = workspace.run(job)
    assert code == ExitCode.SUCCESS, log
    assert workspace.result(job).warnings == ()
    found = scalars(workspace.store / workspace.layout(job).tensorboard("attempt-1"))
    for row in evaluations(workspace, job):
        assert found["eval/accuracy", row["step"]] == pytest.approx(row["accuracy"])
        assert found["eval/loss", row["step"]] == pytest.approx(row["loss"])
    assert ("train/learning_rate", 4) in found
    assert ("train/loss", 4) in found


def test_tracking_changes_no_number(workspace, report_to):
    job = workspace.plan([task("cola")])
    assert workspace.run(job)[0] == ExitCode.SUCCESS
    untracked = workspace.result(job)
    (workspace.store / workspace.layout(job).result).unlink()
    report_to("tensorboard")
    assert workspace.run(job, attempt="attempt-2")[0] == ExitCode.SUCCESS
    tracked = workspace.result(job)
    assert (tracked.metrics, tracked.predictions) == (untracked.metrics, untracked.predictions)


def test_a_run_that_is_given_up_leaves_its_event_files_up_to_there(workspace, report_to):
    report_to("tensorboard")
    limits = ExecutionLimits(run_timeout_seconds=10)
    job = workspace.plan([task(maxSteps=100_000, evalSteps=2)], limits=limits)
    assert workspace.run(job)[0] == ExitCode.GAVE_UP
    found = scalars(workspace.store / workspace.layout(job).tensorboard("attempt-1"))
    rows = evaluations(workspace, job)
    assert rows
    assert {step for tag, step in found if tag == "eval/accuracy"} == {row["step"] for row in rows}


def test_wandb_gets_a_run_named_and_grouped_by_task_with_its_metrics(workspace, report_to, calls):
    report_to("wandb")
    job = workspace.plan([task("rte"), task("wnli")], runs_per_pod=2)
    code, log = workspace.run(job)
    assert code == ExitCode.SUCCESS, log
    assert workspace.result(job).warnings == (), log
    begun = {call["name"]: call for call in calls("wandb.init")}
    assert len(begun) == 2
    for place, run in enumerate(job.plan.runs):
        assert workspace.result(job, place).warnings == ()
        name = f"{run.task}/{run.run_id}"
        # W&B takes no slash in the name of a project.
        assert (begun[name]["project"], begun[name]["group"]) == ("ns-exp", run.task)
        assert begun[name]["tags"] == [f"seed:{run.seed}", f"run:{run.run_id}"]
        logged = [call["values"] for call in calls("wandb.log") if call["run"] == name]
        shown = [(one["train/global_step"], one["eval/accuracy"]) for one in logged if "eval/accuracy" in one]
        assert shown == [(row["step"], row["accuracy"]) for row in evaluations(workspace, job, place=place)]
    assert [call["exit_code"] for call in calls("wandb.finish")] == [0, 0]


def test_mlflow_gets_a_run_in_the_projects_experiment_with_its_metrics(workspace, report_to, calls):
    report_to("mlflow", project="glue")
    job = workspace.plan([task()])
    code, log = workspace.run(job)
    assert code == ExitCode.SUCCESS, log
    (run,) = job.plan.runs
    assert workspace.result(job).warnings == ()
    assert [call["name"] for call in calls("mlflow.set_experiment")] == ["glue"]
    (begun,) = calls("mlflow.start_run")
    assert begun["name"] == f"rte/{run.run_id}"
    assert begun["tags"].items() >= {"finetune.seed": str(run.seed), "finetune.runId": run.run_id}.items()
    shown = [(one["step"], one["values"].get("eval_accuracy")) for one in calls("mlflow.log_metrics")]
    assert [one for one in shown if one[1] is not None] == [
        (row["step"], row["accuracy"]) for row in evaluations(workspace, job)
    ]
    assert [call["status"] for call in calls("mlflow.end_run")] == ["FINISHED"]


def test_a_run_that_fails_is_marked_so_in_the_tracker(workspace, report_to, calls):
    report_to("mlflow", "wandb")
    job = workspace.plan([task(maxSteps=100_000)], limits=ExecutionLimits(run_timeout_seconds=2))
    assert workspace.run(job)[0] == ExitCode.GAVE_UP
    assert [call["status"] for call in calls("mlflow.end_run")] == ["FAILED"]
    assert [call["exit_code"] for call in calls("wandb.finish")] == [1]


@pytest.mark.parametrize("tracker", ["wandb", "mlflow"])
@pytest.mark.parametrize("moment", ["begin", "log", "end"])
def test_a_tracker_that_fails_is_warned_of_and_the_run_gives_the_same_numbers(
    workspace, report_to, calls, exits, monkeypatch, tracker, moment
):
    call = {
        "wandb": {"begin": "init", "log": "log", "end": "finish"},
        "mlflow": {"begin": "set_experiment", "log": "log_metrics", "end": "end_run"},
    }[tracker][moment]
    job = workspace.plan([task()])
    assert workspace.run(job)[0] == ExitCode.SUCCESS
    untracked = workspace.result(job)
    (workspace.store / workspace.layout(job).result).unlink()
    report_to(tracker, "tensorboard")
    monkeypatch.setenv("FAKE_TRACKER_FAILS", f"{tracker}.{call} raises")
    code, log = workspace.run(job, attempt="attempt-2")
    assert code == ExitCode.SUCCESS, log
    result = workspace.result(job)
    (warning,) = result.warnings
    assert warning.startswith(f"{tracker}: ConnectionError: no answer from https://<user>@tracker.test/api")
    assert "tracking.secretRef" in warning
    assert log.count("The run itself goes on") == 1
    assert KEY not in log + result.model_dump_json()
    assert (result.metrics, result.predictions) == (untracked.metrics, untracked.predictions)
    # The others are not touched.
    assert scalars(workspace.store / workspace.layout(job).tensorboard("attempt-2"))
    assert exits == [ExitCode.SUCCESS]


def test_a_tracker_that_does_not_answer_is_left_behind_and_not_asked_again(
    workspace, report_to, calls, exits, monkeypatch
):
    report_to("wandb")
    monkeypatch.setattr(trackers, "_PATIENCE_SECONDS", 0.1)
    monkeypatch.setenv("FAKE_TRACKER_FAILS", "wandb.init hangs")
    job = workspace.plan([task("rte"), task("wnli")], runs_per_pod=2)
    code, log = workspace.run(job)
    assert code == ExitCode.SUCCESS, log
    first, second = (workspace.result(job, place).warnings for place in sorted((0, 1), key=order_in(job)))
    assert "did not take everything in time" in first[0]
    assert "still has not answered about an earlier run" in second[0]
    assert exits == [ExitCode.SUCCESS]


def order_in(job):
    """The key to sort runs by as their pod does them."""
    ((*ids,),) = job.indexes
    return lambda place: ids.index(job.plan.runs[place].run_id)


def test_a_process_ends_though_a_trackers_package_would_wait_for_its_server(workspace, report_to, calls, monkeypatch):
    report_to("wandb")
    monkeypatch.setenv("FAKE_TRACKER_FAILS", "wandb.finish raises")
    monkeypatch.setenv("FAKE_TRACKER_HANGS_AT_EXIT", "1")
    job = workspace.plan([task()])
    process = workspace.start(job)
    try:
        assert process.wait(timeout=300) == ExitCode.SUCCESS
    finally:
        process.kill()
    assert len(workspace.result(job).warnings) == 1


def test_mlflow_without_a_server_is_warned_of_since_its_files_would_be_lost_with_the_pod(
    workspace, report_to, calls, exits, monkeypatch
):
    report_to("mlflow")
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    job = workspace.plan([task()])
    assert workspace.run(job)[0] == ExitCode.SUCCESS
    (warning,) = workspace.result(job).warnings
    assert "MLFLOW_TRACKING_URI is not set" in warning
    assert calls("mlflow.start_run") == []


@pytest.mark.parametrize("package", ["mlflow", "wandb"])
def test_a_package_that_is_not_installed_is_the_users_mistake_told_before_anything_is_done(
    workspace, report_to, package
):
    if importlib.util.find_spec(package) is not None:
        pytest.skip(f"{package} is installed here")
    report_to("tensorboard", package)
    job = workspace.plan([task()])
    code, log = workspace.run(job)
    assert code == ExitCode.USER_ERROR, log
    failure = Failure.model_validate_json((workspace.store / workspace.layout(job).failure("attempt-1")).read_bytes())
    assert f"the package {package} is not installed here" in failure.message
    assert "execution.image" in failure.message
    assert not (workspace.store / workspace.layout(job).config).exists()


def test_tracking_that_cannot_be_read_is_the_users_mistake(workspace, report_to):
    report_to("comet_ml")
    code, log = workspace.run(workspace.plan([task()]))
    assert code == ExitCode.USER_ERROR
    assert TRACKING_ENV in log
