"""Metrics by scikit-learn and scipy, under the names of `finetune_core.tasks.metrics`.

What has no value (a correlation with a constant) is NaN, and NaN never wins; F1 and its kin are 0 where nothing is
predicted, as scikit-learn has it.
"""

import math
from collections.abc import Callable

import numpy as np
from scipy import stats
from sklearn import metrics as sk

from finetune_core.tasks.metrics import ProblemType
from finetune_core.tasks.registry import TaskDefinition
from finetune_trainer.measure.own_metrics import OwnMetrics
from finetune_trainer.measure.predicted import Array, Logits, Predicted

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


_MULTI_LABEL: dict[str, Metric] = {
    "f1_micro": lambda truth, guess: float(sk.f1_score(truth, guess, average="micro", zero_division=0)),
    "f1_macro": lambda truth, guess: float(sk.f1_score(truth, guess, average="macro", zero_division=0)),
    "subset_accuracy": lambda truth, guess: float(sk.accuracy_score(truth, guess)),
}


def measure(definition: TaskDefinition, logits: Logits, labels: Array) -> dict[str, float]:
    """All metrics that the task measures on one dev set.

    `logits` is (rows, outputs), the outputs in the order of the task's labels; `labels` is (rows,), or (rows, outputs)
    where a text can have several. UserError if a function of the user's own fails.
    """
    made = Predicted.of(definition, logits, labels)
    known, loss = _known(definition.problem_type, made)
    own = OwnMetrics(definition)
    return {
        **{name: known[name](made.truth, made.guess) for name in definition.measured if name in known},
        **{name: own.measure(name, made) for name in own.names},
        "loss": loss,
    }


def _known(kind: ProblemType, made: Predicted) -> tuple[dict[str, Metric], float]:
    """The metrics that are named in this module, and the loss."""
    if kind == ProblemType.REGRESSION:
        return _REGRESSION, float(np.mean((made.truth - made.guess) ** 2))
    if kind == ProblemType.CLASSIFICATION:
        return _CLASSIFICATION, _cross_entropy(made.logits, made.truth)
    return {**_MULTI_LABEL, "average_precision": lambda *_: _mean_average_precision(made)}, _binary_cross_entropy(made)


def _mean_average_precision(made: Predicted) -> float:
    """Mean over the labels; a label that no row has counts 0, as in scikit-learn, and the run warns of it."""
    found = np.flatnonzero(made.truth.sum(axis=0))
    if not len(found):
        return 0.0
    precisions = sk.average_precision_score(made.truth[:, found], made.logits[:, found], average=None)
    return float(np.sum(precisions) / made.truth.shape[1])


def _binary_cross_entropy(made: Predicted) -> float:
    wide = made.logits.astype(np.float64)
    return float(np.mean(np.logaddexp(0, wide) - wide * made.truth))


def _cross_entropy(logits: Logits, truth: Array) -> float:
    wide = logits.astype(np.float64)
    wide = wide - wide.max(axis=1, keepdims=True)
    log_sum = np.log(np.exp(wide).sum(axis=1))
    return float(np.mean(log_sum - wide[np.arange(len(truth)), truth.astype(np.int64)]))
