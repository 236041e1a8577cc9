"""A search in the middle of its trials, as a policy sees it: recorded curves, of which it knows the beginning."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from curves.recorded import Curve

_ROUNDING = 1e-9


@dataclass
class Search:
    """Trials by their index, and of each how many evaluations were seen; `steps` is what was trained for them.

    `again` is what would be trained a second time if a paused trial kept no state and began anew.
    """

    curves: Sequence[Curve]
    seen: list[int]
    steps: int = 0
    again: int = 0
    last: int | None = None

    @classmethod
    def of(cls, curves: Sequence[Curve]) -> "Search":
        """One that has not begun."""
        return cls(curves, [0] * len(curves))

    @property
    def trials(self) -> range:
        """Their indexes."""
        return range(len(self.curves))

    @cached_property
    def all_steps(self) -> int:
        """What all trials take to their ends."""
        return sum(curve.rows[-1][0] for curve in self.curves)

    def go_on(self, trial: int) -> None:
        """Train a trial to its next evaluation, from its beginning or from where it was paused."""
        curve, seen = self.curves[trial], self.seen[trial]
        done = curve.rows[seen - 1][0] if seen else 0
        self.steps += curve.rows[seen][0] - done
        self.again += done if trial != self.last else 0
        self.last = trial
        self.seen[trial] += 1

    def ended(self, trial: int) -> bool:
        """Whether nothing of it is left, be it at its end or because it diverged."""
        return self.seen[trial] == len(self.curves[trial].rows)

    def config(self, trial: int) -> dict[str, Any]:
        """Its hyperparameters."""
        return self.curves[trial].config

    def progress(self, trial: int) -> float:
        """The share of its steps that it has done, 0 to 1."""
        seen = self.seen[trial]
        return self.curves[trial].progress[seen - 1] if seen else 0.0

    def count_at(self, trial: int, progress: float) -> int:
        """How many evaluations it has when it first has this progress; a diverged one has all of its by then."""
        curve = self.curves[trial]
        places = (number for number, one in enumerate(curve.progress, 1) if one + _ROUNDING >= progress)
        return next(places, len(curve.rows))

    def best(self) -> int:
        """The trial that would be exported now: the best evaluation seen; of equal ones the earlier trial."""
        return max(self.trials, key=lambda trial: (value(self, trial), -trial))


Score = Callable[[Search, int], float]
"""What a policy compares trials by, from what it has seen of them: more is better."""

Policy = Callable[[Search], int | None]
"""Which trial goes on to its next evaluation; None ends the search. It keeps no memory beside what was seen."""


def value(search: Search, trial: int) -> float:
    """The best metric seen; below all others where there is none."""
    seen = search.seen[trial]
    return search.curves[trial].best_values[seen - 1] if seen else float("-inf")


def value_then_loss(search: Search, trial: int) -> float:
    """The best metric seen; of equal ones, as at the majority class, the lower loss is ahead."""
    return value(search, trial) + 1e-7 * loss(search, trial)


def loss(search: Search, trial: int) -> float:
    """The lowest dev loss seen, negative; a diverged trial is worse than all others."""
    curve, seen = search.curves[trial], search.seen[trial]
    if not seen or (curve.diverged and seen == len(curve.rows)):
        return -1e6
    return -curve.best_losses[seen - 1]


def loss_until(progress: float) -> Score:
    """The loss of trials before this progress, when most still stand at the majority class; then the metric."""

    def score(search: Search, trial: int) -> float:
        early = search.progress(trial) + _ROUNDING < progress
        return loss(search, trial) if early else value_then_loss(search, trial)

    return score
