"""How long a run still takes: steps and evaluations by their own means. Pure: times come from outside.

One pace over both would jump at the first evaluation, and rise and fall between the others.
"""

from dataclasses import dataclass
from math import ceil


@dataclass
class Pace:
    """`every` so many steps is an evaluation, which takes about `evaluation_steps` steps until one has been seen."""

    every: int
    evaluation_steps: float = 0.0
    _last: float = 0.0
    _first: float | None = None
    _steps: int = 0
    _step_seconds: float = 0.0
    _evaluations: int = 0
    _evaluation_seconds: float = 0.0

    def begin(self, now: float) -> None:
        """Training begins, or goes on after something that counts for nothing, as a checkpoint."""
        self._last = now

    def stepped(self, now: float) -> None:
        """A step has ended. The first one warms up, and tells only as long as there is no other."""
        if self._first is None:
            self._first = now - self._last
        else:
            self._steps += 1
            self._step_seconds += now - self._last
        self._last = now

    def evaluated(self, now: float) -> None:
        """An evaluation has ended."""
        self._evaluations += 1
        self._evaluation_seconds += now - self._last
        self._last = now

    def left(self, step: int, total: int) -> float | None:
        """Seconds until the last step and its evaluation; None before the first step has ended."""
        pace = self._step_seconds / self._steps if self._steps else self._first
        if pace is None:
            return None
        ahead = ceil(total / self.every) - step // self.every
        seen = self._evaluation_seconds / self._evaluations if self._evaluations else self.evaluation_steps * pace
        return pace * (total - step) + seen * max(ahead, 0)
