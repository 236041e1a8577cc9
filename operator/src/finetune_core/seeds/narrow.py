"""When a task has seeds enough: a sequential rule for an interval of a given half-width.

    min seeds ──> their interval is narrow? ── yes ──> stop
                        │ no
                        ▼
    as many as its spread asks for, at most twice as many as there are, at most max ──> ask again

A rule that stops as soon as an interval is narrow stops too often where the few seeds that there are happen to lie
close together, so that 95 % intervals hold the mean less often than they say; those of a few skewed values do so
anyway. Two things repair that. The interval that has to be narrow is at `STRICT`, not at 95 %. And what is promised of
a task at 95 % is never narrower than that interval: its mean ± the half-width that was asked for, where it stopped for
that. (Chow and Robbins, On the asymptotic theory of fixed-width sequential confidence intervals for the mean, 1965,
https://doi.org/10.1214/aoms/1177700156; by how much small samples stop too soon is in bench/RESULTS.md.) The spread of
normal values tells nothing of where their mean is, so the rule does not bias the mean.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

from finetune_core.api import RunsUntil
from finetune_core.results.aggregate import deviation
from finetune_core.results.intervals import t_quantile
from finetune_core.seeds.enough import Enough

STRICT = 0.98
"""Level of the interval that has to be narrow."""


@dataclass(frozen=True)
class SeedsVerdict:
    """What follows from a task's runs, all of which have ended: `runs` is how many there are to be.

    `half` is the half-width that can be promised of the mean, at 95 %, in the unit of the values; None where too little
    is known of their spread.
    """

    enough: Enough
    runs: int
    half: float | None


def judge(values: Sequence[float], ended: int, until: RunsUntil) -> SeedsVerdict:
    """The verdict on a task by the finite values (in the unit of tables) of its `ended` runs; the others only count."""
    std, n = deviation(values), len(values)
    if n < 2 or std is None:
        return SeedsVerdict(Enough.TOO_FEW_VALUES, ended, None)
    half = _strict(n, std) if _tells_spread(values) else None
    if half is not None and half <= until.half_width:
        return SeedsVerdict(Enough.NARROW, ended, until.half_width)
    if ended >= until.most:
        return SeedsVerdict(Enough.AT_MOST, ended, half)
    more = 2 * n if half is None else _next(n, std, until.half_width)
    return SeedsVerdict(Enough.GOES_ON, min(until.most, ended - n + more), half)


def _tells_spread(values: Sequence[float]) -> bool:
    """Not if more than half of them are the same: of models that always give one label the others are too few."""
    (_, most), *_ = Counter(values).most_common(1)
    return 2 * most <= len(values)


def _next(n: int, std: float, half: float) -> int:
    """The first number of values that would be narrow with this spread; more than there are, at most twice as many."""
    more = range(n + 1, 2 * n)
    return next((m for m in more if _strict(m, std) <= half), 2 * n)


def _strict(n: int, std: float) -> float:
    return t_quantile(n - 1, STRICT) * std / sqrt(n)
