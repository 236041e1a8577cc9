"""How attempts end that come to no result: out of memory, and told to stop while the test set is predicted."""

import os
import signal

import pytest
import torch

from finetune_core.results.run import ExitCode, Failure, FailureReason
from finetune_trainer.run import assess, endings
from finetune_trainer.run.training import RunTrainer
from support.trainer_runs import Workspace

TASK = {"name": "rte", "runs": 1, "training": {"maxSteps": 6, "evalSteps": 3, "maxSeqLength": 32}}


@pytest.mark.parametrize(
    "error",
    [
        # What torch raises where there is a GPU; a fake, for there is none here.
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:119] . DefaultCPUAllocator: can't allocate memory: you tried"),
    ],
    ids=["GPU", "CPU"],
)
def test_out_of_memory_is_named_as_such_with_what_to_lower(workspace, monkeypatch, error):
    def training_step(*_, **__):
        raise error

    monkeypatch.setattr(RunTrainer, "training_step", training_step)
    job = workspace.plan([TASK])

    code, log = workspace.run(job)

    assert code == ExitCode.USER_ERROR, log
    failure = Failure.model_validate_json((workspace.store / workspace.layout(job).failure("attempt-1")).read_bytes())
    assert failure.reason == FailureReason.OUT_OF_MEMORY
    assert "lower perDeviceTrainBatchSize (the result keeps its meaning), evalBatchSize or maxSeqLength" in (
        failure.message
    )
    assert "OutOfMemory" in workspace.termination_log.read_text()


@pytest.mark.parametrize(
    ("training", "steps"),
    [
        pytest.param({}, 6, id="to its last step"),
        pytest.param({"loadBestModelAtEnd": False, "allowLastModel": True}, 6, id="last model"),
        pytest.param({"maxSteps": 60, "earlyStopping": {"patience": 1, "threshold": 1.0}}, 6, id="stopped early"),
    ],
)
def test_told_to_stop_while_it_predicts_it_goes_on_from_the_end_of_its_training(
    workspace, tmp_path, monkeypatch, training, steps
):
    job = workspace.plan([{**TASK, "training": {**TASK["training"], **training}}])
    (tmp_path / "undisturbed").mkdir()
    undisturbed = Workspace(tmp_path / "undisturbed", workspace.model, workspace.data)
    assert undisturbed.run(job)[0] == ExitCode.SUCCESS
    expected = undisturbed.result(job)
    predict = assess.write_predictions

    def told_to_stop(path, definition, logits, *rest):
        os.kill(os.getpid(), signal.SIGTERM)
        return predict(path, definition, logits, *rest)

    with monkeypatch.context() as patched:
        patched.setattr(assess, "write_predictions", told_to_stop)
        code, log = workspace.run(job, attempt="first")
    assert code == ExitCode.INTERRUPTED, log
    assert not (workspace.store / workspace.layout(job).result).exists()

    code, log = workspace.run(job, attempt="second")

    assert code == ExitCode.SUCCESS, log
    result = workspace.result(job)
    assert result.resumed_from == (steps,)
    assert result.last_step == expected.last_step == steps
    assert result.metrics == expected.metrics
    assert result.predictions == expected.predictions != {}
    assert not list((workspace.store / workspace.layout(job).root).glob("checkpoint/*/*"))


@pytest.mark.parametrize(
    ("codes", "of_the_pod"),
    [
        ([ExitCode.STORE], ExitCode.STORE),
        ([ExitCode.USER_ERROR, ExitCode.STORE], ExitCode.STORE),
        ([ExitCode.STORE, ExitCode.RETRY], ExitCode.RETRY),
        ([ExitCode.USER_ERROR, ExitCode.GAVE_UP], ExitCode.USER_ERROR),
        ([], ExitCode.SUCCESS),
    ],
)
def test_a_pod_uses_up_no_retry_where_nothing_but_the_store_is_in_the_way(codes, of_the_pod):
    assert endings.exit_code(codes) == of_the_pod


@pytest.mark.parametrize("content", [b"", b"{", b"{}"])
def test_a_damaged_result_is_set_aside_and_the_run_done_again(workspace, content):
    job = workspace.plan([TASK])
    layout = workspace.layout(job)
    (workspace.store / layout.result).parent.mkdir(parents=True)
    (workspace.store / layout.result).write_bytes(content)

    code, log = workspace.run(job)

    assert code == ExitCode.SUCCESS, log
    assert workspace.result(job).attempt == "attempt-1"
    assert (workspace.store / layout.unreadable("attempt-1")).read_bytes() == content
