"""One run, from its plan to result.json."""

import logging
import shutil
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from finetune_core.layout import ExperimentLayout, RunLayout
from finetune_core.planning.cost import FORWARD_SHARE
from finetune_core.planning.identity import RECIPE_VERSION
from finetune_core.planning.plan import ExecutionLimits, Plan, PlannedRun, TaskPlan
from finetune_core.results.run import FailureReason, ParameterCount, Phase, PredictionFile, RunResult, SparsityRecord
from finetune_core.tracking import TrackedRun
from finetune_store import Store
from finetune_trainer import hardware
from finetune_trainer.data.splits import Splits
from finetune_trainer.energy import Meter
from finetune_trainer.errors import GaveUpError, RunError, StoppedError
from finetune_trainer.inputs import Inputs
from finetune_trainer.model.loading import Head
from finetune_trainer.model.trained import count_parameters
from finetune_trainer.ranks import ALONE, Ranks
from finetune_trainer.run.assess import Assessor
from finetune_trainer.run.best import Best
from finetune_trainer.run.callbacks import RunCallback
from finetune_trainer.run.endings import now
from finetune_trainer.run.pace import Pace
from finetune_trainer.run.preparing import Preparation
from finetune_trainer.run.progress import Clock, Observer, Reporter, spent_before, unobserved
from finetune_trainer.run.signs import signs_of_moves
from finetune_trainer.run.training import RunTrainer, make_trainer
from finetune_trainer.signals import Stop
from finetune_trainer.sparse import SparsityGuard
from finetune_trainer.stored import publish
from finetune_trainer.stored.checkpoints import Checkpoints
from finetune_trainer.stored.taking import offer
from finetune_trainer.stored.written import config, put_json, versions
from finetune_trainer.tracking import RunTracking, Trackers

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Pod:
    """What the runs of a pod share; `patient` waits long for the store, `hasty` does not wait.

    `scope` is what failures count for, see `failure_scope`; `ranks` are the processes that do its runs together.
    """

    plan: Plan
    limits: ExecutionLimits
    patient: Store
    hasty: Store
    inputs: Inputs
    splits: Splits
    stop: Stop
    attempt: str
    image: str | None
    work: Path
    trackers: Trackers
    scope: str = ""
    ranks: Ranks = ALONE


class Run:
    """One attempt at one run; `observe` sees its evaluations and may end it by raising.

    Of several processes this is the first one, see `Follower` for the others.
    """

    def __init__(self, pod: Pod, planned: PlannedRun, *, observe: Observer = unobserved) -> None:
        self._pod = pod
        self._planned = planned
        self._task: TaskPlan = pod.plan.tasks[planned.task]
        experiment = ExperimentLayout(pod.plan.namespace, pod.plan.experiment)
        self._layout: RunLayout = experiment.run(planned.task, planned.run_id)
        self._started = now()
        self._folder = pod.work / "runs" / planned.run_id
        self._observe = observe
        self.loaded = False
        """Whether model and data were found to be usable."""

    def execute(self) -> RunResult:
        """Train, predict, publish; RunError (of some kind) if it does not come to a result."""
        self._pod.trackers.check()
        attempts = self._begin()
        before, spent = spent_before(self._pod.patient, self._layout)
        self._clock = Clock(
            before=before,
            timeout=self._pod.limits.run_timeout_seconds,
            attempts=attempts,
            stopped=lambda: self._pod.stop.is_set,
            gpus=hardware.gpus_held(),
            spent_before=spent,
            meter=Meter(),
        )
        self._reporter = Reporter(self._pod.hasty, self._layout, self._pod.attempt, self._clock, now, self._observe)
        self._clock.check()
        self._reporter.progress(0, self._task.settings.max_steps or 0, None, force=True)
        try:
            with signs_of_moves(self._reporter.renew):
                return self._train_and_publish(attempts)
        finally:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _begin(self) -> int:
        """Leave a mark of this attempt; how many there are now. GaveUpError if there are too many."""
        store, layout = self._pod.patient, self._layout
        put_json(store, f"{layout.attempt(self._pod.attempt)}/started.json", {"time": self._started})
        put_json(store, layout.config, config(self._pod.plan, self._planned))
        starts = f"{layout.attempts}/"
        names = {info.key.removeprefix(starts).partition("/")[0] for info in store.list(layout.attempts)}
        if len(names) > self._pod.limits.max_attempts:
            message = (
                f"the run was started {len(names)} times without coming to an end (evictions count here): see why its "
                "pods are disrupted, then set execution.retryToken"
            )
            raise GaveUpError(FailureReason.TOO_MANY_ATTEMPTS, message)
        return len(names)

    def _train_and_publish(self, attempts: int) -> RunResult:
        settings = self._task.settings
        pod, fold, ranks = self._pod, self._planned.fold, self._pod.ranks
        prepared = Preparation(pod.plan.model, self._task, pod.inputs, pod.splits, self._clock, fold, ranks)
        prepared.read_data()
        self._clock.check()
        ranks.told(pod.inputs.found())
        prepared.load_model(self._planned.seed)
        prepared.require_fit()
        model, head, assessor = prepared.model, prepared.head, prepared.assessor
        zeros, parameters = SparsityGuard(model), count_parameters(model)
        self.loaded = True
        prepared.require_length()
        prepared.require_metrics()
        weighted = prepared.weigh()
        best = Best(self._task)
        checkpoints = Checkpoints(self._pod.patient, self._layout, self._pod.attempt, self._folder)
        callback = RunCallback(
            best=best,
            clock=self._clock,
            reporter=self._reporter,
            checkpoints=checkpoints,
            zeros=zeros,
            interval_seconds=self._pod.limits.checkpoint_interval_seconds,
            pace=Pace(settings.eval_steps, prepared.dev_rows / settings.train_batch_size * FORWARD_SHARE),
        )

        def evaluate(current: Any) -> dict[str, float]:
            with self._reporter.evaluating():
                metrics, answers = assessor.evaluate(current, head, prepared.dev, trainer.compute_loss_context_manager)
                best.hear(answers)
                return metrics

        with self._tracked() as tracking:
            trainer = make_trainer(
                settings,
                model=model,
                tokens=prepared.train,
                collator=assessor.collate(model, prepared.train, head),
                evaluate=evaluate,
                callbacks=[*zeros.callbacks, callback, *tracking.callbacks],
                folder=self._folder,
                seed=self._planned.seed,
                weighted=weighted,
                ranks=ranks,
            )
            resumed = self._train(trainer, checkpoints, best)
        best.load_into(model)
        ranks.same_weights(model)
        predictions = self._predict(trainer, assessor, head) if self._pod.plan.predict else {}
        dev_predictions = assessor.write_answers(best.answers, head, prepared.dev, self._folder / publish.DEV)
        warnings = (*prepared.warnings(), *prepared.unkept(best.answers), *tracking.warnings)
        result = self._result(best, resumed, attempts, zeros.record(), warnings, assessor.sources, parameters)
        self._reporter.enter(Phase.UPLOADING)
        offer(self._pod.patient, self._pod.plan, self._pod.limits, self._planned)
        return publish.publish(
            self._pod.patient,
            self._layout,
            self._pod.plan,
            result.model_copy(update={"test_data": assessor.test_data(predictions)}),
            model=model,
            adapter=prepared.adapter,
            tokenizer=prepared.tokenizer,
            predictions=predictions,
            dev_predictions=dev_predictions,
            metrics=self._reporter.metrics_bytes(),
            checkpoints=checkpoints,
            folder=self._folder,
        )

    def _tracked(self) -> AbstractContextManager[RunTracking]:
        pod = self._pod
        run, key = TrackedRun.of(pod.plan, self._planned, pod.attempt), self._layout.tensorboard(pod.attempt)
        folder = self._folder / "tensorboard"
        return pod.trackers.follow(run, folder=folder, store=pod.hasty, key=key, waiting=self._clock.paused)

    def _train(self, trainer: RunTrainer, checkpoints: Checkpoints, best: Best) -> tuple[int, ...]:
        """Train to the end; the step that was resumed from. StoppedError if told to stop: the state is saved."""
        found = checkpoints.restore()
        folder, step = found or (None, None)
        if folder is not None:
            self._reporter.restore(best.restore(folder))
            logger.info("going on from the checkpoint of step %d", step)
        ranks = self._pod.ranks
        trainer.go_on(*ranks.told((folder, folder is not None and best.exhausted)))
        if ranks.told(self._pod.stop.is_set and trainer.state.global_step < trainer.state.max_steps):
            raise StoppedError(f"told to stop; step {trainer.state.global_step} is saved")
        return (found[1],) if found else ()

    def _predict(self, trainer: RunTrainer, assessor: Assessor, head: Head) -> dict[str, PredictionFile]:
        """Predict the test sets; told to stop, the next attempt starts from here and not from the last checkpoint."""
        autocast = trainer.compute_loss_context_manager
        self._reporter.enter(Phase.PREDICTING)
        return trainer.saving_state(
            lambda: assessor.predict(trainer.model, head, autocast, self._folder / publish.PREDICTIONS)
        )

    def _result(
        self,
        best: Best,
        resumed: tuple[int, ...],
        attempts: int,
        sparsity: SparsityRecord | None,
        warnings: tuple[str, ...],
        sources: set[str],
        parameters: ParameterCount | None,
    ) -> RunResult:
        plan, planned, settings = self._pod.plan, self._planned, self._task.settings
        if not best.last_metrics:
            raise RunError("the run ended without an evaluation")
        spent = self._clock.spent
        return RunResult(
            run_id=planned.run_id,
            task=planned.task,
            run=planned.run,
            seed=planned.seed,
            attempt=self._pod.attempt,
            metric=settings.metric_for_best_model,
            greater_is_better=self._task.greater_is_better,
            value=best.value,
            step=best.step,
            metrics=best.metrics,
            last_step=best.last_step,
            last_metrics=best.last_metrics,
            evaluations=len(self._reporter.evaluations),
            started_at=self._started,
            finished_at=now(),
            train_seconds=round(self._clock.elapsed, 2),
            gpu_seconds=spent.gpu_seconds,
            energy_joules=spent.joules,
            attempts=attempts,
            resumed_from=resumed,
            settings=settings.model_dump(mode="json", by_alias=True),
            model_uri=plan.model.uri,
            model_digest=plan.model.digest,
            data_digest=self._task.data.digest,
            recipe_version=RECIPE_VERSION,
            hardware=hardware.describe(self._pod.ranks.count),
            versions=versions(),
            image=self._pod.image,
            peak_memory_bytes=publish.peak_memory(),
            token_cache=" ".join(sorted(sources)),
            sparsity=sparsity,
            parameters=parameters,
            warnings=warnings,
        )
