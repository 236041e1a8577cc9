"""The driver of an experiment: every run of a plan, longest first, until it is done or given up."""

import logging
import time
from collections.abc import Callable

from finetune_core.planning.plan import JobPlan, PlannedRun
from finetune_core.results.run import ExitCode, Failure
from finetune_trainer.drive.pool import Answer, LostError, Pool, WorkerDiedError, death
from finetune_trainer.drive.queue import RunQueue
from finetune_trainer.drive.worker import Report
from finetune_trainer.driver_report import DriverReporter
from finetune_trainer.signals import Stop

logger = logging.getLogger(__name__)

_WAIT_SECONDS = 1.0


class Driver:
    """Hands out runs to a pool. `has_result` says which have theirs already, from an earlier driver."""

    def __init__(
        self,
        job: JobPlan,
        pool: Pool,
        *,
        reporter: DriverReporter,
        stop: Stop,
        has_result: Callable[[PlannedRun], bool],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        runs = [run for index in range(len(job.indexes)) for run in job.runs_at(index)]
        self._runs = {run.run_id: run for run in runs}
        self._queue = RunQueue((run.run_id for run in runs), retries=job.limits.retries)
        self._pool = pool
        self._reporter = reporter
        self._stop = stop
        self._has_result = has_result
        self._now = now

    def run(self) -> int:
        """Until every run is done or given up, or this process is told to stop; its exit code."""
        stopping = False
        while not self._queue.is_over:
            if not self._stop.is_set:
                self._hand_out()
            elif not self._queue.running:
                logger.info("told to stop; what was running goes on from its last checkpoint")
                return ExitCode.INTERRUPTED
            elif not stopping:
                stopping = True
                self._pool.stop()
            for answer in self._pool.wait(_WAIT_SECONDS):
                self._settle(answer)
        return self._verdict()

    def _hand_out(self) -> None:
        room = self._pool.room(self._queue.ready(self._now()))
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
            self._fail(run_id, death(self._runs[run_id], outcome, attempt=""))
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
        if self._queue.fail(run_id, failure, self._now()):
            self._reporter.failed(run_id, failure.reason.value, failure.message)
            logger.error("is given up: %s", failure.message, extra=self._about(run_id))
        else:
            self._reporter.stopped(run_id)
            logger.warning("is tried again: %s", failure.message, extra=self._about(run_id))

    def _verdict(self) -> int:
        """0 if all have their result; else the user's mistake before giving up."""
        codes = {failure.exit_code for failure in self._queue.failed.values()}
        if not codes:
            return ExitCode.SUCCESS
        return ExitCode.USER_ERROR if ExitCode.USER_ERROR in codes else ExitCode.GAVE_UP

    def _about(self, run_id: str) -> dict[str, object]:
        run = self._runs[run_id]
        return {"task": run.task, "run": run.run, "run_id": run_id}
