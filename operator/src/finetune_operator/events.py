"""Events that a user can act on: what is said when a status turns into another. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass

from finetune_core.status import Condition, ConditionStatus, ConditionType, ExperimentStatus, Reason

_WARNINGS = frozenset(
    {
        Reason.BLOCKED,
        Reason.STORAGE_UNAVAILABLE,
        Reason.SOME_RUNS_FAILED,
        Reason.TASK_FAILED,
        Reason.REPORT_FAILED,
    }
)


@dataclass(frozen=True)
class Notice:
    """An event to be: `kind` is Normal or Warning."""

    kind: str
    reason: str
    message: str


def notices(before: ExperimentStatus, after: ExperimentStatus) -> tuple[Notice, ...]:
    """One event for each condition whose reason changed, and one for each run that failed since."""
    return (*_conditions(before, after), *_failures(before, after))


def _conditions(before: ExperimentStatus, after: ExperimentStatus) -> Iterator[Notice]:
    old = {condition.type: condition for condition in before.conditions}
    for condition in after.conditions:
        previous = old.get(condition.type)
        if previous is not None and previous.reason == condition.reason:
            continue
        if _worth_telling(condition):
            yield Notice(_kind(condition), condition.reason, condition.message)


def _worth_telling(condition: Condition) -> bool:
    if condition.type == ConditionType.VALID:
        return condition.status == ConditionStatus.FALSE
    if condition.type == ConditionType.LEADERBOARD_READY:
        return condition.reason in {Reason.TASKS_MISSING, Reason.COMPLETE, Reason.WITH_PLACEHOLDERS}
    return condition.reason != Reason.INVALID_SPEC


def _kind(condition: Condition) -> str:
    bad = condition.status == ConditionStatus.FALSE or condition.reason in _WARNINGS
    return "Warning" if bad else "Normal"


def _failures(before: ExperimentStatus, after: ExperimentStatus) -> Iterator[Notice]:
    known = {failure.run_id for failure in before.failures}
    for failure in after.failures:
        if failure.run_id not in known:
            message = f"{failure.task} run {failure.run} ({failure.run_id}): {failure.reason}: {failure.message}"
            yield Notice("Warning", "RunFailed", message)
