"""Searches replayed over recorded curves: the same draws of trials for every policy, compared pair by pair."""

import math
import random
import statistics
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from curves.recorded import Curve
from curves.search import Policy, Search, value


@dataclass(frozen=True)
class Outcome:
    """What a replayed search came to.

    `value` is the best evaluation seen (a share), which is what a search exports; `fresh` that of the exported
    configuration over its whole curve with other seeds, None without any; `steps` the share of all trials' steps, and
    `again` what comes on top where a paused trial keeps no state.
    """

    value: float
    fresh: float | None
    steps: float
    again: float


@dataclass(frozen=True)
class Draw:
    """Trials of one search, in the order in which it begins them."""

    setting: str
    curves: tuple[Curve, ...]


@dataclass(frozen=True)
class Interval:
    """A mean with its 95 % interval (normal approximation)."""

    mean: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Interval":
        """Of at least two values."""
        mean, half = statistics.fmean(values), 1.96 * statistics.stdev(values) / math.sqrt(len(values))
        return cls(mean, mean - half, mean + half)


class Pool:
    """All recorded curves, by setting, seed and configuration."""

    def __init__(self, curves: Iterable[Curve]) -> None:
        self._curves: dict[str, dict[int, dict[tuple[str, int], Curve]]] = defaultdict(lambda: defaultdict(dict))
        for curve in curves:
            if curve.rows:
                self._curves[curve.pool][curve.seed][curve.configuration] = curve

    def __len__(self) -> int:
        return sum(len(found) for seeds in self._curves.values() for found in seeds.values())

    @property
    def settings(self) -> list[str]:
        """Their names."""
        return sorted(self._curves)

    def curves(self, setting: str, seed: int = 0) -> list[Curve]:
        """The curves of a setting with a seed, by configuration."""
        return [curve for _, curve in sorted(self._curves[setting][seed].items())]

    def seeds(self, setting: str) -> list[int]:
        """The seeds that a setting has enough curves of to draw from: as many as of its first one."""
        found = self._curves[setting]
        return [seed for seed in sorted(found) if len(found[seed]) == len(found[0])]

    def fresh(self, curve: Curve) -> float | None:
        """The value of a configuration with other seeds, at the best of each whole curve: their mean."""
        others = [
            by_configuration[curve.configuration].best_values[-1]
            for seed, by_configuration in self._curves[curve.pool].items()
            if seed != curve.seed and curve.configuration in by_configuration
        ]
        return statistics.fmean(others) if others else None

    def draws(self, setting: str, count: int, *, trials: int, seed: int) -> Iterator[Draw]:
        """`count` searches of random configurations, with the seeds in turn.

        Each has `trials` of them, but at most three fifths of the pool: the others are what an earlier search had.
        """
        chance, seeds = random.Random(f"{setting} {seed}"), self.seeds(setting)
        for number in range(count):
            curves = self.curves(setting, seeds[number % len(seeds)])
            yield Draw(setting, tuple(chance.sample(curves, min(trials, 3 * len(curves) // 5))))


def replay(policy: Policy, draw: Draw, pool: Pool) -> Outcome:
    """One search by the policy, to its end."""
    search = Search.of(draw.curves)
    while (trial := policy(search)) is not None:
        search.go_on(trial)
    best = search.best()
    return Outcome(
        value=value(search, best),
        fresh=pool.fresh(draw.curves[best]),
        steps=search.steps / search.all_steps,
        again=search.again / search.all_steps,
    )
