"""Metrics that a task lists beyond its kind's: scikit-learn's scorers, and functions of the user's own.

A function is imported here and nowhere else: in the process of a run, never in the operator's, the report's, a page's.
What it does wrong is the user's mistake, found by a trial before training: see `OwnMetrics.require`.
"""

import importlib
import math
import numbers
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.metrics import get_scorer

from finetune_core.tasks.metric_functions import MetricFunction, MetricInput
from finetune_core.tasks.metrics import LISTED, METRICS, ProblemType
from finetune_core.tasks.registry import TaskDefinition
from finetune_trainer.errors import UserError
from finetune_trainer.measure.predicted import Array, Predicted


class OwnMetrics:
    """The metrics of a task that `finetune_trainer.measure.metrics` does not name: these are their `names`."""

    def __init__(self, definition: TaskDefinition) -> None:
        kind = definition.problem_type
        listed = set(LISTED[kind]) - set(METRICS[kind])
        self._definition = definition
        self.names = [name for name in definition.measured if name in listed or definition.function(name)]

    def measure(self, name: str, made: Predicted) -> float:
        """The metric's value; NaN where scikit-learn has none. UserError if it fails, or gives no number."""
        own = self._definition.function(name)
        where = self._where(name)
        try:
            with warnings.catch_warnings():
                # A label that is never given has no precision: scikit-learn says so at each evaluation.
                warnings.simplefilter("ignore", UndefinedMetricWarning)
                value = _scored(name, made) if own is None else _called(own, made)
        except UserError:
            raise
        except (Exception, SystemExit) as error:
            remedy = "choose another metric, or see whether it fits the dev set" if own is None else "correct it"
            raise UserError(f"{where} fails with {type(error).__name__}: {error}: {remedy}") from error
        if isinstance(value, bool | np.bool_) or not isinstance(value, numbers.Real):
            raise UserError(f"{where} returns {type(value).__name__} and no number: have it return one")
        return float(value)

    def require(self, labels: Array) -> None:
        """UserError if one of them cannot be had for a dev set with these labels, as `measure` takes them.

        They are tried with the true labels of other rows as predictions.
        """
        made = Predicted.of(self._definition, _made_up(self._definition, labels), labels)
        for name in self.names:
            if not math.isfinite(value := self.measure(name, made)):
                raise UserError(
                    f"{self._where(name)} is {value} for made-up predictions on the dev set, and no finite number: see "
                    "whether the dev set has all labels, or choose another metric"
                )

    def _where(self, name: str) -> str:
        own = self._definition.function(name)
        return f"metric {name}" if own is None else f"metricFunctions[{name}] ({own.function})"


def _made_up(definition: TaskDefinition, labels: Array) -> Any:
    order = np.random.default_rng(0).permutation(len(labels))
    values = labels[order]
    if definition.problem_type == ProblemType.REGRESSION:
        return values.astype(np.float32)[:, None]
    if definition.problem_type == ProblemType.CLASSIFICATION:
        values = np.eye(len(definition.labels))[values.astype(np.int64)]
    noise = np.random.default_rng(1).random(values.shape)
    return (2 * values - 1 + 0.5 * noise).astype(np.float32)


class _Model(BaseEstimator):  # type: ignore[misc]
    """What scikit-learn's scorers ask: a model that has predicted already."""

    def __init__(self, made: Predicted) -> None:
        self.made = made

    def fit(self, *_: Any) -> "_Model":
        """Nothing is left to learn."""
        return self

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def predict(self, _: Any) -> Any:
        """Class ids, labels or scores."""
        return self.made.guess


class _Regressor(RegressorMixin, _Model):  # type: ignore[misc]
    pass


class _Classifier(ClassifierMixin, _Model):  # type: ignore[misc]
    @property
    def classes_(self) -> Any:
        """Of the label, or of each label."""
        count = self.made.logits.shape[1]
        return [np.arange(2)] * count if self.made.truth.ndim > 1 else np.arange(count)

    def predict_proba(self, _: Any) -> Any:
        """Rows x labels."""
        return self.made.probabilities


def _scored(name: str, made: Predicted) -> Any:
    model = (_Regressor if made.kind == ProblemType.REGRESSION else _Classifier)(made)
    return get_scorer(name)(model, np.zeros((len(made.truth), 1)), made.truth)


def _called(own: MetricFunction, made: Predicted) -> Any:
    given: Any = made.guess
    if own.input == MetricInput.PROBABILITIES:
        given = made.probabilities
        if made.kind == ProblemType.CLASSIFICATION and given.shape[1] == 2:
            given = given[:, 1]
    return _imported(own)(made.truth, given, **own.arguments)


def _imported(own: MetricFunction) -> Callable[..., Any]:
    """The function; UserError where the image does not have it."""
    module, name = own.function.rsplit("." if own.is_scikit_learns else ":", 1)
    where = f"metricFunctions[{own.name}]"
    try:
        function = getattr(importlib.import_module(module), name)
    except (Exception, SystemExit) as error:
        raise UserError(
            f"{where}: {own.function} cannot be imported ({type(error).__name__}: {error}): correct the name, or "
            "use an image that has it (spec.execution.image)"
        ) from error
    if not callable(function):
        raise UserError(f"{where}: {own.function} is no function: name one")
    found: Callable[..., Any] = function
    return found
