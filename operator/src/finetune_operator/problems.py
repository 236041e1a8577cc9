"""Why a look at an experiment ends early: its spec cannot run as the world is, or something is waited for."""

from finetune_core.api.status import Reason
from finetune_core.problems import FinetuneError, InvalidInputError, Problem


class CannotRunError(InvalidInputError):
    """`reason` becomes that of `Valid`; `retry` says whether the world may still mend it without a new spec."""

    def __init__(self, problems: tuple[Problem, ...], reason: Reason, *, retry: bool) -> None:
        super().__init__(problems)
        self.reason = reason
        self.retry = retry


class NotLeadingError(FinetuneError):
    """This process does not lead its release any more: nothing is written, another one goes on."""


class WaitingError(FinetuneError):
    """Something outside is waited for; shown as reason and message of `Succeeded`."""

    def __init__(self, reason: Reason, message: str) -> None:
        self.reason = reason
        super().__init__(message)
