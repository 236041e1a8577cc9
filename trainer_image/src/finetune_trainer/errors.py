"""Why a run ends without a result, and what its exit code says to Kubernetes.

RunError                 one attempt failed; `reason`, `exit_code`
├── UserError            the user's mistake: never tried again (64)
│   ├── MemoryExceededError  memory does not suffice for these settings (64)
│   ├── DiskFullError    no space is left for what the run writes (64)
│   └── DivergedError    loss or logits are not finite: the run has no value (64)
├── GaveUpError          run timeout, too many attempts (65)
└── StoppedError         told to stop; the state is saved (143)
"""

from finetune_core.problems import FinetuneError
from finetune_core.results.run import ExitCode, FailureReason


class RunError(FinetuneError):
    """An attempt that failed in a way that may pass."""

    reason = FailureReason.INTERNAL
    exit_code = ExitCode.RETRY


class UserError(RunError):
    """The user's mistake; the message says what is wrong, where, and what to do."""

    reason = FailureReason.USER_ERROR
    exit_code = ExitCode.USER_ERROR


class MemoryExceededError(UserError):
    """The settings need more memory than there is."""

    reason = FailureReason.OUT_OF_MEMORY


class DiskFullError(UserError):
    """No space is left on a disk; trying again fills it again."""


class DivergedError(UserError):
    """The training diverged: loss or logits are NaN or infinite."""

    reason = FailureReason.DIVERGED


class GaveUpError(RunError):
    """Trying further makes no sense; `reason` is RunTimeout or TooManyAttempts."""

    exit_code = ExitCode.GAVE_UP

    def __init__(self, reason: FailureReason, message: str) -> None:
        self.reason = reason
        super().__init__(message)


class StoppedError(RunError):
    """SIGTERM or SIGINT; what could be saved is saved."""

    exit_code = ExitCode.INTERRUPTED
