"""Axes of hyperparameters: linear, logarithmic or by category, from their distribution."""

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, TypeGuard

from finetune_core.api.search import Distribution
from finetune_core.results.search.trial import TrialResult
from finetune_core.stored import number
from finetune_core.tables import figures


@dataclass(frozen=True)
class Scale:
    """Where values of a hyperparameter lie on its axis. `categories` are set where they are evenly spaced."""

    name: str
    log: bool = False
    low: float = 0.0
    high: float = 1.0
    categories: tuple[Any, ...] | None = None

    def place(self, config: dict[str, Any]) -> float | None:
        """The value's coordinate (data units, or the category's number); None where it has none."""
        value = config.get(self.name)
        if self.categories is not None:
            key = _key(value)
            return next((float(i) for i, category in enumerate(self.categories) if _key(category) == key), None)
        known = number(value)
        return None if known is None or (self.log and known <= 0) else float(known)

    def share(self, config: dict[str, Any]) -> float | None:
        """The coordinate as a share of the axis, 0 to 1; one half where the axis has no length."""
        place = self.place(config)
        if place is None:
            return None
        low, high = self.limits
        if low == high:
            return 0.5
        if self.log:
            return math.log(place / low) / math.log(high / low)
        return (place - low) / (high - low)

    @property
    def limits(self) -> tuple[float, float]:
        """Coordinates of both ends."""
        return (0.0, float(len(self.categories) - 1)) if self.categories is not None else (self.low, self.high)

    def ticks(self, count: int = 5) -> list[tuple[float, str]]:
        """Shares of the axis with their labels."""
        if self.categories is not None:
            last = max(1, len(self.categories) - 1)
            single = len(self.categories) == 1
            return [
                (0.5 if single else i / last, figures.setting(category)) for i, category in enumerate(self.categories)
            ]
        if self.low == self.high:
            return [(0.5, _short(self.low))]
        shares = [i / (count - 1) for i in range(count)]
        return [(share, _short(self._at(share))) for share in shares]

    def _at(self, share: float) -> float:
        if self.log:
            return float(self.low * (self.high / self.low) ** share)
        return self.low + share * (self.high - self.low)


def scale_of(name: str, distribution: Distribution, trials: Iterable[TrialResult]) -> Scale:
    """The axis of a hyperparameter; wide enough for what trials had."""
    if (listed := distribution.choice or distribution.grid) is not None:
        numbers = all(map(is_number, listed))
        distinct = {_key(value): value for value in (sorted(listed) if numbers else listed)}
        return Scale(name, categories=tuple(distinct.values()))
    ends = distribution.log_uniform or distribution.log_int or distribution.uniform or distribution.int_ or (0.0, 1.0)
    log = distribution.log_uniform is not None or distribution.log_int is not None
    found = (number(trial.config.get(name)) for trial in trials)
    had = [value for value in found if value is not None and (value > 0 or not log)]
    return Scale(name, log=log, low=float(min(*ends, *had)), high=float(max(*ends, *had)))


def is_number(value: Any) -> TypeGuard[int | float]:
    """Whether a value is a number; booleans are categories."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def _key(value: Any) -> str:
    known = number(value)
    return json.dumps(value if known is None else float(known), sort_keys=True, default=str)


def _short(value: float) -> str:
    if value == round(value) and abs(value) < 1e6:
        return f"{round(value)}"
    # Ends of axes are places between values: two digits tell them apart.
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.2g}"
