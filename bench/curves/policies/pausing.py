"""Rungs with pausing: a trial that is not among the best waits, and goes on from its state if it later is.

Successive halving (https://arxiv.org/abs/1502.07943) looks at a rung when all trials are there; asynchronous
successive halving in its form that promotes (https://arxiv.org/abs/1810.05934, algorithm 2) when any one is.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from curves.search import Policy, Score, Search


@dataclass(frozen=True)
class Rungs:
    """`at` are shares of a trial's steps, rising; of those at a rung the best 1/`factor` go on, at least `least`."""

    at: tuple[float, ...]
    factor: int
    score: Score
    least: int = 1

    def going_on(self, count: int) -> int:
        """How many of so many trials go on."""
        return max(self.least, math.floor(count / self.factor))


def halving(rungs: Rungs, *, part: float = 1.0) -> Policy:
    """Successive halving of the first trials, such a part of all; the others are never begun."""

    def policy(search: Search) -> int | None:
        going: Sequence[int] = search.trials[: math.ceil(part * len(search.trials))]
        for rung in rungs.at:
            if (late := _behind(search, going, rung)) is not None:
                return late
            going = _ahead(search, going, rung, rungs)
        return _behind(search, going, 1.0)

    return policy


def promoting(rungs: Rungs) -> Policy:
    """Asynchronous successive halving that promotes: the highest rung with a trial to promote, else a new trial."""

    def policy(search: Search) -> int | None:
        between = (trial for trial in search.trials if search.seen[trial] and not _waits(search, trial, rungs.at))
        if (trial := next(between, None)) is not None:
            return trial
        for rung in reversed(rungs.at):
            there = [trial for trial in search.trials if search.seen[trial] >= search.count_at(trial, rung)]
            if len(there) < rungs.factor:
                continue
            best = _ahead(search, there, rung, rungs)
            waiting = [trial for trial in best if search.seen[trial] == search.count_at(trial, rung)]
            if open_ := [trial for trial in waiting if not search.ended(trial)]:
                return open_[0]
        new = next((trial for trial in search.trials if not search.seen[trial]), None)
        if new is not None or any(search.progress(trial) >= 1 for trial in search.trials):
            return new
        return search.best()

    return policy


def _behind(search: Search, trials: Sequence[int], rung: float) -> int | None:
    """The first that is not at the rung yet."""
    return next((trial for trial in trials if search.seen[trial] < search.count_at(trial, rung)), None)


def _ahead(search: Search, trials: Sequence[int], rung: float, rungs: Rungs) -> list[int]:
    """The best of trials by what was seen of each when it came to the rung, best first."""
    then = Search(search.curves, list(search.seen))
    for trial in trials:
        then.seen[trial] = search.count_at(trial, rung)
    ordered = sorted(trials, key=lambda trial: (-rungs.score(then, trial), trial))
    return ordered[: rungs.going_on(len(trials))]


def _waits(search: Search, trial: int, at: Sequence[float]) -> bool:
    """Whether it is at its end, or exactly at a rung."""
    return search.ended(trial) or any(search.seen[trial] == search.count_at(trial, rung) for rung in at)
