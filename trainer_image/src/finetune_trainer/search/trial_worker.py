"""A trial in its worker's process: each step trains every seed up to its next evaluation and reports their mean.

The exit code of a trial's failure says what its driver is to do: RETRY, STORE, INTERRUPTED as for runs; USER_ERROR:
model or data cannot be used, which no other trial could either; GAVE_UP: this trial failed.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from finetune_core.layout import ExperimentLayout
from finetune_core.planning.plan import ExecutionLimits, Plan, PlannedRun
from finetune_core.planning.search.plan import SearchPlan
from finetune_core.planning.settings import Config
from finetune_core.results.evaluation import Evaluation
from finetune_core.results.run import ExitCode, Failure, FailureReason, RunResult
from finetune_store import documents
from finetune_trainer import drain
from finetune_trainer.drive.worker import Report, Steps
from finetune_trainer.errors import RunError
from finetune_trainer.run.progress import Observer
from finetune_trainer.search.reports import mean_report
from finetune_trainer.signals import Stop

if TYPE_CHECKING:
    from finetune_trainer.run.run import Pod

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrialOrder:
    """A trial that a worker is to do."""

    task: str
    config: Config
    seeds: tuple[int, ...]


@dataclass(frozen=True)
class TrialWork:
    """The trials of a search, by TrialOrder; `driver` names the attempts at their runs."""

    modules: ClassVar[tuple[str, ...]] = ("finetune_trainer.pod", "finetune_trainer.search.lockstep")

    plan: SearchPlan
    limits: ExecutionLimits
    store: str
    driver: str
    patience: float

    def worker(self, stop: Stop) -> "TrialWorker":
        """A worker in this process; imports torch."""
        return TrialWorker(self, stop)


class TrialWorker:
    """Does trials, of any task of the search."""

    def __init__(self, work: TrialWork, stop: Stop) -> None:
        import finetune_trainer.pod  # noqa: F401, PLC0415 - torch takes seconds: while the driver claims a trial

        self._work = work
        self._stop = stop
        self._pod: Pod | None = None

    def do(self, order: TrialOrder) -> Steps:
        """A trial, from its runs' checkpoints or results where there are some."""
        plan = self._work.plan.trial_plan(order.task, order.config, order.seeds)
        self._pod = replace(self._pod, plan=plan) if self._pod else self._open(plan)
        with drain.busy():
            return (yield from _Trial(self._pod).steps())

    def _open(self, plan: Plan) -> "Pod":
        from finetune_trainer.pod import make_pod  # noqa: PLC0415 - imports torch

        work = self._work
        return make_pod(
            plan, work.limits, store=work.store, attempt=work.driver, stop=self._stop, patience=work.patience
        )

    def leave(self) -> None:
        """No more trials will come."""
        if self._pod is not None:
            self._pod.trackers.leave(ExitCode.SUCCESS)


class _Trial:
    """The runs of a trial, one a seed."""

    def __init__(self, pod: "Pod") -> None:
        from finetune_trainer.search.lockstep import Lockstep  # noqa: PLC0415 - imports torch

        self._pod = pod
        self._settings = pod.plan.tasks[pod.plan.runs[0].task].settings
        self._attempts = [_Attempt(pod, planned) for planned in pod.plan.runs]
        self._lockstep = Lockstep([attempt.execute for attempt in self._attempts])

    def steps(self) -> Steps:
        try:
            while (lines := self._lockstep.advance()) is not None:
                yield Report(mean_report(self._settings, lines))
        except Exception as error:  # noqa: BLE001 - the boundary: one failed trial must not stop the search
            return self._failure(error)
        finally:
            self._lockstep.end()
        return None

    def _failure(self, error: Exception) -> Failure:
        from finetune_trainer.run.session import failure_of  # noqa: PLC0415 - imports torch

        failure = failure_of(self._pod, self._pod.plan.runs[0], error)
        if failure.exit_code == ExitCode.INTERRUPTED:
            self._save_others()
            return failure
        if failure.traceback is not None:
            logger.error("the trial failed", exc_info=error)
        if failure.exit_code != ExitCode.USER_ERROR or not self._is_the_trials(failure):
            return failure
        return failure.model_copy(update={"exit_code": ExitCode.GAVE_UP})

    def _is_the_trials(self, mistake: Failure) -> bool:
        """Whether another trial may be spared it: model and data can be used."""
        usable = any(attempt.loaded for attempt in self._attempts)
        return usable or mistake.reason == FailureReason.OUT_OF_MEMORY

    def _save_others(self) -> None:
        """Every other run of the trial saves its state too, now that all are told to stop."""
        while not self._lockstep.ended:
            try:
                self._lockstep.advance()
            except RunError as error:
                logger.info("%s", error)


class _Attempt:
    """An attempt at one run of the trial; one that has its result, or takes it, shows the evaluations before it."""

    def __init__(self, pod: "Pod", planned: PlannedRun) -> None:
        self._pod = pod
        self._planned = planned
        self._is_loaded: Callable[[], bool] = lambda: False

    @property
    def loaded(self) -> bool:
        return self._is_loaded()

    def execute(self, observe: Observer) -> None:
        from finetune_trainer.run.run import Run  # noqa: PLC0415 - imports torch

        lines = self._finished()
        if lines is not None:
            for line in lines:
                observe(line)
            return
        run = Run(self._pod, self._planned, observe=observe)
        self._is_loaded = lambda: run.loaded
        run.execute()

    def _finished(self) -> tuple[Evaluation, ...] | None:
        from finetune_trainer.run.session import taker_of  # noqa: PLC0415 - imports torch

        if not taker_of(self._pod).has(self._planned, self._pod.attempt):
            return None
        experiment = ExperimentLayout(self._pod.plan.namespace, self._pod.plan.experiment)
        layout = experiment.run(self._planned.task, self._planned.run_id)
        result = documents.find(self._pod.patient, layout.result, RunResult)
        return None if result is None else documents.evaluations(self._pod.patient, layout.metrics(result.attempt))
