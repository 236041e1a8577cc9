"""A line of the log for every evaluation, with what a person wants to know of it."""

import logging
from pathlib import Path

import pytest

from finetune_core.layout import RunLayout
from finetune_core.results.evaluation import Evaluation
from finetune_core.tables.figures import evaluation_line
from finetune_store import DirectoryStore
from finetune_trainer.run.progress import Clock, Reporter


def test_every_evaluation_is_a_line_with_step_metrics_rate_and_time_left(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clock = Clock(before=0, timeout=None, attempts=1, stopped=lambda: False)
    reporter = Reporter(DirectoryStore(tmp_path), RunLayout("team/demo/runs/rte/a"), "1", clock, lambda: "now")

    with caplog.at_level(logging.INFO):
        for step in (20, 40):
            reporter.progress(step, 60, 60.0 - step)
            metrics = {"accuracy": 0.6612, "loss": 0.61}
            reporter.evaluation(Evaluation(step=step, learning_rate=2e-5, train_loss=0.7012, metrics=metrics))

    assert caplog.messages == [
        "step 20 of 60: accuracy 66.12, loss 0.61, train loss 0.7012, learning rate 2e-05, 40 s left",
        "step 40 of 60: accuracy 66.12, loss 0.61, train loss 0.7012, learning rate 2e-05, 20 s left",
    ]


def test_what_is_not_known_is_left_out() -> None:
    assert evaluation_line(Evaluation(step=5, metrics={"accuracy": None}), 0, None) == "step 5: no value"
