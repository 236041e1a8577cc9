"""What is not finite has no value: a loss or logits that are NaN end the run, with the step at which it began."""

import json

import numpy as np
import pytest
import torch

from finetune_core.api import Precision
from finetune_core.results.run import ExitCode, Failure, FailureReason
from finetune_trainer.data.rows import Rows
from finetune_trainer.data.tokens import tokenise
from finetune_trainer.errors import DivergedError, UserError
from finetune_trainer.measure import predict
from finetune_trainer.measure.finite import LossWatch, require_finite
from finetune_trainer.model.tokenizer import load_tokenizer
from finetune_trainer.run.training import RunTrainer

TRAINING = {"maxSteps": 8, "evalSteps": 4, "maxSeqLength": 32}


def failure(workspace, job):
    path = workspace.store / workspace.layout(job).failure("attempt-1")
    return Failure.model_validate_json(path.read_bytes())


def poison(model):
    with torch.no_grad():
        model.classifier.weight[0, 0] = float("nan")


def test_a_loss_that_is_nan_ends_the_run_at_the_next_evaluation_with_its_first_step(workspace, monkeypatch):
    compute_loss = RunTrainer.compute_loss

    def from_the_sixth(self, model, *arguments, **named):
        if self.state.global_step == 5:
            poison(model)
        return compute_loss(self, model, *arguments, **named)

    monkeypatch.setattr(RunTrainer, "compute_loss", from_the_sixth)
    job = workspace.plan([{"name": "rte", "runs": 1, "training": TRAINING}])

    code, log = workspace.run(job)

    assert code == ExitCode.USER_ERROR, log
    found = failure(workspace, job)
    assert found.reason == FailureReason.DIVERGED
    assert (
        "the training loss is not finite at step 6: the run has no value; lower training.learningRate" in found.message
    )
    assert not (workspace.store / workspace.layout(job).result).exists()
    lines = (workspace.store / workspace.layout(job).metrics("attempt-1")).read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [4]


def test_a_learning_rate_that_is_far_too_high_has_no_value_instead_of_an_accuracy(workspace, monkeypatch):
    # Adam's steps are bounded by the rate, so it takes a rate that no manifest may have.
    monkeypatch.setattr(RunTrainer, "create_optimizer", _reckless)
    job = workspace.plan([{"name": "rte", "runs": 1, "training": TRAINING}])
    code, log = workspace.run(job)
    assert code == ExitCode.USER_ERROR, log
    assert failure(workspace, job).reason == FailureReason.DIVERGED


def _reckless(trainer, *_):
    trainer.optimizer = torch.optim.SGD(trainer.model.parameters(), lr=1e30)
    return trainer.optimizer


def test_logits_that_are_nan_are_no_predictions_of_class_0(workspace, monkeypatch):
    forward = predict._forward

    def without_labels(model, batch, autocast):
        logits = forward(model, batch, autocast)
        return logits if "labels" in batch else np.where(np.arange(len(logits))[:, None] == 1, np.nan, logits)

    monkeypatch.setattr(predict, "_forward", without_labels)
    job = workspace.plan([{"name": "rte", "runs": 1, "training": TRAINING}])
    code, log = workspace.run(job)
    assert code == ExitCode.USER_ERROR, log
    message = failure(workspace, job).message
    assert "rows of test are not finite after step 8" in message
    assert not (workspace.store / workspace.layout(job).result).exists()


def test_logits_of_a_dev_set_that_are_not_finite_are_counted():
    logits = np.array([[0.0, 1.0], [np.nan, 1.0], [0.0, np.inf], [2.0, 3.0]], np.float32)
    with pytest.raises(DivergedError, match=r"2 of 4 rows of the dev set are not finite after step 30: .*bf16 or fp32"):
        require_finite(logits, "the dev set", step=30, precision=Precision.FP16)
    require_finite(logits[[0, 3]], "the dev set", step=30, precision=Precision.FP16)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
def test_the_first_step_is_told_though_the_device_is_asked_seldom(bad):
    watch = LossWatch(Precision.BF16)
    for step in range(1, 50):
        watch.note(torch.tensor(bad if step in (31, 40) else 1.0), step)
    with pytest.raises(DivergedError, match=r"not finite at step 31: .*use precision fp32"):
        watch.check()
    with pytest.raises(DivergedError, match="at step 31"):
        watch.note(torch.tensor(1.0), 50)


def test_finite_losses_are_no_reason_to_end():
    watch = LossWatch(Precision.FP32)
    watch.check()
    for step in range(1, 120):
        watch.note(torch.tensor(3e38), step)
    watch.check()


@pytest.mark.parametrize("score", [1e39, float("nan"), float("-inf")])
def test_labels_that_float32_does_not_hold_are_refused_with_their_place(shared, tmp_path, score):
    tokenizer, _ = load_tokenizer(shared / "model")
    parts = [Rows((["a", "b"],), [1.0, 2.0]), Rows((["c", "d"],), [3.0, score])]
    with pytest.raises(UserError, match=r"example 4 has the score .* not finite in float32 \(at most 3.4e\+38\)"):
        tokenise(parts, tokenizer, 16, tmp_path / "tokens")
