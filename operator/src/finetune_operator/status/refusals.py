"""The status of a look that an error ended, and whether the world may still mend it without a new spec. Pure."""

from dataclasses import dataclass
from typing import Generic

from finetune_core.api.search_status import HPSearchStatus
from finetune_core.api.status import ConditionStatus, ConditionType, ExperimentStatus, Reason
from finetune_core.deciding.conditions import StatusT, invalid_status, waiting_status
from finetune_core.problems import InvalidInputError, Problem
from finetune_kube.errors import ForbiddenError, InvalidNameError, KindMissingError, RejectedError, WebhookError
from finetune_operator.executors import Absent, Executors
from finetune_operator.problems import CannotRunError, WaitingError
from finetune_store import StoreError

Told = InvalidInputError | WaitingError | StoreError | InvalidNameError | RejectedError | ForbiddenError | WebhookError
"""Errors of a look that become a condition."""
TOLD = (InvalidInputError, WaitingError, StoreError, InvalidNameError, RejectedError, ForbiddenError, WebhookError)


@dataclass(frozen=True)
class Refusals(Generic[StatusT]):
    """Of one object: the status that it has, of which generation the new one is, and when."""

    status: StatusT
    generation: int
    now: str
    executors: Executors

    def told(self, error: Told) -> tuple[StatusT, bool]:
        """The status that says an error, and whether to look again by itself."""
        match error:
            case CannotRunError():
                return self._invalid(error.problems, error.reason), error.retry
            case InvalidInputError():
                return self._invalid(error.problems, Reason.INVALID_SPEC), True
            case WaitingError():
                return self.waiting(error.reason, str(error)), True
            case StoreError():
                return self._without_storage(error), True
            case InvalidNameError() | RejectedError():
                return self._rejected(error), not isinstance(error, InvalidNameError)
        # A quota that is used up, a rule that the operator's role lacks, a webhook that does not answer: it says which.
        return self.waiting(Reason.BLOCKED, str(error)), True

    def waiting(self, reason: Reason, message: str) -> StatusT:
        """Nothing is wrong with the spec: something else is waited for."""
        valid = is_valid(self.status)
        return waiting_status(self.status, reason, message, valid=valid, generation=self.generation, now=self.now)

    def _invalid(self, problems: tuple[Problem, ...], reason: Reason) -> StatusT:
        return invalid_status(self.status, problems, reason=reason, generation=self.generation, now=self.now)

    def _without_storage(self, error: StoreError) -> StatusT:
        if not error.transient:
            return self._invalid((Problem("spec.storage", str(error)),), Reason.STORAGE_REFUSED)
        since = (
            "Runs go on by themselves; results are counted when it is back."
            if is_valid(self.status)
            else "Nothing has been started; it is tried again by itself."
        )
        return self.waiting(Reason.STORAGE_UNAVAILABLE, f"{error}. {since}")

    def _rejected(self, error: InvalidNameError | RejectedError) -> StatusT:
        if isinstance(error, InvalidNameError):
            # The patterns of the spec come first: this is for what they do not know yet.
            return self._invalid((Problem("spec", str(error)),), Reason.INVALID_SPEC)
        executors = self.executors
        absent = executors.absent(error) if isinstance(error, KindMissingError) else executors.outdated(error)
        if absent is not None:
            return self._without_kind(absent)
        # What CEL and the checks of specs cannot see: a pod template that is no pod's, a policy of the cluster.
        problem = Problem("spec.execution", f"the cluster refuses what it asks for, correct it: {error}")
        return self._invalid((problem,), Reason.REJECTED)

    def _without_kind(self, absent: Absent) -> StatusT:
        status = self.waiting(absent.reason, f"{absent.message}.")
        # The spec may stay as it is, and so nothing has failed: it goes on when the kind is there.
        invalid = self._invalid((Problem("spec.execution.mode", absent.message),), absent.reason)
        valid = {condition.type: condition for condition in invalid.conditions}[ConditionType.VALID]
        conditions = tuple(valid if known.type == valid.type else known for known in status.conditions)
        return status.model_copy(update={"conditions": conditions})


def is_valid(status: ExperimentStatus | HPSearchStatus) -> bool:
    """Whether the spec was accepted when it was last looked at."""
    valid = (condition for condition in status.conditions if condition.type == ConditionType.VALID)
    return any(condition.status == ConditionStatus.TRUE for condition in valid)


def unexpected(error: Exception) -> str:
    """What is said of an error that nobody foresaw: its type alone, since libraries' errors may hold keys."""
    kind = type(error).__name__
    return f"The operator met an error that it does not know ({kind}; its log says more), and tries again by itself."
