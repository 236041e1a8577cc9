"""Metrics by scikit-learn and scipy, under the names of `finetune_core.tasks.metrics`.

What has no value (a correlation with a constant) is NaN, and NaN never wins; F1 and its kin are 0 where nothing is
predicted, as scikit-learn has it.
"""

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from scipy import stats
from sklearn import metrics as sk

from finetune_core.tasks.registry import ProblemType, TaskDefinition

Array = npt.NDArray[np.floating | np.integer]
Metric = Callable[[Array, Array], float]

_CLASSIFICATION: dict[str, Metric] = {
    "accuracy": lambda truth, guess: float(sk.accuracy_score(truth, guess)),
    "f1": lambda truth, guess: float(sk.f1_score(truth, guess, zero_division=0)),
    "f1_macro": lambda truth, guess: float(sk.f1_score(truth, guess, average="macro", zero_division=0)),
    "matthews_correlation": lambda truth, guess: float(sk.matthews_corrcoef(truth, guess)),
    "precision": lambda truth, guess: float(sk.precision_score(truth, guess, zero_division=0)),
    "recall": lambda truth, guess: float(sk.recall_score(truth, guess, zero_division=0)),
}


def _correlation(function: Callable[[Array, Array], tuple[float, float]]) -> Metric:
    def metric(truth: Array, guess: Array) -> float:
        constant = len(truth) < 2 or np.ptp(truth) == 0 or np.ptp(guess) == 0 or not np.isfinite(guess).all()
        return math.nan if constant else float(function(truth, guess)[0])

    return metric


_REGRESSION: dict[str, Metric] = {
    "pearson": _correlation(stats.pearsonr),
    "spearmanr": _correlation(stats.spearmanr),
    "mse": lambda truth, guess: float(np.mean((truth - guess) ** 2)),
    "mae": lambda truth, guess: float(np.mean(np.abs(truth - guess))),
    "rmse": lambda truth, guess: float(np.sqrt(np.mean((truth - guess) ** 2))),
}


def measure(definition: TaskDefinition, logits: npt.NDArray[np.float32], labels: Array) -> dict[str, float]:
    """All metrics that the task measures on one dev set; `logits` is (rows, outputs), `labels` (rows,)."""
    if definition.problem_type == ProblemType.REGRESSION:
        guess: Array = logits[:, 0].astype(np.float64)
        truth: Array = labels.astype(np.float64)
        known, loss = _REGRESSION, float(np.mean((truth - guess) ** 2))
    else:
        guess, truth = logits.argmax(axis=1), labels.astype(np.int64)
        known, loss = _CLASSIFICATION, _cross_entropy(logits, truth)
    names = [name for name in definition.measured if name in known]
    return {**{name: known[name](truth, guess) for name in names}, "loss": loss}


def _cross_entropy(logits: npt.NDArray[np.float32], truth: Array) -> float:
    wide = logits.astype(np.float64)
    wide = wide - wide.max(axis=1, keepdims=True)
    log_sum = np.log(np.exp(wide).sum(axis=1))
    return float(np.mean(log_sum - wide[np.arange(len(truth)), truth.astype(np.int64)]))
