"""scipy's tests over the rows of a dev set, and the metrics that are resampled. Importing this takes a second.

The metrics are those of `finetune_trainer.measure.metrics`, which are scikit-learn's: here of many resampled dev sets
at once, which scikit-learn does not do: 2,000 resamples of ten models are 20,000 calls of it.
"""

import json
import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import numpy as np
import numpy.typing as npt
from scipy import stats

from finetune_core.results.comparison.items import Interval, Items
from finetune_core.results.comparison.significance import LEVEL
from finetune_core.tasks.metrics import REGRESSION_METRICS

RESAMPLES = 2000
_SEED = 0
"""The same two experiments give the same interval."""
_CELLS = 1 << 21
"""Rows times resamples that are in memory at a time, of each model."""

Array = npt.NDArray[np.floating]
Rows = npt.NDArray[np.integer]
"""(..., rows) places of rows: a resample has some of them twice."""
Metric = Callable[[Array, Array], Array]
"""(..., rows) labels and predictions -> (...) values; labels are numbered from 0, that of F1 is 1."""
SetMetric = Callable[[Array, Array, Array], Array]
"""(..., rows) how often each row counts; (rows, labels) a 0 or 1 for each label, and as predicted -> (...) values."""


def mcnemar(only_before: int, only_after: int) -> float:
    """See `ItemTests`: the binomial test of the rows on which one model alone is right; 1 where there are none.

    McNemar 1947, https://doi.org/10.1007/BF02295996.
    """
    differing = only_before + only_after
    return float(stats.binomtest(only_before, differing, 0.5).pvalue) if differing else 1.0


def bootstrap(metric: str, items: Items) -> Interval:
    """See `ItemTests`: the percentile interval of `scipy.stats.bootstrap`, rows resampled together for all models.

    Efron and Tibshirani 1993, An Introduction to the Bootstrap, chapter 13. NaN where the metric of some resample has
    no value.
    """
    measured = _measured(metric, items)
    split, rows = len(items.before), np.arange(len(items.labels))

    def sides(drawn: Rows) -> tuple[Array, Array]:
        values = measured(drawn)
        return np.mean(values[:split], axis=0), np.mean(values[split:], axis=0)

    def difference(drawn: Rows, axis: int = -1) -> Array:
        before, after = sides(drawn)
        return after - before

    with np.errstate(invalid="ignore", divide="ignore"), warnings.catch_warnings():
        # Of one row, or of rows that all say the same, there is nothing to resample.
        warnings.simplefilter("ignore", stats.DegenerateDataWarning)
        before, after = (float(value) for value in sides(rows))
        low, high = (math.nan, math.nan)
        if len(rows) > 1:
            made = stats.bootstrap(
                (rows,),
                difference,
                n_resamples=RESAMPLES,
                batch=max(1, _CELLS // len(rows)),
                vectorized=True,
                axis=-1,
                confidence_level=LEVEL,
                method="percentile",
                rng=np.random.default_rng(_SEED),
            )
            low, high = (float(value) for value in made.confidence_interval)
    return Interval(before, after, low, high)


def _measured(metric: str, items: Items) -> Callable[[Rows], list[Array]]:
    """What the metric of each model is over rows that were drawn."""
    if not items.names:
        truth, *guesses = _numbers(metric, items)
        return lambda drawn: [MEASURES[metric](truth[drawn], guess[drawn]) for guess in guesses]
    marks, *given = (_marks(column, items.names) for column in (items.labels, *items.before, *items.after))
    return lambda drawn: [SET_MEASURES[metric](_times(drawn), marks, guess) for guess in given]


def _marks(column: Sequence[str], names: Sequence[str]) -> Array:
    """Which of the labels each row has: (rows, labels), 0 or 1."""
    sets = [set(json.loads(one)) for one in column]
    return np.array([[name in one for name in names] for one in sets], float)


def _times(drawn: Rows) -> Array:
    """How often each row was drawn: so a resample is a product of matrices, however many labels there are."""
    count = drawn.shape[-1]
    first = np.arange(math.prod(drawn.shape[:-1])).reshape(*drawn.shape[:-1], 1) * count
    times: Array = np.bincount((first + drawn).ravel(), minlength=drawn.size).reshape(drawn.shape).astype(float)
    return times


def _numbers(metric: str, items: Items) -> list[Array]:
    columns: Sequence[Sequence[str]] = (items.labels, *items.before, *items.after)
    if metric in REGRESSION_METRICS:
        return [np.array([float(one) for one in column]) for column in columns]
    names = sorted({name for column in columns for name in column} - {items.positive})
    # The positive one is 1, whatever others there are.
    places = {name: place if place < 1 else place + 1 for place, name in enumerate(names)}
    if items.positive is None:
        places = {name: place for place, name in enumerate(names)}
    else:
        places[items.positive] = 1
    return [np.array([places[one] for one in column], np.float32) for column in columns]


def _share(part: Array, whole: Array) -> Array:
    """0 where there is nothing to take a share of, as scikit-learn has it here."""
    share: Array = np.divide(part, whole, out=np.zeros_like(np.asarray(whole, float)), where=np.asarray(whole) != 0)
    return share


def _count(chosen: npt.NDArray[np.bool_]) -> Array:
    count: Array = chosen.sum(axis=-1).astype(float)
    return count


def _f1(truth: Array, guess: Array) -> Array:
    return _share(2 * _count((truth == 1) & (guess == 1)), _count(truth == 1) + _count(guess == 1))


def _by_class(truth: Array, guess: Array) -> tuple[Array, Array, Array]:
    """How many rows each class has, is predicted for, and is rightly: (..., classes) each."""
    classes = int(max(truth.max(), guess.max())) + 1
    first = np.arange(math.prod(truth.shape[:-1])).reshape(*truth.shape[:-1], 1) * classes

    def counted(labels: Array, weights: npt.NDArray[np.bool_] | None = None) -> Array:
        places = (first + labels.astype(np.int64)).ravel()
        made = np.bincount(places, None if weights is None else weights.ravel(), first.size * classes)
        return made.astype(float).reshape(*truth.shape[:-1], classes)

    return counted(truth), counted(guess), counted(truth, truth == guess)


def _f1_macro(truth: Array, guess: Array) -> Array:
    of_truth, of_guess, right = _by_class(truth, guess)
    whole = of_truth + of_guess
    # The mean is over the classes that the sample has.
    return np.asarray(_share(2 * right, whole).sum(axis=-1) / (whole > 0).sum(axis=-1))


def _matthews(truth: Array, guess: Array) -> Array:
    """Of any number of classes: Gorodkin 2004, https://doi.org/10.1016/j.compbiolchem.2004.09.006."""
    rows = truth.shape[-1]
    of_truth, of_guess, right = _by_class(truth, guess)
    covariance = right.sum(axis=-1) * rows - (of_truth * of_guess).sum(axis=-1)
    spread = (rows**2 - (of_truth**2).sum(axis=-1)) * (rows**2 - (of_guess**2).sum(axis=-1))
    return _share(covariance, np.sqrt(spread))


def _pearson(truth: Array, guess: Array) -> Array:
    a, b = (values - values.mean(axis=-1, keepdims=True) for values in (truth, guess))
    return np.asarray((a * b).sum(axis=-1) / np.sqrt((a * a).sum(axis=-1) * (b * b).sum(axis=-1)))


def _spearman(truth: Array, guess: Array) -> Array:
    return _pearson(stats.rankdata(truth, axis=-1), stats.rankdata(guess, axis=-1))


MEASURES: Mapping[str, Metric] = MappingProxyType(
    {
        "accuracy": lambda truth, guess: (truth == guess).mean(axis=-1),
        "f1": _f1,
        "f1_macro": _f1_macro,
        "matthews_correlation": _matthews,
        "precision": lambda truth, guess: _share(_count((truth == 1) & (guess == 1)), _count(guess == 1)),
        "recall": lambda truth, guess: _share(_count((truth == 1) & (guess == 1)), _count(truth == 1)),
        "pearson": _pearson,
        "spearmanr": _spearman,
        "mse": lambda truth, guess: ((truth - guess) ** 2).mean(axis=-1),
        "mae": lambda truth, guess: np.abs(truth - guess).mean(axis=-1),
        "rmse": lambda truth, guess: np.sqrt(((truth - guess) ** 2).mean(axis=-1)),
    }
)


def _set_f1_micro(times: Array, truth: Array, guess: Array) -> Array:
    return _share(2 * (times @ (truth * guess)).sum(axis=-1), (times @ (truth + guess)).sum(axis=-1))


def _set_f1_macro(times: Array, truth: Array, guess: Array) -> Array:
    return np.asarray(_share(2 * (times @ (truth * guess)), times @ (truth + guess)).mean(axis=-1))


def _subset_accuracy(times: Array, truth: Array, guess: Array) -> Array:
    return np.asarray(times @ (truth == guess).all(axis=-1) / times.sum(axis=-1))


SET_MEASURES: Mapping[str, SetMetric] = MappingProxyType(
    {"f1_micro": _set_f1_micro, "f1_macro": _set_f1_macro, "subset_accuracy": _subset_accuracy}
)
