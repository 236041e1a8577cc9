"""A driver: from the units that it is given to the end of their tasks, and an exit code that says how it went."""

import logging
import os
import time
import uuid
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime

from finetune_core.api.search import TrialScheduler
from finetune_core.layout import ExperimentLayout
from finetune_core.planning.search.plan import SearchJobPlan, SearchPlan, unit_name
from finetune_core.results.run import Failure, Hold
from finetune_core.results.search.best_trial import ranked
from finetune_core.results.search.trial import EndReason, TaskEnd, TaskStart, TrialResult
from finetune_core.search_layout import SearchLayout, TrialKind
from finetune_store import Store, StoreError, documents
from finetune_trainer.drive.local_pool import local_pool, visible_gpus
from finetune_trainer.drive.pool import Pool
from finetune_trainer.driver_report import DriverReporter
from finetune_trainer.errors import RunError, StoppedError, UserError
from finetune_trainer.search import verdict
from finetune_trainer.search.leases import Leases, heartbeat, now
from finetune_trainer.search.ledger import Ledger
from finetune_trainer.search.phase import Phase
from finetune_trainer.search.proposals import given, proposer
from finetune_trainer.search.trial_queue import TrialQueue
from finetune_trainer.search.trial_runner import TrialRunner
from finetune_trainer.search.trial_store import TrialStore
from finetune_trainer.search.trial_worker import TrialWork
from finetune_trainer.signals import StopFlag

logger = logging.getLogger(__name__)

_LEASE_SECONDS = 45.0
_BEAT_SECONDS = 5.0
_MAX_MESSAGE = 2000


class Driver:
    """Drives units (task, cluster) one after another. `ray` says whether this process runs on a Ray cluster."""

    def __init__(
        self,
        job: SearchJobPlan,
        units: tuple[tuple[str, int], ...],
        *,
        stores: tuple[Store, Store],
        uri: str,
        stop: StopFlag,
        ray: bool,
        patience: float,
        report_key: str | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._job = job
        self._plan: SearchPlan = job.plan
        self._units = units
        self._store, self._hasty = stores
        self._uri = uri
        self._stop = stop
        self._ray = ray
        self._patience = patience
        self._layout = SearchLayout(self._plan.namespace, self._plan.search)
        self._cluster = units[0][1]
        self._name = f"c{self._cluster}-{os.environ.get('FINETUNE_ATTEMPT') or uuid.uuid4().hex[:12]}"
        self._scope = os.environ.get("FINETUNE_SCOPE", "")
        self._current: TrialStore | None = None
        self._held = False
        self._lease = float(os.environ.get("FINETUNE_LEASE_SECONDS", _LEASE_SECONDS))
        self._leases = Leases(self._store, self._layout, seconds=self._lease, clock=clock)
        self._reporter = DriverReporter(self._hasty, report_key)

    def run(self) -> None:
        """Until every unit's task has its end. StoppedError if told to stop; UserError, StoreError."""
        for _ in self.steps():
            pass

    def steps(self) -> Iterator[None]:
        """What `run` does, with a break wherever workers are waited for: several drivers can so take turns."""
        units = [unit for unit in self._units if not self._has_end(unit[0])]
        for unit in self._units:
            if unit not in units:
                self._reporter.done(unit_name(unit))
        if not units:
            logger.info("nothing is left to do")
            return
        failures: list[UserError] = []
        with self._heartbeat(), self._pool() as pool:
            for unit in units:
                failures += yield from self._unit(pool, unit)
        if failures:
            raise failures[0]

    def _heartbeat(self) -> AbstractContextManager[object]:
        return heartbeat(
            self._hasty,
            self._layout,
            driver=self._name,
            cluster=self._cluster,
            seconds=min(_BEAT_SECONDS, self._lease / 4),
            running=self._running,
        )

    def _pool(self) -> AbstractContextManager[Pool]:
        job = self._job
        work = TrialWork(job.plan, job.limits, self._uri, self._name, self._patience)
        if not self._ray:
            return local_pool(work, job.concurrent_trials, visible_gpus())
        from finetune_trainer.drive.ray_pool import ray_pool  # noqa: PLC0415 - imports ray, after signals are heeded

        return ray_pool(work, self._stop, cpus=job.cpus_per_trial, gpus=job.gpus_per_trial)

    def _running(self) -> tuple[str, ...]:
        return () if self._current is None else self._current.running_names()

    def _unit(self, pool: Pool, unit: tuple[str, int]) -> Generator[None, None, list[UserError]]:
        """One unit; the user's mistake does not stop the other units."""
        self._reporter.running(unit_name(unit))
        try:
            yield from self._task(pool, unit[0])
        except UserError as error:
            logger.error("%s: %s", unit_name(unit), error)  # noqa: TRY400 - the message is what a person needs
            self._reporter.failed(unit_name(unit), error.reason.value, str(error))
            self._record(unit, error)
            return [error]
        except (StoppedError, StoreError):
            raise
        except Exception as error:
            self._record(unit, error)
            raise
        self._reporter.done(unit_name(unit))
        return []

    def _record(self, unit: tuple[str, int], error: Exception) -> None:
        """Failures count although their Job is gone (docs/decisions/0031)."""
        known = error if isinstance(error, RunError) else RunError(f"{type(error).__name__}: {error}")
        failure = Failure(
            reason=known.reason,
            message=str(known)[:_MAX_MESSAGE],
            run_id=unit_name(unit),
            task=unit[0],
            run=unit[1],
            attempt=self._name,
            exit_code=known.exit_code,
            time=now(),
            scope=self._scope,
        )
        try:
            self._hasty.put(self._layout.failure(unit[0], self._name), failure.to_json())
        except StoreError as away:
            logger.warning("the failure report is not saved: %s", away)

    def _task(self, pool: Pool, task: str) -> Iterator[None]:
        started = self._start(task)
        plan = self._plan

        def reason(results: list[TrialResult]) -> EndReason | None:
            return verdict.over(plan, task, results, started=started, now=datetime.now(UTC))

        self._held = False
        trials = yield from self._phase(
            pool, self._trials(task), lambda results: reason(results) is not None or self._holds()
        )
        ended = list(trials.results.values())
        why = reason(ended)
        if why is None and self._held:
            return
        if why is None:
            raise RunError(
                f"nothing is left to do, but the search on {task} is not over: {len(ended)} trials have ended"
            )
        finalists = 0
        if plan.finalists is not None and ended:
            phase = self._finalists(task, ended)
            finals = yield from self._phase(pool, phase, lambda _: self._holds())
            finalists = len(finals.results)
            if finalists < phase.count and self._held:
                return
        message = verdict.describe(plan, task, ended, why)
        end = TaskEnd(
            driver=self._name,
            reason=why,
            message=message,
            time=now(),
            ending=plan.ending(task),
            trials=len(ended),
            finalists=finalists,
        )
        if not self._store.create(self._layout.end(task), end.to_json()) and not self._has_end(task):
            # What lies there says nothing to anybody, or nothing of this plan.
            self._store.put(self._layout.end(task), end.to_json())
        logger.info("%s: %s", task, message)

    def _holds(self) -> bool:
        """Whether no trial is to begin; then the operator ends the task, or this is done again."""
        plan = self._plan
        key = ExperimentLayout(plan.namespace, plan.search).hold
        self._held = self._held or documents.find_or_warn(self._store, key, Hold) is not None
        return self._held

    def _phase(
        self, pool: Pool, phase: Phase, is_over: Callable[[list[TrialResult]], bool]
    ) -> Generator[None, None, TrialStore]:
        """Work through a phase. StoppedError if told to stop before its end."""
        self._current = trials = TrialStore(self._store, phase, self._leases, driver=self._name, cluster=self._cluster)
        queue = TrialQueue(trials, phase, lambda: is_over(list(trials.results.values())), clock=self._clock)
        ledger = Ledger(self._store, phase, trials)
        runner = TrialRunner(
            phase,
            trials=trials,
            queue=queue,
            ledger=ledger,
            pool=pool,
            stop=self._stop,
            retries=self._job.limits.retries,
            clock=self._clock,
        )
        yield from runner.steps()
        if self._stop.is_set:
            raise StoppedError("told to stop; what was running goes on from its last checkpoint")
        trials.refresh()
        return trials

    def _trials(self, task: str) -> Phase:
        return Phase(
            plan=self._plan,
            task=task,
            kind=TrialKind.TRIALS,
            count=self._plan.tasks[task].trials,
            seeds=self._plan.trial_seeds(task),
            scheduler=self._plan.scheduler,
            propose=proposer(self._plan, task),
        )

    def _finalists(self, task: str, trials: list[TrialResult]) -> Phase:
        wanted = self._plan.finalists.trials if self._plan.finalists else 0
        configs = [trial.config for trial in ranked(trials)[:wanted]]
        return Phase(
            plan=self._plan,
            task=task,
            kind=TrialKind.FINALISTS,
            count=len(configs),
            seeds=self._plan.finalist_seeds(task),
            scheduler=TrialScheduler.FIFO,
            propose=given(configs),
        )

    def _start(self, task: str) -> datetime:
        key, mine = self._layout.start(task), TaskStart(driver=self._name, time=now())
        self._store.create(key, mine.to_json())
        start = documents.find_or_warn(self._store, key, TaskStart)
        if start is None:
            self._store.put(key, mine.to_json())
            start = mine
        return datetime.fromisoformat(start.time)

    def _has_end(self, task: str) -> bool:
        end = documents.find_or_warn(self._store, self._layout.end(task), TaskEnd)
        return end is not None and end.is_by(self._plan.ending(task))
