"""A trial as Ray Tune sees it: each `step` trains every seed up to its next evaluation and reports their mean.

Nothing that the trial itself causes is raised: Tune would start it again. What may pass (the store is away) is.
"""

import logging
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ray import tune

from finetune_core.evaluation import Evaluation
from finetune_core.layout import ExperimentLayout
from finetune_core.plan import ExecutionLimits, PlannedRun
from finetune_core.results import ExitCode, RunResult
from finetune_core.search.plan import SearchPlan
from finetune_core.search.trials import TrialReport
from finetune_store import StoreError, documents
from finetune_trainer import drain, logs
from finetune_trainer.errors import DivergedError, MemoryExceededError, RunError
from finetune_trainer.progress import Observer
from finetune_trainer.search.messages import Ended, Message
from finetune_trainer.search.reports import mean_report
from finetune_trainer.signals import StopFile

if TYPE_CHECKING:
    from finetune_trainer.search.lockstep import Lockstep


@dataclass(frozen=True)
class Work:
    """What all trials of a Tuner share; travels to the worker processes. `stop_file` is the driver's, if it is near."""

    plan: SearchPlan
    task: str
    seeds: tuple[int, ...]
    limits: ExecutionLimits
    store: str
    driver: str
    stop_file: str
    patience: float


class TrialTrainable(tune.Trainable):
    """One trial after another in a worker process, which keeps model files and tokenised data."""

    _report: TrialReport | None
    _lockstep: "Lockstep"

    def setup(self, config: dict[str, Any], work: Work | None = None) -> None:
        """Called once a process: imports torch, opens the store."""
        if work is None:
            raise ValueError("a trial needs its work: use tune.with_parameters")
        logs.configure(os.environ.get("FINETUNE_LOG_FORMAT", "text"))
        logging.getLogger("ray.tune").setLevel(logging.WARNING)
        from finetune_trainer.pod import make_pod  # noqa: PLC0415 - torch takes seconds, and drivers do without it

        self._work = work
        first = work.plan.trial_plan(work.task, config["hyperparameters"], work.seeds)
        self._pod = make_pod(
            first,
            work.limits,
            store=work.store,
            attempt=work.driver,
            stop=StopFile(Path(work.stop_file)),
            patience=work.patience,
        )
        self._begin(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """The next trial in this process, unless its pod is to end."""
        self._lockstep.end()
        if drain.requested().is_set:
            return False
        self._begin(new_config)
        return True

    def cleanup(self) -> None:
        """The process ends; a trial that Tune has stopped ends here too."""
        self._lockstep.end()

    def step(self) -> dict[str, Any]:
        """Train up to the next evaluation."""
        try:
            with drain.busy():
                lines = self._lockstep.advance()
        except StoreError as error:
            if error.transient:
                raise
            return self._failed(error)
        except Exception as error:  # noqa: BLE001 - the boundary: one failed trial must not stop the search
            return self._failed(error)
        if lines is not None:
            self._report = mean_report(self._settings, lines)
            return self._message(None)
        return self._message(Ended())

    def _begin(self, config: dict[str, Any]) -> None:
        from finetune_trainer.search.lockstep import Lockstep  # noqa: PLC0415 - imports torch

        plan = self._work.plan.trial_plan(self._work.task, config["hyperparameters"], self._work.seeds)
        self._settings = plan.tasks[self._work.task].settings
        self._pod = replace(self._pod, plan=plan)
        self._report = None
        self._attempts = [_Attempt(self._pod, planned) for planned in plan.runs]
        self._lockstep = Lockstep([attempt.execute for attempt in self._attempts])

    def _failed(self, error: Exception) -> dict[str, Any]:
        from finetune_trainer.session import classify  # noqa: PLC0415 - imports torch

        known = classify(self._pod, self._pod.plan.runs[0], error)
        if known.exit_code == ExitCode.INTERRUPTED:
            self._save_others()
            return self._message(Ended(interrupted=True))
        if known is not error:
            logging.getLogger(__name__).error("the trial failed", exc_info=error)
        self._lockstep.end()
        inputs = known.exit_code == ExitCode.USER_ERROR and not isinstance(known, MemoryExceededError)
        usable = any(attempt.loaded for attempt in self._attempts)
        diverged = isinstance(known, DivergedError)
        return self._message(Ended(error=str(known), inputs=inputs and not usable, diverged=diverged))

    def _save_others(self) -> None:
        """Every other run of the trial saves its state too, now that all are told to stop."""
        while not self._lockstep.ended:
            try:
                self._lockstep.advance()
            except RunError as error:
                logging.getLogger(__name__).info("%s", error)
        self._lockstep.end()

    def _message(self, ended: Ended | None) -> dict[str, Any]:
        searched = self._work.plan.tasks[self._work.task]
        message = Message(report=self._report, ended=ended)
        return message.to_tune(self._settings.metric_for_best_model, greater_is_better=searched.greater_is_better)


class _Attempt:
    """An attempt at one run of the trial; a run that has its result shows the evaluations that led to it."""

    def __init__(self, pod: Any, planned: PlannedRun) -> None:
        self._pod = pod
        self._planned = planned
        self._is_loaded: Callable[[], bool] = lambda: False

    @property
    def loaded(self) -> bool:
        return self._is_loaded()

    def execute(self, observe: Observer) -> None:
        from finetune_trainer.run import Run  # noqa: PLC0415 - imports torch

        lines = self._finished()
        if lines is not None:
            for line in lines:
                observe(line)
            return
        run = Run(self._pod, self._planned, observe=observe)
        self._is_loaded = lambda: run.loaded
        run.execute()

    def _finished(self) -> tuple[Evaluation, ...] | None:
        experiment = ExperimentLayout(self._pod.plan.namespace, self._pod.plan.experiment)
        layout = experiment.run(self._planned.task, self._planned.run_id)
        result = documents.find(self._pod.patient, layout.result, RunResult)
        return None if result is None else documents.evaluations(self._pod.patient, layout.metrics(result.attempt))
