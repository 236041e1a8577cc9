"""What the statuses of both kinds have in common: conditions, specs that are refused, waiting, texts that are cut."""

from collections.abc import Iterable
from typing import TypeVar

from finetune_core.api.search_status import HPSearchStatus
from finetune_core.api.status import (
    MAX_MESSAGE,
    Condition,
    ConditionStatus,
    ConditionType,
    ExperimentStatus,
    Reason,
)
from finetune_core.problems import Problem

StatusT = TypeVar("StatusT", ExperimentStatus, HPSearchStatus)
"""The status of either kind."""

MAX_FAILURE_MESSAGE = 500
VALID_SPEC = "The spec is valid."


class Conditions:
    """Builds conditions for one generation at one time, keeping transition times of what did not change."""

    def __init__(self, previous: ExperimentStatus | HPSearchStatus, *, generation: int, now: str) -> None:
        self._previous = {condition.type: condition for condition in previous.conditions}
        self._generation = generation
        self._now = now

    def make(self, type_: ConditionType, status: ConditionStatus, reason: str, message: str) -> Condition:
        """A condition; `lastTransitionTime` moves only when `status` does, as Kubernetes has it."""
        before = self._previous.get(type_)
        same = before is not None and before.status == status
        return Condition(
            type=type_,
            status=status,
            reason=reason,
            message=shorten(message, MAX_MESSAGE),
            last_transition_time=before.last_transition_time if before and same else self._now,
            observed_generation=self._generation,
        )

    def of_end(
        self, reason: Reason, message: str, *, done: bool, success: frozenset[Reason]
    ) -> tuple[Condition, Condition]:
        """Of a spec that is valid: Valid, and Succeeded, which is unknown until all is done."""
        succeeded = ConditionStatus.UNKNOWN
        if done:
            succeeded = ConditionStatus.TRUE if reason in success else ConditionStatus.FALSE
        valid = self.make(ConditionType.VALID, ConditionStatus.TRUE, Reason.ACCEPTED, VALID_SPEC)
        return valid, self.make(ConditionType.SUCCEEDED, succeeded, reason, message)


def shorten(text: str, limit: int) -> str:
    """At most `limit` characters, with an ellipsis where something was cut."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _outcome_of(status: ExperimentStatus | HPSearchStatus) -> tuple[ConditionType, Reason]:
    """The condition of what the kind is there for, and its reason until then."""
    if isinstance(status, HPSearchStatus):
        return ConditionType.BEST_HYPERPARAMETERS_READY, Reason.WAITING_FOR_TRIALS
    return ConditionType.LEADERBOARD_READY, Reason.WAITING_FOR_RUNS


def invalid_status(
    previous: StatusT, problems: Iterable[Problem], *, reason: Reason, generation: int, now: str
) -> StatusT:
    """The status of a spec that cannot be run: every problem in one message; earlier results stay."""
    message = "; ".join(str(problem) for problem in problems)
    conditions = Conditions(previous, generation=generation, now=now)
    outcome, _ = _outcome_of(previous)
    done = "Correct the spec (see condition Valid) and apply it again."
    return previous.model_copy(
        update={
            "observed_generation": generation,
            "eta": None,
            "conditions": (
                conditions.make(ConditionType.VALID, ConditionStatus.FALSE, reason, message),
                conditions.make(ConditionType.SUCCEEDED, ConditionStatus.FALSE, Reason.INVALID_SPEC, done),
                conditions.make(outcome, ConditionStatus.UNKNOWN, Reason.INVALID_SPEC, done),
            ),
        }
    )


def waiting_status(
    previous: StatusT, reason: Reason, message: str, *, valid: bool, generation: int, now: str
) -> StatusT:
    """The status while something outside is waited for (storage, inputs); what was known stays."""
    conditions = Conditions(previous, generation=generation, now=now)
    outcome, awaited = _outcome_of(previous)
    status, why, text = ConditionStatus.UNKNOWN, Reason.CHECKING, message
    if valid:
        status, why, text = ConditionStatus.TRUE, Reason.ACCEPTED, VALID_SPEC
    return previous.model_copy(
        update={
            "observed_generation": generation,
            "conditions": (
                conditions.make(ConditionType.VALID, status, why, text),
                conditions.make(ConditionType.SUCCEEDED, ConditionStatus.UNKNOWN, reason, message),
                conditions.make(outcome, ConditionStatus.UNKNOWN, awaited, message),
            ),
        }
    )


def with_unsafe_storage(status: StatusT, previous: StatusT, message: str, *, generation: int, now: str) -> StatusT:
    """The status, with a condition that says what the store lacks."""
    conditions = Conditions(previous, generation=generation, now=now)
    unsafe = conditions.make(ConditionType.STORAGE_SAFE, ConditionStatus.FALSE, Reason.CREATES_REPEATEDLY, message)
    return status.model_copy(update={"conditions": (*status.conditions, unsafe)})


def unreadable_warnings(found: Iterable[str], noun: str) -> tuple[str, ...]:
    """What lies where results should be: one warning, however many there are."""
    what = sorted(found)
    if not what:
        return ()
    others = f" (and {len(what) - 1} more)" if len(what) > 1 else ""
    return (
        shorten(
            f"unreadable result: {what[0]}{others}; it counts as none, and the {noun} is done again",
            MAX_FAILURE_MESSAGE,
        ),
    )
