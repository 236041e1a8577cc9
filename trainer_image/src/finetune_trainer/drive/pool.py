"""Who does the runs, as a driver sees it."""

from dataclasses import dataclass
from typing import Protocol

from finetune_core.results import Failure

WORKER_DIED = (
    "the worker's process ended and its pod did not: most often it was killed for want of memory. Raise the memory "
    "limit in execution.resources, or lower trainBatchSize, evalBatchSize or maxSeqLength"
)


class LostError(Exception):
    """The worker is gone, together with its node: no fault of the run."""


class WorkerDiedError(Exception):
    """The worker's process ended, and its node lives: out of memory, or a crash."""


@dataclass(frozen=True)
class Ended:
    """A run that is no longer worked on: with its result (no error), a failure, or a worker that is gone."""

    run: str
    outcome: Failure | LostError | WorkerDiedError | None


class Pool(Protocol):
    """Who does the runs."""

    def room(self, wanted: int) -> int:
        """How many runs could begin now, of so many that are wanted; makes workers where they fit."""
        ...

    def start(self, run: str) -> None:
        """Have an idle worker do a run; only where there was room."""
        ...

    def wait(self, seconds: float) -> list[Ended]:
        """Runs that ended; waits at most so long for the first."""
        ...

    def stop(self) -> None:
        """Ask all workers to save the state of their runs and to give them back."""
        ...
