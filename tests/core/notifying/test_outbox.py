"""What is still to be told: in with the status, out when it was taken or tried too often."""

from datetime import UTC, datetime
from typing import Any

import pytest

from finetune_core.api.notifications import Notification, NotificationStatus
from finetune_core.api.status import Condition, ExperimentStatus
from finetune_core.notifying.outbox import MAX_ATTEMPTS, MAX_PENDING, Attempt, pending, seconds_until, with_outbox

NOW = "2026-01-01T00:00:00Z"
TAKEN, REFUSED = Attempt(), Attempt("it answered 500")


def chat(**fields: Any) -> Notification:
    return Notification.model_validate({"name": "chat", "url": "https://chat.test/hook", **fields})


def status(reason: str, *, generation: int = 1, **fields: Any) -> ExperimentStatus:
    ended = reason in {"AllRunsSucceeded", "TaskFailed"}
    succeeded = {"AllRunsSucceeded": "True", "TaskFailed": "False"}.get(reason, "Unknown")
    states = {"Valid": ("True", "Accepted"), "Succeeded": (succeeded, reason), "Finished": (str(ended), reason)}
    return ExperimentStatus(
        observed_generation=generation,
        conditions=tuple(
            Condition.model_validate(
                {
                    "type": type_,
                    "status": state,
                    "reason": why,
                    "message": f"{why}.",
                    "lastTransitionTime": NOW,
                    "observedGeneration": generation,
                }
            )
            for type_, (state, why) in states.items()
        ),
        **fields,
    )


def step(
    after: ExperimentStatus,
    before: ExperimentStatus,
    *wanted: Notification,
    attempts: dict[str, Attempt] | None = None,
    generation: int = 1,
    now: str = NOW,
) -> ExperimentStatus:
    return with_outbox(after, before, wanted or (chat(),), attempts or {}, uid="uid", generation=generation, now=now)


def ended(*wanted: Notification) -> ExperimentStatus:
    return step(status("AllRunsSucceeded"), status("Running"), *wanted)


def state(found: ExperimentStatus) -> NotificationStatus:
    (only,) = found.notifications or ()
    return only


def told(found: ExperimentStatus) -> Condition | None:
    return next((one for one in found.conditions if one.type == "NotificationsDelivered"), None)


def test_without_notifications_the_status_has_none() -> None:
    assert with_outbox(status("AllRunsSucceeded"), status("Running"), (), {}, uid="u", generation=1, now=NOW) == status(
        "AllRunsSucceeded"
    )


def test_nothing_is_said_of_a_receiver_that_was_told_nothing() -> None:
    assert step(status("Running"), status("Running")).notifications is None
    assert ended(chat(on=("Stalled",))).notifications is None


def test_an_end_waits_for_each_receiver_under_an_id_of_its_own() -> None:
    found = ended(chat(), chat(name="pager"))
    (first, one), (second, two) = pending(found)
    assert (first, second) == ("chat", "pager")
    assert one.id != two.id
    assert (one.event, one.reason, one.attempts, one.next_attempt) == ("Finished", "AllRunsSucceeded", 0, None)


def test_it_waits_until_it_was_taken_and_is_not_told_again() -> None:
    first = ended()
    again = step(first, first)
    assert again == first
    ((_, one),) = pending(first)
    after = step(first, first, attempts={one.id: TAKEN}, now="2026-01-01T00:00:07Z")
    assert state(after) == NotificationStatus(name="chat", delivered=1, last_delivered="2026-01-01T00:00:07Z")
    assert step(after, after) == after


def test_attempts_come_ever_more_seldom_and_end_and_a_condition_says_so() -> None:
    found, waits, said = ended(), [], ""
    for _ in range(MAX_ATTEMPTS - 1):
        ((_, one),) = pending(found)
        found = step(found, found, attempts={one.id: REFUSED})
        waits.append(seconds_until(pending(found)[0][1], datetime(2026, 1, 1, tzinfo=UTC)))
        condition = told(found)
        assert condition is not None
        assert (condition.status, condition.reason) == ("False", "DeliveryFailed")
        said = condition.message
    assert waits[:5] == [10, 40, 160, 640, 2560]
    assert max(waits) == 3600
    tried = f"Tried {MAX_ATTEMPTS - 1} of {MAX_ATTEMPTS} times; it is tried again by itself."
    assert said == f"Receiver chat: it answered 500. {tried}"
    ((_, one),) = pending(found)
    found = step(found, found, attempts={one.id: REFUSED})
    assert (state(found).pending, state(found).given_up) == ((), 1)
    condition = told(found)
    assert condition is not None
    assert condition.reason == "DeliveryGivenUp"
    assert told(step(found, found)) == condition, "it stays until something is taken"


def test_the_condition_goes_when_the_receiver_is_well() -> None:
    found = ended()
    ((_, one),) = pending(found)
    found = step(found, found, attempts={one.id: REFUSED})
    assert told(step(found, found, attempts={one.id: TAKEN})) is None


def test_a_spec_that_changed_is_tried_at_once() -> None:
    found = ended()
    ((_, one),) = pending(found)
    found = step(found, found, attempts={one.id: REFUSED})
    found = step(status("AllRunsSucceeded", generation=2, notifications=found.notifications), found, generation=2)
    ((_, again),) = pending(found)
    assert (again.id, again.attempts, again.next_attempt) == (one.id, 0, None)


def test_what_waits_goes_with_its_receiver() -> None:
    found = ended()
    assert step(found, found, chat(name="other")).notifications is None


def test_no_receiver_has_more_than_a_few_waiting() -> None:
    found, on = status("Running"), chat(on=("Stalled", "Finished"))
    for number in range(MAX_PENDING + 2):
        at = f"2026-01-01T00:{number:02}:00Z"
        found = step(status("Stalled", notifications=found.notifications), found, on, now=at)
        found = step(status("Running", notifications=found.notifications), found, on, now=at)
    found = step(status("AllRunsSucceeded", notifications=found.notifications), found, on, now="2026-01-01T01:00:00Z")
    assert len(pending(found)) == MAX_PENDING
    assert pending(found)[-1][1].event == "Finished"
    assert state(found).given_up == 3
    assert len({one.id for _, one in pending(found)}) == MAX_PENDING


@pytest.mark.parametrize("on", [("Finished",), ("Failed",), ("Finished", "Failed")])
def test_a_bad_end_is_told_once(on: tuple[str, ...]) -> None:
    found = step(status("TaskFailed"), status("Running"), chat(on=on))
    assert [one.event for _, one in pending(found)] == ["Failed"]
