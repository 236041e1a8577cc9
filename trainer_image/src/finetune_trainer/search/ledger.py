"""The trials that this driver runs: their reports, and the result that each leaves in the store."""

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from pydantic import ValidationError

from finetune_core.layout import ExperimentLayout, RunLayout
from finetune_core.results.run import Progress, RunResult
from finetune_core.results.search.best_trial import best_trial
from finetune_core.results.search.trial import TrialReport, TrialResult, TrialState
from finetune_core.tables import figures
from finetune_store import Store, StoreError, delete_tree
from finetune_store.documents import find_or_warn
from finetune_trainer.search.leases import now
from finetune_trainer.search.phase import Phase
from finetune_trainer.search.reports import best_report
from finetune_trainer.search.trial_queue import Taken
from finetune_trainer.search.trial_store import TrialStore

logger = logging.getLogger(__name__)

_MAX_ERROR = 2000


@dataclass
class _Open:
    taken: Taken
    started_at: str
    began: float
    history: dict[int, TrialReport] = field(default_factory=dict)
    """By step."""

    def reports(self) -> list[TrialReport]:
        return [self.history[step] for step in sorted(self.history)]


class Ledger:
    """Reports come in, results go out. Everything is written before the trial's process is told to end."""

    def __init__(self, store: Store, phase: Phase, trials: TrialStore) -> None:
        self._store = store
        self._phase = phase
        self._trials = trials
        self._open: dict[int, _Open] = {}
        self.reported = False
        """Whether any trial of this driver has reported anything: then model and data can be used."""

    def start(self, taken: Taken) -> None:
        """A trial begins."""
        self._open[taken.index] = _Open(taken, now(), time.monotonic())
        text = figures.settings(taken.config)
        logger.info("%s of %d starts: %s", self._phase.name(taken.index), self._phase.count, text, extra=self._about())

    def report(self, index: int, report: TrialReport) -> bool:
        """A trial has been evaluated; whether this evaluation is new: a trial that begins again repeats its own."""
        self.reported = True
        history = self._open[index].history
        new = report.step not in history
        history[report.step] = report
        return new

    def history(self, index: int) -> list[TrialReport]:
        """What a trial that is being run has reported, by step."""
        return self._open[index].reports()

    def others(self, index: int) -> list[Sequence[TrialReport]]:
        """What the trials reported that it is compared with: those being run here, and those that ended anywhere."""
        ended = [
            result.history
            for result in self._trials.results.values()
            if result.index not in self._open and result.duplicate_of is None and result.state != TrialState.FAILED
        ]
        return [*(opened.reports() for place, opened in self._open.items() if place != index), *ended]

    def forget(self, index: int) -> None:
        """A trial was interrupted: it has no result, and whoever takes it over goes on from its checkpoints."""
        self._open.pop(index, None)
        self._trials.give_up(index)

    def end(self, index: int, state: TrialState, error: str | None = None, *, diverged: bool = False) -> TrialResult:
        """Record how a trial ended; StoreError."""
        opened = self._open.pop(index)
        made = self._result(opened, state, error)
        update = {"diverged": diverged, **self._of_runs(made)}
        result = self._trials.record(made.model_copy(update=update))
        if state != TrialState.COMPLETED:
            self._drop_checkpoints(result)
        self._tell(result)
        return result

    def _result(self, opened: _Open, state: TrialState, error: str | None) -> TrialResult:
        phase, searched = self._phase, self._phase.searched
        metric = searched.settings.metric_for_best_model
        history = tuple(opened.reports())
        best = best_report(history, metric, greater_is_better=searched.greater_is_better)
        settings, run_ids = self._planned(opened)
        last = history[-1] if history else None
        return TrialResult(
            trial_id=phase.trial_id(opened.taken.config),
            task=phase.task,
            index=opened.taken.index,
            state=state,
            config=opened.taken.config,
            settings=settings,
            metric=metric,
            greater_is_better=searched.greater_is_better,
            value=best.metrics[metric] if best else None,
            step=best.step if best else 0,
            total_steps=round(last.step / last.progress) if last and last.progress else 0,
            metrics=best.metrics if best else {},
            seeds=phase.seeds,
            run_ids=run_ids,
            history=history,
            error=error[:_MAX_ERROR] if error else None,
            driver=self._trials.me[0],
            cluster=self._trials.me[1],
            started_at=opened.started_at,
            finished_at=now(),
            seconds=last.seconds if last else round(time.monotonic() - opened.began, 2),
        )

    def _of_runs(self, made: TrialResult) -> dict[str, object]:
        """What its runs tell: the GPU time that they took, and who trained runs of a completed trial elsewhere."""
        root = ExperimentLayout(self._phase.plan.namespace, self._phase.plan.search)
        layouts = [root.run(made.task, run_id) for run_id in made.run_ids]
        results = [find_or_warn(self._store, layout.result, RunResult) for layout in layouts]
        taken = {result.taken_from for result in results if result is not None and result.taken_from}
        spent = sum(map(self._gpu_seconds, layouts, results))
        completed = made.state == TrialState.COMPLETED
        return {"taken_from": tuple(sorted(taken)) if completed else (), "gpu_seconds": round(spent, 2)}

    def _gpu_seconds(self, layout: RunLayout, result: RunResult | None) -> float:
        if result is not None:
            return result.spent_here.gpu_seconds
        progress = find_or_warn(self._store, layout.progress, Progress)
        return 0.0 if progress is None else progress.gpu_seconds

    def _planned(self, opened: _Open) -> tuple[dict[str, object], tuple[str, ...]]:
        try:
            plan = self._phase.plan.trial_plan(self._phase.task, opened.taken.config, self._phase.seeds)
        except ValidationError:  # its values are out of bounds: it failed without a run
            return {}, ()
        settings = plan.tasks[self._phase.task].settings
        return settings.model_dump(mode="json", by_alias=True), tuple(run.run_id for run in plan.runs)

    def _drop_checkpoints(self, result: TrialResult) -> None:
        experiment = ExperimentLayout(self._phase.plan.namespace, self._phase.plan.search)
        for run_id in result.run_ids:
            try:
                delete_tree(self._store, experiment.run(result.task, run_id).checkpoint)
            except StoreError as error:
                logger.warning("checkpoints of %s stay for now: %s", self._phase.name(result.index), error)

    def _tell(self, result: TrialResult) -> None:
        ended = self._trials.results
        best = best_trial(ended.values())
        best_text = "none"
        if best is not None:
            best_text = f"{figures.named(best.metric, best.value)} ({self._phase.name(best.index)})"
        logger.log(
            logging.INFO if result.state != TrialState.FAILED else logging.ERROR,
            "%s %s: %s at step %d; best %s; %d of %d ended%s",
            self._phase.name(result.index),
            result.state.value.lower(),
            figures.named(result.metric, result.value),
            result.step,
            best_text,
            len(ended),
            self._phase.count,
            f": {result.error}" if result.error else "",
            extra=self._about(),
        )

    def _about(self) -> dict[str, str]:
        return {"task": self._phase.task}
