"""A driver: from the units that it is given to the end of their tasks, and an exit code that says how it went."""

import logging
import os
import tempfile
import uuid
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path

from finetune_core.search.best import ranked
from finetune_core.search.layout import SearchLayout, TrialKind
from finetune_core.search.plan import SearchJobPlan, SearchPlan, unit_name
from finetune_core.search.trials import EndReason, TaskEnd, TaskStart, TrialResult
from finetune_core.spec.search import TrialScheduler
from finetune_store import Store
from finetune_trainer import drain
from finetune_trainer.driver_report import DriverReporter
from finetune_trainer.errors import RunError, StoppedError, UserError
from finetune_trainer.rays import Slots, joined_ray, local_ray
from finetune_trainer.search import verdict
from finetune_trainer.search.board import Board
from finetune_trainer.search.leases import Leases, Pulse, now
from finetune_trainer.search.phase import Phase
from finetune_trainer.search.proposals import given, proposer
from finetune_trainer.search.tuning import Means, tune_phase
from finetune_trainer.signals import StopFlag

logger = logging.getLogger(__name__)

_LEASE_SECONDS = 45.0
_BEAT_SECONDS = 5.0


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
    ) -> None:
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
        self._name = f"c{self._cluster}-{uuid.uuid4().hex[:12]}"
        self._board: Board | None = None
        self._reporter = DriverReporter(self._hasty, report_key)

    def run(self) -> None:
        """Until every unit's task has its end. StoppedError if told to stop; UserError, StoreError."""
        units = [unit for unit in self._units if not self._has_end(unit[0])]
        for unit in self._units:
            if unit not in units:
                self._reporter.done(unit_name(unit))
        if not units:
            logger.info("nothing is left to do")
            return
        lease = float(os.environ.get("FINETUNE_LEASE_SECONDS", _LEASE_SECONDS))
        leases = Leases(self._store, self._layout, seconds=lease)
        beat = min(_BEAT_SECONDS, lease / 4)
        pulse = Pulse(
            self._hasty,
            self._layout,
            driver=self._name,
            cluster=self._cluster,
            seconds=beat,
            running=self._running,
        )
        failures: list[UserError] = []
        with tempfile.TemporaryDirectory(prefix="driver-") as folder, pulse, self._joined() as slots:
            # Trials on other nodes are told by the hook of their own pod.
            stop_file = drain.request_file() if self._ray else Path(folder) / "stop"
            # Ray has put a handler of its own in place.
            self._stop.install(stop_file.touch)
            means = Means(
                store=self._store,
                uri=self._uri,
                limits=self._job.limits,
                driver=self._name,
                cluster=self._cluster,
                leases=leases,
                slots=slots,
                stop=self._stop,
                stop_file=stop_file,
                patience=self._patience,
            )
            for unit in units:
                failures += self._unit(means, unit)
        if failures:
            raise failures[0]

    def _joined(self) -> AbstractContextManager[Slots]:
        cpus, gpus = self._job.cpus_per_trial, self._job.gpus_per_trial
        if self._ray:
            return joined_ray(cpus=cpus, gpus=gpus)
        return local_ray(self._job.concurrent_trials, cpus=cpus, gpus=gpus)

    def _running(self) -> tuple[str, ...]:
        board = self._board
        return () if board is None else board.running_names()

    def _unit(self, means: Means, unit: tuple[str, int]) -> list[UserError]:
        """One unit; the user's mistake does not stop the other units."""
        self._reporter.running(unit_name(unit))
        try:
            self._task(means, unit[0])
        except UserError as error:
            logger.error("%s: %s", unit_name(unit), error)  # noqa: TRY400 - the message is what a person needs
            self._reporter.failed(unit_name(unit), error.reason.value, str(error))
            return [error]
        self._reporter.done(unit_name(unit))
        return []

    def _task(self, means: Means, task: str) -> None:
        started = self._start(task)
        plan = self._plan

        def reason(results: list[TrialResult]) -> EndReason | None:
            return verdict.over(plan, task, results, started=started, now=datetime.now(UTC))

        trials = self._phase(means, self._trials(task), lambda results: reason(results) is not None)
        ended = list(trials.results.values())
        why = reason(ended)
        if why is None:
            raise RunError(f"Tune ended, but the search on {task} is not over: {len(ended)} trials have ended")
        if plan.finalists is not None and ended:
            self._phase(means, self._finalists(task, ended), lambda _: False)
        message = verdict.describe(plan, task, ended, why)
        end = TaskEnd(driver=self._name, reason=why, message=message, time=now())
        self._store.create(self._layout.end(task), end.to_json())
        logger.info("%s: %s", task, message)

    def _phase(self, means: Means, phase: Phase, is_over: Callable[[list[TrialResult]], bool]) -> Board:
        """Work through a phase. StoppedError if told to stop before its end."""
        board = tune_phase(means, phase, is_over, self._watch)
        if self._stop.is_set:
            raise StoppedError("told to stop; what was running goes on from its last checkpoint")
        return board

    def _watch(self, board: Board) -> None:
        self._board = board

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
        configs = [one.config for one in ranked(trials)[:wanted]]
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
        key = self._layout.start(task)
        self._store.create(key, TaskStart(driver=self._name, time=now()).to_json())
        start = TaskStart.model_validate_json(self._store.get(key))
        return datetime.fromisoformat(start.time)

    def _has_end(self, task: str) -> bool:
        return self._store.stat(self._layout.end(task)) is not None
