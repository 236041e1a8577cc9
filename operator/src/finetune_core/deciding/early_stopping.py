"""Whether a trial that lags behind others is stopped before its last step; pure.

Time is a trial's progress, the share of its own steps. Others are trials that run here or have ended anywhere, so it
makes no difference which driver asks, or when it was started. docs/decisions/0015 says why this is no library's.
"""

import math
import statistics
from collections.abc import Iterable, Sequence

from finetune_core.api.search import Asha, TrialScheduler
from finetune_core.results.search.trial import TrialReport

_WORST = -1e30
_LOSS_SHARE = 1e-7
"""Less than what one example more or less changes in any metric of a dev set."""

_MIN_OTHERS = 3
"""Median stopping judges by this many other trials at least."""

_ROUNDING = 1e-9
"""0.1 * 3 is more than 3 / 10 for a computer; a rung at 0.3 is reached at step 3 of 10."""

Curve = list[tuple[float, float]]
"""A trial's evaluations: (progress, score), in the order of its steps."""


def score(report: TrialReport, metric: str, *, greater_is_better: bool) -> float:
    """What trials are compared by: more is better; a value that is not finite is worse than any that is.

    Trials that have learned nothing yet all stand at the majority class: of equal trials the one with the lower loss is
    the better one.
    """
    value = report.metrics.get(metric)
    if value is None:
        return _WORST
    loss = report.metrics.get("loss")
    share = _LOSS_SHARE if loss is None else _LOSS_SHARE * loss / (1.0 + loss)
    return (value if greater_is_better else -value) - share


def lags(
    scheduler: TrialScheduler,
    asha: Asha,
    history: Sequence[TrialReport],
    others: Iterable[Sequence[TrialReport]],
    *,
    metric: str,
    greater_is_better: bool,
) -> bool:
    """Whether the trial with this history, whose last report is new, is to be stopped; at its last step it is not."""
    if scheduler == TrialScheduler.FIFO or history[-1].progress >= 1:
        return False

    def curve(reports: Sequence[TrialReport]) -> Curve:
        return [(report.progress, score(report, metric, greater_is_better=greater_is_better)) for report in reports]

    own, curves = curve(history), (curve(reports) for reports in others if reports)
    if scheduler == TrialScheduler.ASHA:
        return _below_rung(own, curves, asha)
    return _below_median(own, curves, asha.grace_period)


def _below_rung(own: Curve, others: Iterable[Curve], asha: Asha) -> bool:
    """Asynchronous successive halving (https://arxiv.org/abs/1810.05934), one bracket.

    A trial is judged once a rung, by its first evaluation there: it goes on if it is not below the best
    1/reductionFactor of those that were there before.
    """
    rung = _rung(own[-1][0], asha)
    if rung < 0 or any(_rung(progress, asha) == rung for progress, _ in own[:-1]):
        return False
    first = [next((score for progress, score in curve if _rung(progress, asha) == rung), None) for curve in others]
    there = [score for score in first if score is not None]
    return bool(there) and own[-1][1] < _quantile(there, 1 - 1 / asha.reduction_factor)


def _rung(progress: float, asha: Asha) -> int:
    """The highest rung that a trial has reached: rung k is at gracePeriod * reductionFactor^k; below 0 before any."""
    return math.floor(math.log(max(progress, _ROUNDING) / asha.grace_period, asha.reduction_factor) + _ROUNDING)


def _quantile(values: Sequence[float], share: float) -> float:
    """Between the two neighbours where it falls between two; of equal values exactly these (`statistics` rounds)."""
    ordered = sorted(values)
    place, part = divmod(share * (len(ordered) - 1), 1)
    low, high = ordered[int(place)], ordered[min(int(place) + 1, len(ordered) - 1)]
    return low + (high - low) * part


def _below_median(own: Curve, others: Iterable[Curve], grace: float) -> bool:
    """Whether the trial's best is below the median of the others' means so far, from `grace` to where it stands."""
    now = own[-1][0]
    if now + _ROUNDING < grace:
        return False
    means = []
    for curve in others:
        scores = [score for progress, score in curve if grace <= progress + _ROUNDING and progress <= now + _ROUNDING]
        if scores and curve[-1][0] + _ROUNDING >= now:
            # Rounded, the mean of equal scores may be above each of them.
            means.append(min(statistics.fmean(scores), max(scores)))
    return len(means) >= _MIN_OTHERS and max(score for _, score in own) < statistics.median(means)
