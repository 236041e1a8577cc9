"""Whether two sets of runs differ by more than their seeds make them: paired or Welch's t test, Holm over tests.

The t test itself is scipy's, which the core does not import: it comes in as a function.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from statistics import fmean
from typing import Protocol

from finetune_core.stored import finite

LEVEL = 0.95
"""Of confidence intervals."""
ALPHA = 0.05
"""A test is significant where its p, by Holm, is less."""

_ROUNDING = 1e-12
"""Relative: what floats make of values that were written with fewer digits."""


class Kind(StrEnum):
    """Which t test."""

    PAIRED = "paired"
    WELCH = "Welch"


@dataclass(frozen=True)
class Estimate:
    """What a t test says of mean(after) - mean(before): two-sided p, confidence interval at LEVEL."""

    t: float
    df: float
    p: float
    low: float
    high: float


class TTest(Protocol):
    """A t test of two samples of at least two values each; paired ones are of one length, pair by pair."""

    def __call__(self, before: Sequence[float], after: Sequence[float], kind: Kind) -> Estimate:
        """The estimate of the difference of means."""


@dataclass(frozen=True)
class Samples:
    """The values that are tested, in an order that does not depend on that of the runs."""

    kind: Kind
    before: tuple[float, ...]
    after: tuple[float, ...]

    @property
    def enough(self) -> bool:
        """Whether there are two values on either side: of one there is no spread."""
        return min(len(self.before), len(self.after)) > 1

    @property
    def difference(self) -> float | None:
        """mean(after) - mean(before); None where one side has no value."""
        if not self.before or not self.after:
            return None
        if self.kind == Kind.PAIRED:
            return finite(fmean(self._differences()))
        return finite(fmean(self.after) - fmean(self.before))

    def estimate(self, t_test: TTest) -> Estimate | None:
        """The test's estimate; None where it cannot say anything: too few values, or values without any spread.

        Where nothing differs at all, p is 1 without asking the test.
        """
        difference = self.difference
        if difference is None or not self.enough:
            return None
        tolerance = _ROUNDING * max(map(abs, (*self.before, *self.after)))
        spread = (self._differences(),) if self.kind == Kind.PAIRED else (self.before, self.after)
        if all(max(values) - min(values) <= tolerance for values in spread):
            return Estimate(t=0.0, df=0.0, p=1.0, low=0.0, high=0.0) if abs(difference) <= tolerance else None
        made = t_test(self.before, self.after, self.kind)
        return made if all(finite(value) is not None for value in (made.p, made.low, made.high)) else None

    def _differences(self) -> list[float]:
        return [after - before for before, after in zip(self.before, self.after, strict=True)]


@dataclass(frozen=True)
class Seeded:
    """A run's seed and its value as measured; None where it has none that is finite."""

    seed: int
    value: float | None


def samples(before: Sequence[Seeded], after: Sequence[Seeded]) -> Samples:
    """What can be tested of two experiments' runs of a task, those that failed or have not ended included.

    Paired where one planned no seed that the other did not: then by seed, over the seeds that have a value in both.
    This is by the plans alone, so that no value decides by which test it is judged.
    """
    seeds, others = [one.seed for one in before], [one.seed for one in after]
    unique = len({*seeds}) == len(seeds) and len({*others}) == len(others)
    if unique and seeds and others and ({*seeds} <= {*others} or {*others} <= {*seeds}):
        first, second = _by_seed(before), _by_seed(after)
        common = sorted(first.keys() & second.keys())
        return Samples(Kind.PAIRED, tuple(first[seed] for seed in common), tuple(second[seed] for seed in common))
    return Samples(Kind.WELCH, _sorted(before), _sorted(after))


def holm(values: Mapping[str, float]) -> dict[str, float]:
    """p values of a family of tests, each adjusted so that the chance of any false alarm in all is what one's was.

    Holm, A simple sequentially rejective multiple test procedure, 1979 (https://www.jstor.org/stable/4615733).
    """
    adjusted, least = {}, 0.0
    for index, (name, p) in enumerate(sorted(values.items(), key=lambda pair: (pair[1], pair[0]))):
        least = max(least, min(1.0, (len(values) - index) * p))
        adjusted[name] = least
    return adjusted


def _by_seed(runs: Sequence[Seeded]) -> dict[int, float]:
    return {one.seed: one.value for one in runs if one.value is not None}


def _sorted(runs: Sequence[Seeded]) -> tuple[float, ...]:
    return tuple(sorted(one.value for one in runs if one.value is not None))
