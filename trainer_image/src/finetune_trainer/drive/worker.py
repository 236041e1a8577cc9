"""What happens inside a worker's process: piece after piece of work, with model files and data kept between them."""

import os
import uuid
from collections.abc import Generator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from finetune_core.layout import attempt_in
from finetune_core.planning.plan import JobPlan
from finetune_core.results.run import ExitCode, Failure
from finetune_core.results.search.trial import TrialReport
from finetune_store import StoreError
from finetune_trainer import drain, logs
from finetune_trainer.errors import RunError
from finetune_trainer.hardware import release_memory
from finetune_trainer.signals import Stop

if TYPE_CHECKING:
    from finetune_trainer.ranks import Ranks


@dataclass(frozen=True)
class Report:
    """A piece of work has come so far, and waits to be told whether to go on."""

    evaluation: TrialReport


Steps = Generator[Report, None, Failure | None]
"""A piece of work: its reports, and why it came to no result, if it did not. Closing it ends it where it waits."""


class Worker(Protocol):
    """Does pieces of work."""

    def do(self, order: Any) -> Steps:
        """One piece of work."""
        ...

    def leave(self) -> None:
        """No more work will come."""
        ...


class Work(Protocol):
    """What all workers of a pool do; it travels to their processes. `modules`: what each of these imports."""

    modules: ClassVar[tuple[str, ...]]

    def worker(self, stop: Stop) -> Worker:
        """A worker in this process; imports torch."""
        ...


class Station:
    """A worker's side of a pool: what a driver asks, by name, and the answer."""

    def __init__(self, work: Work, stop: Stop) -> None:
        logs.configure(os.environ.get("FINETUNE_LOG_FORMAT", "text"))
        self._worker = work.worker(stop)
        self._steps: Steps | None = None

    def begin(self, order: object) -> Report | Failure | None:
        """Begin a piece of work; its first report, or how it ended."""
        self._steps = self._worker.do(order)
        return self.go_on()

    def go_on(self) -> Report | Failure | None:
        """The next report of the piece, or how it ended."""
        assert self._steps is not None, "go_on before begin"
        try:
            return next(self._steps)
        except StopIteration as end:
            outcome: Failure | None = end.value
            return outcome

    def end(self) -> None:
        """End the piece where it waits."""
        if self._steps is not None:
            self._steps.close()

    def leave(self) -> None:
        """No more work will come."""
        self.end()
        self._worker.leave()


@dataclass(frozen=True)
class RunWork:
    """The runs of a plan, by run id: the plan, the store's URI, seconds of patience with it.

    `attempt` is the name of each attempt, where no run is begun twice; by default it is made for each. `records`:
    workers leave their failures in the store; otherwise the driver does, which knows whether a run is tried again.
    """

    modules: ClassVar[tuple[str, ...]] = ("finetune_trainer.pod", "finetune_trainer.run.session")

    job: JobPlan
    store: str
    patience: float
    attempt: str | None = None
    records: bool = True

    def worker(self, stop: Stop) -> "RunWorker":
        """A worker in this process; imports torch."""
        return RunWorker(self, stop)


class RunWorker:
    """Does runs, alone or as one of the processes that its environment tells of."""

    def __init__(self, work: RunWork, stop: Stop) -> None:
        from finetune_trainer.pod import make_pod  # noqa: PLC0415 - torch takes seconds, and drivers do without it

        self._attempt = work.attempt
        self._records = work.records
        self._prefix = os.environ.get("FINETUNE_ATTEMPT") or uuid.uuid4().hex
        self._runs = {run.run_id: run for run in work.job.plan.runs}
        self._pod = make_pod(
            work.job.plan,
            work.job.limits,
            store=work.store,
            attempt=self._prefix,
            stop=stop,
            patience=work.patience,
        )
        self._ranks: Ranks | None = None

    def do(self, run_id: str) -> Steps:
        """An attempt at a run, which reports to the store alone."""
        from finetune_trainer.run.session import do_run, failure_of  # noqa: PLC0415 - imports torch

        yield from ()
        # The pod's uid, and one more: a run may be begun twice in the same pod.
        attempt = self._attempt or attempt_in(self._prefix, uuid.uuid4().hex)
        pod, run = replace(self._pod, attempt=attempt), self._runs[run_id]
        with drain.busy():
            try:
                return do_run(replace(pod, ranks=self._join()), run, records=self._records)
            except (RunError, StoreError) as error:
                # What it meets before its attempt begins: too few GPUs, a store that is away.
                return failure_of(pod, run, error)
            finally:
                release_memory()

    def _join(self) -> "Ranks":
        from finetune_trainer.ranks import join  # noqa: PLC0415 - imports torch

        self._ranks = self._ranks or join()
        return self._ranks

    def leave(self) -> None:
        """No more runs will come."""
        self._pod.trackers.leave(ExitCode.SUCCESS)
        if self._ranks is not None:
            self._ranks.leave()
