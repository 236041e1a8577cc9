"""The best step of a run: its value, its metrics, a copy of its weights; and when to stop early."""

import json
from collections.abc import Iterable
from pathlib import Path

import torch
from safetensors import numpy as arrays
from safetensors.torch import load_file, save_file

from finetune_core.planning.plan import TaskPlan
from finetune_core.results.evaluation import Evaluation
from finetune_core.stored import finite
from finetune_trainer.measure.answers import Answers
from finetune_trainer.model.trained import trained_state

_STATE = "finetune.json"
_WEIGHTS = "best.safetensors"
_ANSWERS = "answers.safetensors"
_NAMED = "dev:"
"""Before the names of arrays: an empty name is none."""


class Best:
    """Keeps the first best finite value of the metric that decides. Values are canonical metric names to floats."""

    def __init__(self, task: TaskPlan) -> None:
        self._settings = task.settings
        self._more = task.greater_is_better
        self._weights: dict[str, torch.Tensor] | None = None
        self._without_improvement = 0
        self.value: float | None = None
        self.step = 0
        self.metrics: dict[str, float | None] = {}
        self.last_step = 0
        self.last_metrics: dict[str, float | None] = {}
        self.answers: Answers = {}
        self._last_answers: Answers = {}

    def hear(self, answers: Answers) -> None:
        """What the model that is offered next says of the dev sets."""
        self._last_answers = answers

    def offer(self, step: int, metrics: dict[str, float], model: torch.nn.Module) -> None:
        """One evaluation; weights are copied only when it is a new best."""
        values = {name: finite(value) for name, value in metrics.items()}
        self.last_step, self.last_metrics = step, values
        value = values.get(self._settings.metric_for_best_model)
        threshold = self._settings.early_stopping.threshold if self._settings.early_stopping else 0.0
        enough = self._improves(value, threshold)
        self._without_improvement = 0 if enough else self._without_improvement + 1
        if self._improves(value, 0.0) or not self._settings.load_best_model_at_end:
            self.value, self.step, self.metrics = value, step, values
            self.answers = self._last_answers
            if self._settings.load_best_model_at_end:
                self._weights = {name: one.detach().cpu().clone() for name, one in trained_state(model).items()}

    def _improves(self, value: float | None, threshold: float) -> bool:
        if value is None:
            return False
        if self.value is None:
            return True
        return (value - self.value if self._more else self.value - value) > threshold

    @property
    def exhausted(self) -> bool:
        """Whether early stopping says that it is enough."""
        stopping = self._settings.early_stopping
        return stopping is not None and self._without_improvement >= stopping.patience

    def load_into(self, model: torch.nn.Module) -> None:
        """Give the model its best weights back; it keeps its own if no value was ever finite."""
        if self._weights is not None:
            model.load_state_dict({**model.state_dict(), **self._weights})
        elif not self.metrics:
            self.step, self.metrics, self.answers = self.last_step, self.last_metrics, self._last_answers

    def save(self, folder: Path, history: Iterable[Evaluation]) -> None:
        """Beside a checkpoint, with the evaluations so far."""
        state = {
            "value": self.value,
            "step": self.step,
            "metrics": self.metrics,
            "last_step": self.last_step,
            "last_metrics": self.last_metrics,
            "without_improvement": self._without_improvement,
            "history": [evaluation.model_dump(mode="json", by_alias=True) for evaluation in history],
        }
        (folder / _STATE).write_text(json.dumps(state))
        if self._weights is not None:
            save_file({name: one.contiguous() for name, one in self._weights.items()}, folder / _WEIGHTS)
        # Before there is a best one, what could become it: the last.
        answers = self.answers if self.metrics else self._last_answers
        arrays.save_file({f"{_NAMED}{prefix}": one for prefix, one in answers.items()}, folder / _ANSWERS)

    def restore(self, folder: Path) -> list[Evaluation]:
        """Back from `save`; returns the evaluations. KeyError or ValueError if it is malformed."""
        state = json.loads((folder / _STATE).read_text())
        self.value, self.step, self.metrics = state["value"], state["step"], state["metrics"]
        self.last_step, self.last_metrics = state["last_step"], state["last_metrics"]
        self._without_improvement = state["without_improvement"]
        weights = folder / _WEIGHTS
        self._weights = load_file(weights) if weights.exists() else None
        answers = folder / _ANSWERS
        # Checkpoints of before there were answers have none.
        found = arrays.load_file(answers) if answers.exists() else {}
        self._last_answers = {name.removeprefix(_NAMED): one for name, one in found.items()}
        self.answers = self._last_answers if self.metrics else {}
        return [Evaluation.model_validate(evaluation) for evaluation in state["history"]]
