"""A checkpoint's history: also one that version 0.1.0 saved, whose run goes on."""

import json
from pathlib import Path

from finetune_core.results.evaluation import Evaluation
from finetune_trainer.run.best import Best
from support.results import task_plan

FLAT = {
    "step": 20,
    "epoch": 1.5,
    "learningRate": 1e-5,
    "trainLoss": None,
    "accuracy": 0.66,
    "time": "t",
    "seconds": 3.0,
}
NESTED = Evaluation(step=20, epoch=1.5, learning_rate=1e-5, metrics={"accuracy": 0.66}, time="t", seconds=3.0)


def test_evaluations_come_back_from_a_checkpoint(tmp_path: Path) -> None:
    Best(task_plan("rte")).save(tmp_path, [NESTED])
    assert Best(task_plan("rte")).restore(tmp_path) == [NESTED]


def test_evaluations_come_back_from_a_checkpoint_of_0_1_0(tmp_path: Path) -> None:
    Best(task_plan("rte")).save(tmp_path, [])
    state = json.loads((tmp_path / "finetune.json").read_text())
    (tmp_path / "finetune.json").write_text(json.dumps(state | {"history": [FLAT]}))
    assert Best(task_plan("rte")).restore(tmp_path) == [NESTED]
