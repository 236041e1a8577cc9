"""Workers as a driver sees them. A piece of work is a run, or a trial; a trial reports on the way, a run does not."""

from dataclasses import dataclass
from typing import Protocol

from finetune_core.planning.plan import PlannedRun
from finetune_core.results.run import ExitCode, Failure, FailureReason
from finetune_trainer.drive.worker import Report
from finetune_trainer.run.endings import MAX_MESSAGE, now

WORKER_DIED = (
    "the worker's process ended and its pod did not: most often it was killed for want of memory. Raise the memory "
    "limit in execution.resources, or lower trainBatchSize, evalBatchSize or maxSeqLength"
)


SPENT = frozenset({ExitCode.INTERRUPTED, ExitCode.RETRY})
"""After these a worker gets no more work. Told to stop, it stays so, and would give back all that it is asked; and an
error that nobody foresaw may leave a process in any state (CUDA's is of no use after a failed assertion)."""


class LostError(Exception):
    """The worker is gone, together with its node: no fault of the work."""

    def __str__(self) -> str:
        return "the worker's node is gone"


class WorkerDiedError(Exception):
    """The worker's process ended, and its node lives: out of memory, or a crash."""


def death(run: PlannedRun, error: WorkerDiedError, *, attempt: str) -> Failure:
    """A worker's death as the failure of the run that it was at."""
    return Failure(
        reason=FailureReason.WORKER_DIED,
        message=str(error)[:MAX_MESSAGE],
        run_id=run.run_id,
        task=run.task,
        run=run.run,
        attempt=attempt,
        exit_code=ExitCode.RETRY,
        time=now(),
    )


@dataclass(frozen=True)
class Answer:
    """What came of a piece of work: None (it is done), a report (its worker waits), a failure, or a lost worker."""

    name: str
    outcome: Report | Failure | LostError | WorkerDiedError | None


class Pool(Protocol):
    """Workers, each at one piece of work at a time; pieces have names."""

    def room(self, wanted: int) -> int:
        """How many pieces could begin now, of so many that are wanted."""
        ...

    def start(self, name: str, order: object) -> None:
        """Have a worker do a piece; only where there is room."""
        ...

    def wait(self, seconds: float) -> list[Answer]:
        """What came of the pieces; waits at most so long for the first answer."""
        ...

    def go_on(self, name: str) -> None:
        """Let a piece go on that has reported."""
        ...

    def end(self, name: str) -> None:
        """End a piece that has reported; no answer follows, and its worker is free."""
        ...

    def dismiss(self, keep: int) -> None:
        """End idle workers but for so many, where that gives memory back to the others."""
        ...

    def stop(self) -> None:
        """Ask all workers to save the state of their work and to give it back."""
        ...
