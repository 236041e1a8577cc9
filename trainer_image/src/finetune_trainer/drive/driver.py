"""The driver of an experiment: every run of a plan, longest first, until it is done or given up."""

import logging
import time
import uuid
from collections.abc import Callable

from finetune_core.planning.plan import JobPlan, PlannedRun
from finetune_core.results.run import ExitCode, Failure
from finetune_trainer.drive.pool import Answer, LostError, Pool, WorkerDiedError, death
from finetune_trainer.drive.queue import RunQueue
from finetune_trainer.drive.worker import Report
from finetune_trainer.driver_report import DriverReporter
from finetune_trainer.run.endings import Records
from finetune_trainer.signals import Stop

logger = logging.getLogger(__name__)

_WAIT_SECONDS = 1.0


class Driver:
    """Hands out runs to a pool. `has_result` says which have theirs already, from an earlier driver.

    `is_held` says that none is to begin for now. `at_once`: how many at most share the memory of this machine; None
    where workers are on several. `records` keeps failures; without it the workers do. `tries_again`: a failure that may
    pass is met here.
    """

    def __init__(
        self,
        job: JobPlan,
        pool: Pool,
        *,
        reporter: DriverReporter,
        stop: Stop,
        has_result: Callable[[PlannedRun], bool],
        is_held: Callable[[], bool] = lambda: False,
        now: Callable[[], float] = time.monotonic,
        tries_again: bool = True,
        at_once: int | None = None,
        records: Records | None = None,
    ) -> None:
        runs = [run for index in range(len(job.indexes)) for run in job.runs_at(index)]
        self._runs = {run.run_id: run for run in runs}
        retries = job.limits.retries if tries_again else None
        self._queue = RunQueue((run.run_id for run in runs), retries=retries, at_once=at_once)
        self._records = records
        self._pool = pool
        self._reporter = reporter
        self._stop = stop
        self._has_result = has_result
        self._is_held = is_held
        self._holds = False
        self._now = now

    def run(self) -> int:
        """Until every run is done or given up, none may begin, or this process is told to stop; its exit code."""
        stopping = False
        while not self._queue.is_over:
            if not self._stop.is_set:
                self._free_memory()
                self._hand_out()
                if self._holds and not self._queue.running:
                    return self._verdict()
            elif not self._queue.running:
                logger.info("told to stop; what was running goes on from its last checkpoint")
                return ExitCode.INTERRUPTED
            elif not stopping:
                stopping = True
                self._pool.stop()
            for answer in self._pool.wait(_WAIT_SECONDS):
                self._settle(answer)
        return self._verdict()

    @property
    def failures(self) -> list[Failure]:
        """Of the runs that are given up."""
        return list(self._queue.failed.values())

    def _free_memory(self) -> None:
        if self._queue.at_once is not None:
            self._pool.dismiss(self._queue.ready(self._now()))

    def _hand_out(self) -> None:
        ready = self._queue.ready(self._now())
        room = self._pool.room(ready)
        self._holds = bool(ready and room) and self._is_held()
        if self._holds:
            return
        while room and (run_id := self._queue.take(self._now())) is not None:
            if self._has_result(self._runs[run_id]):
                self._done(run_id)
                continue
            room -= 1
            self._reporter.running(run_id)
            self._pool.start(run_id, run_id)
            logger.info("begins", extra=self._about(run_id))

    def _settle(self, answer: Answer) -> None:
        outcome, run_id = answer.outcome, answer.name
        if isinstance(outcome, Report):
            self._pool.go_on(run_id)
        elif outcome is None:
            self._done(run_id)
        elif isinstance(outcome, LostError):
            self._give_back(run_id, "its worker's pod is gone")
        elif isinstance(outcome, WorkerDiedError):
            self._fail(run_id, death(self._runs[run_id], outcome, attempt=f"driver-{uuid.uuid4().hex[:12]}"))
        elif outcome.exit_code == ExitCode.INTERRUPTED:
            self._give_back(run_id, "its worker's pod is to end")
        else:
            self._fail(run_id, outcome)

    def _done(self, run_id: str) -> None:
        self._queue.finish(run_id)
        self._reporter.done(run_id)
        logger.info("is done: %d of %d", len(self._queue.done), len(self._runs), extra=self._about(run_id))

    def _give_back(self, run_id: str, why: str) -> None:
        self._queue.give_back(run_id)
        self._reporter.stopped(run_id)
        logger.warning("goes on elsewhere: %s", why, extra=self._about(run_id))

    def _fail(self, run_id: str, failure: Failure) -> None:
        if self._queue.spare(run_id, failure):
            self._spared(run_id, failure)
            return
        if self._records is not None:
            self._records.failed(self._runs[run_id], failure)
        if self._queue.fail(run_id, failure, self._now()):
            self._reporter.failed(run_id, failure.reason.value, failure.message)
            logger.error("is given up: %s", failure.message, extra=self._about(run_id))
        else:
            self._reporter.stopped(run_id)
            logger.warning("is tried again: %s", failure.message, extra=self._about(run_id))

    def _spared(self, run_id: str, failure: Failure) -> None:
        self._reporter.stopped(run_id)
        if self._records is not None:
            self._records.waits(self._runs[run_id])
        logger.warning(
            "memory does not suffice for it beside others: it is tried again alone, and from now on there are at most "
            "%d at a time (execution.runsAtOnce, or --workers): %s",
            self._queue.at_once,
            failure.message,
            extra=self._about(run_id),
        )

    def _verdict(self) -> int:
        """0 if all have their result; else the user's mistake before giving up."""
        codes = {failure.exit_code for failure in self._queue.failed.values()}
        if not codes:
            return ExitCode.SUCCESS
        return ExitCode.USER_ERROR if ExitCode.USER_ERROR in codes else ExitCode.GAVE_UP

    def _about(self, run_id: str) -> dict[str, object]:
        run = self._runs[run_id]
        return {"task": run.task, "run": run.run, "run_id": run_id}
