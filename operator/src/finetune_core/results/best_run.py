"""The best run of a task: one rule, for the table, the model pointer and the predictions alike."""

from collections.abc import Iterable
from typing import Protocol, TypeVar

from finetune_core.stored import finite


class Ranked(Protocol):
    """What the rule looks at: `RunResult` and `Outcome` both have it."""

    @property
    def run(self) -> int:
        """Index of the run among its task's."""

    @property
    def value(self) -> float | None:
        """The metric for the best model at the run's best step."""

    @property
    def greater_is_better(self) -> bool:
        """Direction of that metric."""


_R = TypeVar("_R", bound=Ranked)


def rank(result: Ranked) -> tuple[float, int] | None:
    """Sort key of a run among its task's, least is best; None if it has no finite value and can never win."""
    value = finite(result.value)
    if value is None:
        return None
    return (-value if result.greater_is_better else value, result.run)


def best_run(results: Iterable[_R]) -> _R | None:
    """The best finite value of the metric for the best model; ties go to the lower run index."""
    return next(iter(ranked(results)), None)


def ranked(results: Iterable[_R]) -> list[_R]:
    """The runs that can win, the best first."""
    found = [(key, result) for result in results if (key := rank(result)) is not None]
    return [result for _, result in sorted(found, key=lambda pair: pair[0])]


def with_weights(results: Iterable[_R]) -> list[_R]:
    """Of a task's runs those whose weights stay where only the best are kept: the best, and the one after it.

    The second is there for the day on which the first is quarantined: its weights could not be had again.
    """
    return ranked(results)[:2]
