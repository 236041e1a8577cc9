"""What is still to be told to whom, as `status.notifications` keeps it. Pure.

What happened goes in with the status in which it happened. It goes out with a later one, after its receiver took it or
too many attempts. An operator that dies in between sends it again, by the same id.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from finetune_core.api.notifications import Notification, NotificationStatus, PendingNotification
from finetune_core.api.status import MAX_MESSAGE, Condition, ConditionStatus, ConditionType, Reason
from finetune_core.canonical import short_hash
from finetune_core.deciding.conditions import Conditions, StatusT, shorten
from finetune_core.notifying.happenings import Happening, happenings
from finetune_core.times import written

MAX_ATTEMPTS = 12
MAX_PENDING = 5
"""Of one receiver; the oldest makes room."""

_FIRST_SECONDS = 10.0
_LONGEST_SECONDS = 3600.0
_MAX_TEXT = 500


@dataclass(frozen=True)
class Attempt:
    """What became of an attempt; no problem: its receiver took it."""

    problem: str | None = None


def with_outbox(
    status: StatusT,
    previous: StatusT,
    wanted: Collection[Notification],
    attempts: Mapping[str, Attempt],
    *,
    uid: str,
    generation: int,
    now: str,
) -> StatusT:
    """The status, with what is still to be told, and the condition that says who does not take it.

    `wanted` are the spec's notifications, `attempts` by id those since the last status, `uid` the object's.
    """
    old = {state.name: state for state in previous.notifications or ()}
    # Most objects tell nobody: nothing is worked out for them at each look.
    happened = happenings(previous, status) if wanted else ()
    changed = previous.observed_generation != generation
    states = []
    for one in wanted:
        before = old.get(one.name, NotificationStatus(name=one.name))
        state = _added(_after_attempts(before, attempts, now), one, happened, uid=uid, now=now)
        # Whoever changed the spec may have mended the address.
        states.append(_at_once(state) if changed else state)
    told = tuple(state for state in states if state != NotificationStatus(name=state.name))
    made = status.model_copy(update={"notifications": told or None})
    return _with_condition(made, previous, told, generation=generation, now=now)


def pending(status: StatusT) -> tuple[tuple[str, PendingNotification], ...]:
    """What is still to be told, with the receiver's name."""
    return tuple((state.name, one) for state in status.notifications or () for one in state.pending)


def seconds_until(one: PendingNotification, now: datetime) -> float:
    """Until its next attempt; 0 where that is due."""
    if one.next_attempt is None:
        return 0.0
    return max(0.0, (datetime.fromisoformat(one.next_attempt) - now).total_seconds())


def _after_attempts(state: NotificationStatus, attempts: Mapping[str, Attempt], now: str) -> NotificationStatus:
    left: list[PendingNotification] = []
    delivered, given_up, last, problem = state.delivered, state.given_up, state.last_delivered, state.problem
    for one in state.pending:
        attempt = attempts.get(one.id)
        if attempt is None:
            left.append(one)
        elif attempt.problem is None:
            delivered, last, problem = delivered + 1, now, None
        elif one.attempts + 1 >= MAX_ATTEMPTS:
            given_up, problem = given_up + 1, attempt.problem
        else:
            problem = attempt.problem
            left.append(_failed_again(one, now))
    return state.model_copy(
        update={
            "delivered": delivered,
            "last_delivered": last,
            "given_up": given_up,
            "problem": problem and shorten(problem, _MAX_TEXT),
            "pending": tuple(left),
        }
    )


def _failed_again(one: PendingNotification, now: str) -> PendingNotification:
    seconds = min(_FIRST_SECONDS * 4.0**one.attempts, _LONGEST_SECONDS)
    due = datetime.fromisoformat(now) + timedelta(seconds=seconds)
    return one.model_copy(update={"attempts": one.attempts + 1, "next_attempt": written(due)})


def _added(
    state: NotificationStatus, notification: Notification, happened: Iterable[Happening], *, uid: str, now: str
) -> NotificationStatus:
    new = [_entry(one, state.name, uid, now) for one in happened if one.is_asked_for(notification.on)]
    waiting = (*state.pending, *new)
    pushed_out = max(0, len(waiting) - MAX_PENDING)
    return state.model_copy(update={"pending": waiting[pushed_out:], "given_up": state.given_up + pushed_out})


def _entry(happening: Happening, name: str, uid: str, now: str) -> PendingNotification:
    message = shorten(happening.message, _MAX_TEXT)
    return PendingNotification(
        id=short_hash([uid, name, happening.event.value, happening.reason, message, now], 32),
        event=happening.event,
        time=now,
        reason=happening.reason,
        message=message,
        tasks=happening.tasks,
    )


def _at_once(state: NotificationStatus) -> NotificationStatus:
    again = (one.model_copy(update={"attempts": 0, "next_attempt": None}) for one in state.pending)
    return state.model_copy(update={"pending": tuple(again)})


def _with_condition(
    status: StatusT, previous: StatusT, states: Iterable[NotificationStatus], *, generation: int, now: str
) -> StatusT:
    others: tuple[Condition, ...] = tuple(
        one for one in status.conditions if one.type != ConditionType.NOTIFICATIONS_DELIVERED
    )
    failing = [state for state in states if state.problem is not None]
    if not failing:
        return status.model_copy(update={"conditions": others})
    given_up = all(not state.pending for state in failing)
    made = Conditions(previous, generation=generation, now=now).make(
        ConditionType.NOTIFICATIONS_DELIVERED,
        ConditionStatus.FALSE,
        Reason.DELIVERY_GIVEN_UP if given_up else Reason.DELIVERY_FAILED,
        shorten(" ".join(map(_text, failing)), MAX_MESSAGE),
    )
    return status.model_copy(update={"conditions": (*others, made)})


def _text(state: NotificationStatus) -> str:
    if not state.pending:
        return f"Receiver {state.name}: {state.problem}. It was given up; what comes next is tried again."
    tried = max(one.attempts for one in state.pending)
    return (
        f"Receiver {state.name}: {state.problem}. Tried {tried} of {MAX_ATTEMPTS} times; it is tried again by itself."
    )
