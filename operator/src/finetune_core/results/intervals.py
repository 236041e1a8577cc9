"""Means over runs with their 95 % confidence intervals: what page and plots draw, by one rule.

Every mean is drawn; from `FEWEST` runs on with its interval by Student's t distribution, which ends where the metric
does; the runs of fewer are drawn each. No scipy, which the page has not: the distribution function is the finite sum
for whole degrees of freedom of https://personal.math.ubc.ca/~cbm/aands/page_948.htm (26.7.3 and 26.7.4).
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from statistics import StatisticsError, fmean

from finetune_core.results.aggregate import deviation
from finetune_core.results.comparison.significance import LEVEL
from finetune_core.results.schema import ResultsDocument, TaskRow
from finetune_core.stored import finite
from finetune_core.tasks.metrics import metric_range

FEWEST = 3
"""Of two values the interval is 12.7 times as wide as they lie apart: it fills any chart, and says nothing."""

Ends = tuple[float | None, float | None]
"""The least and the greatest value that there can be; None where there is no end."""
_ENDLESS: Ends = (None, None)

_HALVINGS = 60
_NORMAL_FROM = 2000
"""With so many degrees of freedom the quantile is that of the normal distribution, to three digits."""


@dataclass(frozen=True)
class Interval:
    """Where the true mean lies, as far as it can lie there; `half` is half of its width before it is cut at an end."""

    low: float
    high: float
    half: float


@dataclass(frozen=True)
class Mean:
    """A mean of `n` values, in their unit; its interval, which fewer than `FEWEST` do not have."""

    value: float
    n: int
    interval: Interval | None

    @property
    def error(self) -> tuple[float, float] | None:
        """How far the interval goes below the mean and above it."""
        return None if self.interval is None else (self.value - self.interval.low, self.interval.high - self.value)


def mean_of(values: Sequence[float], ends: Ends = _ENDLESS) -> Mean | None:
    """Of one or more values, which lie within `ends`; None of none, or where it is beyond the range of floats."""
    try:
        mean = fmean(values)
    except (StatisticsError, OverflowError):
        return None
    half = half_width(len(values), deviation(values)) if len(values) >= FEWEST else None
    if finite(mean) is None or (half is not None and None in (finite(mean - half), finite(mean + half))):
        return None
    interval = None if half is None else Interval(within(mean - half, ends), within(mean + half, ends), half)
    return Mean(mean, len(values), interval)


def mean_score(document: ResultsDocument, task: TaskRow) -> Mean | None:
    """Of the scores (x100) of a task's runs; None where none has one."""
    return mean_of(document.scores_of(task.task), score_ends(task))


def score_ends(task: TaskRow) -> Ends:
    """The worst and the best score (x100) that there can be: correlations may be negative, and some metrics endless."""
    lows = [metric_range(row.metric)[0] for row in task.metrics]
    known = [low for low in lows if low is not None]
    return 100.0 * min(known, default=0.0) if len(known) == len(lows) else None, 100.0


def within(value: float, ends: Ends) -> float:
    """The value, or the end beyond which it lies."""
    low, high = ends
    value = value if low is None else max(value, low)
    return value if high is None else min(value, high)


def what_is_drawn(counts: Iterable[int], of: str = "mean over runs") -> str:
    """What a legend says of means over so many values each: which of them have an interval."""
    enough = {n >= FEWEST for n in counts}
    if enough == {True}:
        return f"{of}, 95 % interval"
    return f"{of}, 95 % interval from {FEWEST} runs on" if True in enough else f"{of} (no interval below {FEWEST} runs)"


def half_width(n: int, std: float | None) -> float | None:
    """Of the interval of a mean of `n` values with that sample standard deviation; None where they have none."""
    return None if std is None or n < 2 else t_quantile(n - 1) * std / math.sqrt(n)


def mean_curve(curves: Sequence[Sequence[tuple[int, float | None]]], ends: Ends = _ENDLESS) -> list[tuple[int, Mean]]:
    """(step, mean) by step, over curves of (step, value), whose values lie within `ends`.

    Where two of them, and half of them, have a value: the mean must not jump where most have ended.
    """
    by_step: dict[int, list[float]] = {}
    for step, value in (point for curve in curves for point in curve):
        if value is not None:
            by_step.setdefault(step, []).append(value)
    enough = max(2, len(curves) / 2)
    return [
        (step, mean)
        for step, values in sorted(by_step.items())
        if len(values) >= enough and (mean := mean_of(values, ends)) is not None
    ]


@cache
def t_quantile(freedom: int, level: float = LEVEL) -> float:
    """What |t| stays below with the probability `level`: at 0.95 12.706 for one degree of freedom, 4.303 for two."""
    freedom = min(freedom, _NORMAL_FROM)
    low, high = 0.0, math.pi / 2
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if _within(middle, freedom) < level else (low, middle)
    return math.sqrt(freedom) * math.tan(low)


def _within(angle: float, freedom: int) -> float:
    """Probability that |t| < sqrt(freedom) tan(angle)."""
    odd = freedom % 2
    term = math.cos(angle) if odd else 1.0
    total = 0.0 if freedom == 1 else term
    for k in range(2 + odd, freedom - 1, 2):
        term *= (k - 1) / k * math.cos(angle) ** 2
        total += term
    return 2 / math.pi * (angle + math.sin(angle) * total) if odd else math.sin(angle) * total
