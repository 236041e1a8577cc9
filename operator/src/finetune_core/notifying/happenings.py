"""What happened between two statuses that somebody may want to be told. Pure.

A change is told once because a status is written once: what happened follows from the status that is replaced and the
one that replaces it, and from nothing else.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from finetune_core.api.notifications import NotificationEvent
from finetune_core.api.search_status import BestTrial, HPSearchStatus, SearchTaskStatus, UnitFailure
from finetune_core.api.status import (
    BestRun,
    Condition,
    ConditionStatus,
    ConditionType,
    ExperimentStatus,
    Reason,
    RunFailure,
    TaskStatus,
)
from finetune_core.deciding.finish import is_final
from finetune_core.plain import one_line
from finetune_core.tables import figures

AnyStatus = ExperimentStatus | HPSearchStatus
_MAX_NAMED = 5


@dataclass(frozen=True)
class Happening:
    """Something that happened; `asked_by` are the words of `on` that ask for it, `tasks` those that it is about."""

    event: NotificationEvent
    reason: str
    message: str
    tasks: tuple[str, ...] = ()
    asked_by: frozenset[NotificationEvent] = frozenset()

    def is_asked_for(self, on: tuple[NotificationEvent, ...]) -> bool:
        """Whether somebody who asks for these is told."""
        return bool({self.event, *self.asked_by} & set(on))


def happenings(before: AnyStatus, after: AnyStatus) -> tuple[Happening, ...]:
    """In the order in which people want to read them: the end comes last."""
    return (
        *_failed(before, after),
        *_new_best(before, after),
        *_halted(before, after),
        *_published(before, after),
        *_ended(before, after),
    )


def _published(before: AnyStatus, after: AnyStatus) -> Iterator[Happening]:
    """What was pushed anew, and what could not be; what lies there all along is no news."""
    told = _condition(after, ConditionType.PUBLISHED)
    if told is None or told.status == ConditionStatus.UNKNOWN or not isinstance(after, ExperimentStatus):
        return
    known = set(before.published or ()) if isinstance(before, ExperimentStatus) else set()
    new = [one for one in after.published or () if one not in known]
    then = _condition(before, ConditionType.PUBLISHED)
    if told.status == ConditionStatus.FALSE:
        again = then is None or (then.status, then.message) != (told.status, told.message)
    else:
        again = bool(new) or (then is not None and then.status == ConditionStatus.UNKNOWN)
    if again:
        tasks = tuple(dict.fromkeys(one.task for one in after.published or ()))
        yield Happening(NotificationEvent.PUBLISHED, told.reason, told.message, tasks)


def _ended(before: AnyStatus, after: AnyStatus) -> Iterator[Happening]:
    end = _end(after)
    if end is None or end == _end(before):
        return
    finished = _condition(after, ConditionType.FINISHED)
    message = finished.message if finished else ""
    if end[0] == ConditionStatus.TRUE:
        yield Happening(NotificationEvent.FINISHED, end[1], message)
    else:
        # Who asks for the end alone has to hear of a bad one too, or would wait for ever.
        asked_by = frozenset({NotificationEvent.FINISHED})
        yield Happening(NotificationEvent.FAILED, end[1], message, asked_by=asked_by)


def _end(status: AnyStatus) -> tuple[str, str] | None:
    """Outcome and reason of what has ended."""
    finished, succeeded = (_condition(status, type_) for type_ in (ConditionType.FINISHED, ConditionType.SUCCEEDED))
    if finished is None or succeeded is None or finished.status != ConditionStatus.TRUE:
        return None
    return succeeded.status, finished.reason


def _halted(before: AnyStatus, after: AnyStatus) -> Iterator[Happening]:
    for event, of in ((NotificationEvent.STALLED, _stall), (NotificationEvent.BLOCKED, _block)):
        now, then = of(after), of(before)
        if now is not None and (then is None or then.reason != now.reason):
            yield Happening(event, now.reason, now.message)


def _stall(status: AnyStatus) -> Condition | None:
    return _told_by(_condition(status, ConditionType.SUCCEEDED), Reason.STALLED)


def _block(status: AnyStatus) -> Condition | None:
    """The condition that says what somebody has to mend so that it goes on; an end is none."""
    valid, succeeded = (_condition(status, type_) for type_ in (ConditionType.VALID, ConditionType.SUCCEEDED))
    if valid is not None and valid.status == ConditionStatus.FALSE:
        final = is_final((valid.status, valid.reason), succeeded.status if succeeded else "")
        return None if final else valid
    return _told_by(succeeded, Reason.BLOCKED)


def _told_by(condition: Condition | None, reason: Reason) -> Condition | None:
    return condition if condition is not None and condition.reason == reason else None


def _condition(status: AnyStatus, kind: ConditionType) -> Condition | None:
    return next((condition for condition in status.conditions if condition.type == kind), None)


def _failed(before: AnyStatus, after: AnyStatus) -> Iterator[Happening]:
    known = {_key(failure) for failure in before.failures}
    # Only the first ones are listed: one that gave its place to another has not failed anew.
    grown = _failures(after) - _failures(before)
    full = bool(before.failures_omitted)
    new = [failure for failure in after.failures if _key(failure) not in known][: max(0, grown) if full else None]
    if not new and grown <= 0:
        return
    more = max(0, grown - len(new))
    texts = [_failure_text(failure) for failure in new[:_MAX_NAMED]]
    rest = more + len(new) - len(texts)
    yield Happening(
        NotificationEvent.RUN_FAILED,
        new[0].reason if new else "RunFailed",
        "; ".join(texts) + (f"; and {rest} more" if texts else f"{rest} more") * bool(rest),
        tuple(dict.fromkeys(failure.task for failure in new)),
    )


def _failures(status: AnyStatus) -> int:
    return len(status.failures) + (status.failures_omitted or 0)


def _key(failure: RunFailure | UnitFailure) -> str:
    return failure.run_id if isinstance(failure, RunFailure) else f"{failure.task}/{failure.cluster}"


def _failure_text(failure: RunFailure | UnitFailure) -> str:
    which = f"run {failure.run}" if isinstance(failure, RunFailure) else f"cluster {failure.cluster}"
    return one_line(f"{failure.task} {which}: {failure.reason}: {failure.message}")


def _new_best(before: AnyStatus, after: AnyStatus) -> Iterator[Happening]:
    old = {task.name: task for task in before.tasks}
    better = [task for task in after.tasks if _is_better(old.get(task.name), task)]
    if not better:
        return
    texts = [_best_text(old.get(task.name), task) for task in better[:_MAX_NAMED]]
    more = f"; and {len(better) - len(texts)} more tasks" if len(better) > len(texts) else ""
    names = tuple(task.name for task in better)
    yield Happening(NotificationEvent.NEW_BEST, NotificationEvent.NEW_BEST.value, "; ".join(texts) + more, names)


def _is_better(before: TaskStatus | SearchTaskStatus | None, after: TaskStatus | SearchTaskStatus) -> bool:
    """Whether more results gave a task another best. The best of more is better, whatever the metric's direction.

    Another one without more results is what is left where a result went: a run was quarantined, or was damaged.
    """
    if after.best is None or before is None or before.best is None:
        return after.best is not None
    if _identity(before.best) == _identity(after.best):
        return False
    # Finalists are no trials: none of them is counted.
    confirmed = isinstance(after.best, BestTrial) and after.best.finalist
    return confirmed or _done(after) > _done(before)


def _identity(best: BestRun | BestTrial) -> tuple[str, float]:
    return (best.run_id if isinstance(best, BestRun) else best.trial_id), best.value


def _done(task: TaskStatus | SearchTaskStatus) -> int:
    done = (task.runs if isinstance(task, TaskStatus) else task.trials).partition("/")[0]
    return int(done) if done.isdecimal() else 0


def _best_text(before: TaskStatus | SearchTaskStatus | None, after: TaskStatus | SearchTaskStatus) -> str:
    best = after.best
    if best is None:
        return after.name
    which = f"run {best.run}" if isinstance(best, BestRun) else f"trial {best.trial}"
    then = figures.metric(after.metric, before.best.value) if before and before.best else None
    earlier = f", before {then}" if then else ""
    return f"{after.name}: {figures.named(after.metric, best.value)} ({which}{earlier})"
