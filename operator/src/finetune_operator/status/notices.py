"""Events that a user can act on: what is said when a status turns into another. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass

from finetune_core.api.search_status import HPSearchStatus
from finetune_core.api.status import Condition, ConditionStatus, ConditionType, ExperimentStatus, Reason
from finetune_core.deciding.conditions import StatusT

_WARNINGS = frozenset(
    {
        Reason.BLOCKED,
        Reason.STALLED,
        Reason.STORAGE_UNAVAILABLE,
        Reason.SOME_RUNS_FAILED,
        Reason.SOME_TRIALS_FAILED,
        Reason.TASK_FAILED,
        Reason.REPORT_FAILED,
    }
)


SPEC_WARNING = "SpecWarning"


@dataclass(frozen=True)
class Notice:
    """An event to be: `type` is Normal or Warning."""

    type: str
    reason: str
    message: str


def notices(before: StatusT, after: StatusT) -> tuple[Notice, ...]:
    """One event for each condition whose reason changed, new warnings, and each run, or search, that failed."""
    return (*_warnings(before, after), *_conditions(before, after), *_failures(before, after))


def _warnings(before: ExperimentStatus | HPSearchStatus, after: ExperimentStatus | HPSearchStatus) -> Iterator[Notice]:
    fresh = [warning for warning in after.warnings if warning not in before.warnings]
    # One event for all: a mistake in spec.training is one in each of its tasks.
    if fresh:
        yield Notice("Warning", SPEC_WARNING, "; ".join(fresh))


def _conditions(
    before: ExperimentStatus | HPSearchStatus, after: ExperimentStatus | HPSearchStatus
) -> Iterator[Notice]:
    old = {condition.type: condition for condition in before.conditions}
    for condition in after.conditions:
        previous = old.get(condition.type)
        if previous is not None and previous.reason == condition.reason:
            continue
        if _worth_telling(condition):
            yield Notice(_type(condition), condition.reason, condition.message)


def _worth_telling(condition: Condition) -> bool:
    if condition.type == ConditionType.VALID:
        return condition.status == ConditionStatus.FALSE
    if condition.type == ConditionType.LEADERBOARD_READY:
        return condition.reason in {Reason.TASKS_MISSING, Reason.COMPLETE, Reason.WITH_PLACEHOLDERS}
    if condition.type == ConditionType.NOTIFICATIONS_DELIVERED:
        return True
    if condition.type == ConditionType.PUBLISHED:
        return condition.reason in {Reason.PUBLISHED, Reason.PUBLISH_FAILED}
    if condition.type == ConditionType.BEST_HYPERPARAMETERS_READY:
        return condition.reason in {Reason.EXPORTED, Reason.NOTHING_TO_EXPORT}
    return condition.type == ConditionType.SUCCEEDED and condition.reason != Reason.INVALID_SPEC


def _type(condition: Condition) -> str:
    bad = condition.status == ConditionStatus.FALSE or condition.reason in _WARNINGS
    return "Warning" if bad else "Normal"


def _failures(before: ExperimentStatus | HPSearchStatus, after: ExperimentStatus | HPSearchStatus) -> Iterator[Notice]:
    known = {key for key, _ in _told(before)}
    for key, message in _told(after):
        if key not in known:
            yield Notice("Warning", "SearchFailed" if isinstance(after, HPSearchStatus) else "RunFailed", message)


def _told(status: ExperimentStatus | HPSearchStatus) -> Iterator[tuple[str, str]]:
    """What failed, by a key that stays, and what is said of it."""
    if isinstance(status, HPSearchStatus):
        for unit in status.failures:
            yield f"{unit.task}/{unit.cluster}", f"{unit.task} in cluster {unit.cluster}: {unit.reason}: {unit.message}"
        return
    for run in status.failures:
        yield run.run_id, f"{run.task} run {run.run} ({run.run_id}): {run.reason}: {run.message}"
