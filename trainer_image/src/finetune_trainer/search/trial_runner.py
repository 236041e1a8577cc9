"""The trials, or the finalists, of a task: claimed in the store, done by a pool, judged by reports, recorded."""

import logging
import math
import time
from collections import Counter
from collections.abc import Callable, Iterator

from finetune_core.deciding.early_stopping import lags
from finetune_core.planning.settings import trial_settings
from finetune_core.results.run import ExitCode, Failure, FailureReason
from finetune_core.results.search.trial import TrialReport, TrialState
from finetune_core.search_layout import TrialKind
from finetune_store import OfTheStoreError
from finetune_trainer.drive.pool import Answer, LostError, Pool
from finetune_trainer.drive.queue import pause_seconds
from finetune_trainer.drive.worker import Report
from finetune_trainer.errors import UserError
from finetune_trainer.search.ledger import Ledger
from finetune_trainer.search.phase import Phase
from finetune_trainer.search.trial_queue import Nothing, Taken, TrialQueue
from finetune_trainer.search.trial_store import TrialStore
from finetune_trainer.search.trial_worker import TrialOrder
from finetune_trainer.search.verdict import reaches
from finetune_trainer.signals import Stop

logger = logging.getLogger(__name__)

_WAIT_SECONDS = 1.0


class TrialRunner:
    """Works through a phase, as many trials at a time as the pool has workers for.

    `retries`: how often a trial whose worker died, or that failed in a way that may pass, is begun again from its
    checkpoints; each time it waits longer, as a run does. A worker that was lost with its node costs none.
    """

    def __init__(
        self,
        phase: Phase,
        *,
        trials: TrialStore,
        queue: TrialQueue,
        ledger: Ledger,
        pool: Pool,
        stop: Stop,
        retries: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._phase = phase
        self._trials = trials
        self._queue = queue
        self._ledger = ledger
        self._pool = pool
        self._stop = stop
        self._retries = retries
        self._clock = clock
        self._running: dict[str, Taken] = {}
        self._again: list[tuple[float, Taken]] = []
        self._tries: Counter[int] = Counter()
        self._obstacle: UserError | OfTheStoreError | None = None

    def steps(self) -> Iterator[None]:
        """Until nothing is left to do here, or told to stop; each step ends where the workers are waited for.

        UserError if model or data cannot be used; StoreError, also where only the workers met it.
        """
        told = False
        while self._hand_out() or self._running:
            if self._stop.is_set and not told:
                told = True
                self._pool.stop()
            yield
            for answer in self._pool.wait(_WAIT_SECONDS):
                self._settle(answer)
        if self._obstacle is not None:
            raise self._obstacle

    def _hand_out(self) -> bool:
        """Begin the trials that there is room for; whether there may be more, sooner or later."""
        if self._stop.is_set or self._obstacle:
            for _, waiting in self._again:
                self._ledger.forget(waiting.index)
            self._again = []
            return False
        while self._pool.room(1):
            taken = self._due() or self._next()
            if isinstance(taken, Nothing):
                return bool(self._again) or not taken.finished
            name = f"{self._phase.task} {self._phase.name(taken.index)}"
            self._running[name] = taken
            self._pool.start(name, TrialOrder(self._phase.task, taken.config, self._phase.seeds))
        return True

    def _due(self) -> Taken | None:
        """The trial that has waited longest of those that are to be begun again by now."""
        since, taken = min(self._again, key=lambda waiting: waiting[0], default=(math.inf, None))
        if taken is None or since > self._clock():
            return None
        self._again.remove((since, taken))
        return taken

    def _next(self) -> Taken | Nothing:
        """The next trial that has settings; one whose values are out of bounds is recorded as failed."""
        while True:
            taken = self._queue.next()
            if isinstance(taken, Nothing):
                return taken
            self._ledger.start(taken)
            try:
                trial_settings(self._phase.searched.settings, taken.config)
            except ValueError as error:
                self._ledger.end(taken.index, TrialState.FAILED, str(error))
            else:
                return taken

    def _settle(self, answer: Answer) -> None:
        if isinstance(answer.outcome, Report):
            self._judge(answer.name, self._running[answer.name].index, answer.outcome.evaluation)
            return
        taken, outcome = self._running.pop(answer.name), answer.outcome
        if outcome is None:
            self._complete(taken.index)
        elif isinstance(outcome, Failure) and outcome.exit_code != ExitCode.RETRY:
            self._fail(taken.index, outcome)
        elif isinstance(outcome, LostError):
            self._begin_again(taken, str(outcome), pause=0)
        else:
            self._try_again(taken, outcome.message if isinstance(outcome, Failure) else str(outcome))

    def _judge(self, name: str, index: int, report: TrialReport) -> None:
        new = self._ledger.report(index, report)
        if new and report.progress < 1 and (self._reaches_goal(report) or self._lags(index)):
            # Written before its worker is told: what is told twice is done once.
            self._ledger.end(index, TrialState.STOPPED)
            del self._running[name]
            self._pool.end(name)
        else:
            self._pool.go_on(name)

    def _reaches_goal(self, report: TrialReport) -> bool:
        """Whether this trial, or any that has ended, is as good as the goal."""
        phase, searched = self._phase, self._phase.searched
        if phase.kind != TrialKind.TRIALS:
            return False
        values = [report.metrics.get(searched.settings.metric_for_best_model)]
        values += [trial.value for trial in self._trials.results.values()]
        return any(reaches(searched.goal, value, greater_is_better=searched.greater_is_better) for value in values)

    def _lags(self, index: int) -> bool:
        searched = self._phase.searched
        return lags(
            self._phase.scheduler,
            self._phase.plan.asha,
            self._ledger.history(index),
            self._ledger.others(index),
            metric=searched.settings.metric_for_best_model,
            greater_is_better=searched.greater_is_better,
        )

    def _complete(self, index: int) -> None:
        if self._ledger.history(index):
            self._ledger.end(index, TrialState.COMPLETED)
        else:
            self._ledger.end(index, TrialState.FAILED, "the trial ended without an evaluation")

    def _fail(self, index: int, failure: Failure) -> None:
        if failure.exit_code == ExitCode.INTERRUPTED:
            self._ledger.forget(index)
        elif failure.exit_code == ExitCode.STORE:
            # In the way of every trial, and the fault of none.
            self._obstacle = self._obstacle or OfTheStoreError(failure.message)
            self._ledger.forget(index)
        elif failure.exit_code == ExitCode.USER_ERROR and not self._ledger.reported:
            self._obstacle = self._obstacle or UserError(failure.message)
            self._ledger.forget(index)
        else:
            diverged = failure.reason == FailureReason.DIVERGED
            self._ledger.end(index, TrialState.FAILED, failure.message, diverged=diverged)

    def _try_again(self, taken: Taken, why: str) -> None:
        self._tries[taken.index] += 1
        tries = self._tries[taken.index]
        if tries > self._retries:
            self._ledger.end(taken.index, TrialState.FAILED, f"begun {tries} times, and at last: {why}")
        else:
            self._begin_again(taken, why, pause=pause_seconds(tries))

    def _begin_again(self, taken: Taken, why: str, *, pause: float) -> None:
        when = f"in {pause:.0f} s" if pause else "at once"
        name = self._phase.name(taken.index)
        logger.warning("%s is begun again %s: %s", name, when, why, extra={"task": self._phase.task})
        self._again.append((self._clock() + pause, taken))
