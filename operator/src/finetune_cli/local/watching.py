"""What the runs of a plan have left in the store so far, and how it is shown while they go on."""

import time
from dataclasses import dataclass, field

from rich.console import Group, RenderableType
from rich.progress import BarColumn, Progress, TextColumn
from rich.text import Text

from finetune_cli.fitted import table
from finetune_cli.local.planning import finished
from finetune_core.deciding.experiment.eta import remaining_seconds
from finetune_core.deciding.outcome import Outcome
from finetune_core.layout import ExperimentLayout, RunLayout
from finetune_core.planning.plan import Plan, PlannedRun
from finetune_core.results.best_run import best_run
from finetune_core.results.run import DriverReport, Phase, RunResult
from finetune_core.results.run import Progress as RunProgress
from finetune_core.tables import figures
from finetune_store import Store
from finetune_store.documents import find_or_warn

_LISTING_SECONDS = 5.0
"""How often the store is listed; between, what the driver reports is enough."""


@dataclass
class Watch:
    """A look at the store now and then: results, the driver's report, the progress of what is running."""

    store: Store
    plan: Plan
    report_key: str
    workers: int
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    report: DriverReport = field(default_factory=lambda: DriverReport(time=""))
    progress: dict[str, RunProgress] = field(default_factory=dict)
    _listed: float = -_LISTING_SECONDS

    def look(self) -> list[Outcome]:
        """Look again; the runs that ended since the last time. StoreError."""
        self.report = self._read_report()
        ended = set(self.report.done)
        if time.monotonic() - self._listed >= _LISTING_SECONDS:
            self._listed = time.monotonic()
            ended |= finished(self.store, self.plan)
        new = [run for run in self.plan.runs if run.run_id in ended - self.outcomes.keys()]
        found = [Outcome.of(result) for run in new if (result := self._result(run)) is not None]
        self.outcomes |= {outcome.run_id: outcome for outcome in found}
        running = [run for run in self.plan.runs if run.run_id in self.report.running]
        read = {run.run_id: self._progress(run) for run in running}
        self.progress = {run_id: progress for run_id, progress in read.items() if progress is not None}
        return found

    def eta(self) -> str | None:
        """About how long it still takes."""
        ended = self.outcomes.keys() | self.report.failed.keys()
        waiting = frozenset(run.run_id for run in self.plan.runs) - ended
        # The driver may do more at a time than it was told to: as many as there are GPUs.
        workers = max(self.workers, len(self.report.running))
        seconds = remaining_seconds(self.plan, self.outcomes, self.progress, waiting, parallelism=workers)
        return figures.eta(seconds)

    def _layout(self, run: PlannedRun) -> RunLayout:
        return ExperimentLayout(self.plan.namespace, self.plan.experiment).run(run.task, run.run_id)

    def _result(self, run: PlannedRun) -> RunResult | None:
        # Of one that cannot be read the report says what is wrong with it.
        result = find_or_warn(self.store, self._layout(run).result, RunResult)
        return result if result is not None and run.wrote(result) else None

    def _progress(self, run: PlannedRun) -> RunProgress | None:
        return find_or_warn(self.store, self._layout(run).progress, RunProgress)

    def _read_report(self) -> DriverReport:
        return find_or_warn(self.store, self.report_key, DriverReport) or self.report


def picture(watch: Watch) -> RenderableType:
    """The live picture: a row a task, a bar a running run, and how long it still takes."""
    plan = watch.plan
    ended = len(watch.outcomes) + len(watch.report.failed)
    summary = f"{figures.count(ended, len(plan.runs))} runs"
    eta = watch.eta()
    parts: list[RenderableType] = [
        table(["TASK", "RUNS>", "METRICS", "BEST>", "BEST RUN>"], [_row(watch, task) for task in plan.task_names]),
        _bars(watch),
        Text(f"{summary}, {eta} left" if eta else summary, style="bold"),
    ]
    return Group(*parts)


def line(plan: Plan, outcome: Outcome, done: int) -> str:
    """One line for a run that ended, where no person watches a terminal."""
    value = figures.named(outcome.metric, outcome.value)
    took = figures.duration(outcome.train_seconds)
    how = f"taken from {outcome.taken_from}, not trained" if outcome.taken_from else took
    return f"{outcome.task} run {outcome.run}: {value} at step {outcome.step}, {how} ({done} of {len(plan.runs)})"


def _row(watch: Watch, task: str) -> list[object]:
    runs = watch.plan.runs_of(task)
    found = [watch.outcomes[run.run_id] for run in runs if run.run_id in watch.outcomes]
    failed = sum(run.run_id in watch.report.failed for run in runs)
    best = best_run(found)
    return [
        task,
        figures.count(len(found), len(runs)) + (f", {failed} failed" if failed else ""),
        watch.plan.tasks[task].settings.metric_for_best_model,
        None if best is None else figures.metric(best.metric, best.value),
        None if best is None else best.run,
    ]


def _bars(watch: Watch) -> Progress:
    bars = Progress(
        TextColumn("  {task.description}", markup=False),
        BarColumn(30),
        TextColumn("{task.completed:.0f}/{task.total:.0f} steps"),
        TextColumn("{task.fields[phase]}", markup=False),
    )
    for run in watch.plan.runs:
        progress = watch.progress.get(run.run_id)
        if progress is not None:
            about = f"{run.task} run {run.run}"
            # What trains says it by its steps.
            phase = "" if progress.phase == Phase.TRAINING else progress.phase
            bars.add_task(about, total=progress.total_steps or 1, completed=progress.step, phase=phase)
    return bars
