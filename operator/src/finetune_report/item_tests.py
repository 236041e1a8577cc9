"""scipy's tests over the rows of a dev set, and the metrics that are resampled. Importing this takes a second.

The metrics are those of `finetune_trainer.run.metrics`, which are scikit-learn's: here of many resampled dev sets at
once, which scikit-learn does not do: 2,000 resamples of ten models are 20,000 calls of it.
"""

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import numpy as np
import numpy.typing as npt
from scipy import stats

from finetune_core.results.item_comparison import Interval, Items
from finetune_core.results.significance import LEVEL
from finetune_core.tasks.metrics import REGRESSION_METRICS

RESAMPLES = 2000
_SEED = 0
"""The same two experiments give the same interval."""
_CELLS = 1 << 21
"""Rows times resamples that are in memory at a time, of each model."""

Array = npt.NDArray[np.floating]
Metric = Callable[[Array, Array], Array]
"""(..., rows) labels and predictions -> (...) values; labels are numbered from 0, that of F1 is 1."""


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
    measure = MEASURES[metric]
    labels, *models = _numbers(metric, items)
    split = len(items.before)

    def sides(truth: Array, *guesses: Array) -> tuple[Array, Array]:
        values = [measure(truth, guess) for guess in guesses]
        return np.mean(values[:split], axis=0), np.mean(values[split:], axis=0)

    def difference(*columns: Array, axis: int = -1) -> Array:
        before, after = sides(*columns)
        return after - before

    with np.errstate(invalid="ignore", divide="ignore"), warnings.catch_warnings():
        # Of one row, or of rows that all say the same, there is nothing to resample.
        warnings.simplefilter("ignore", stats.DegenerateDataWarning)
        before, after = (float(value) for value in sides(labels, *models))
        low, high = (math.nan, math.nan)
        if len(labels) > 1:
            made = stats.bootstrap(
                (labels, *models),
                difference,
                n_resamples=RESAMPLES,
                batch=max(1, _CELLS // len(labels)),
                vectorized=True,
                paired=True,
                axis=-1,
                confidence_level=LEVEL,
                method="percentile",
                rng=np.random.default_rng(_SEED),
            )
            low, high = (float(value) for value in made.confidence_interval)
    return Interval(before, after, low, high)


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
