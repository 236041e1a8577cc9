"""What the page of an experiment shows, from what its store holds. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from finetune_client.overview import Mood, Overview
from finetune_core.planning.plan import Plan
from finetune_core.results.document import build_document
from finetune_core.results.run import Failure
from finetune_core.results.schema import ResultsDocument, RunState, TaskRow
from finetune_core.tables import experiment as tables
from finetune_core.tables import figures
from finetune_kube.kinds import EXPERIMENT
from finetune_report.records import RunRecord, State
from finetune_ui.drawing.choice import Choice, offered
from finetune_ui.drawing.curves import learning_curves, measured
from finetune_ui.drawing.figure import Chart
from finetune_ui.drawing.scores import score_chart
from finetune_ui.runs import percent, steps_of

RUNS_HEADER = ("Compare", "Task", "Run", "State", "Progress", "Value", "Last sign", "Seed", "Run id")
FAILURES_HEADER = ("Task", "Run", "When", "Why")


@dataclass(frozen=True)
class RunLine:
    """A run: `cells` beside the state and its progress in per cent; `best` is the best of its task."""

    task: str
    run: int
    state: str
    percent: int
    steps: str
    value: str
    seen: str
    seed: int
    run_id: str
    best: bool


@dataclass(frozen=True)
class ExperimentPage:
    """Scores, the table of tasks, charts, a line a run, why runs failed; `offered` are the curves to choose from."""

    scores: tuple[str, ...]
    table_header: tuple[str, ...]
    table: tuple[tuple[str, ...], ...]
    charts: tuple[Chart, ...]
    scores_chart: tuple[Chart, ...]
    choice: Choice
    offered: tuple[str, ...]
    runs: tuple[RunLine, ...]
    failures: tuple[tuple[str, ...], ...]
    runs_header: tuple[str, ...] = RUNS_HEADER
    failures_header: tuple[str, ...] = FAILURES_HEADER


def in_force(records: Iterable[RunRecord], failed: frozenset[str] | None) -> tuple[RunRecord, ...]:
    """Runs that failed but are not among `failed` are to be tried again; None: the store alone tells."""
    return tuple(
        replace(record, state=State.PENDING)
        if failed is not None and record.state == State.FAILED and record.run.run_id not in failed
        else record
        for record in records
    )


def document_now(plan: Plan, records: Iterable[RunRecord]) -> ResultsDocument:
    """The results over the runs that have ended; it says of no place."""
    found = list(records)
    return build_document(
        plan,
        {record.run.run_id: record.result for record in found if record.result is not None},
        {record.run.run_id: record.failure for record in found if record.state == State.FAILED},
        uri="",
        models={},
        progress={record.run.run_id: record.progress for record in found if record.progress is not None},
    )


def experiment_page(
    plan: Plan, records: Sequence[RunRecord], document: ResultsDocument, now: datetime, choice: Choice
) -> ExperimentPage:
    """The page as the store has it now (`document_now`), its curves as they were chosen."""
    by_task = {task.task: task for task in document.tasks}
    scored = [score for score in (document.glue, document.bert_average) if score.value is not None]
    return ExperimentPage(
        scores=(
            *(tables.score_line(score).replace("**", "").removeprefix("- ") for score in scored),
            *filter(None, [tables.cost_line(document)]),
        ),
        table_header=tables.task_header(document.tasks),
        table=tables.task_cells(document.tasks),
        charts=tuple(learning_curves(plan, document, records, choice)),
        scores_chart=tuple(score_chart([(plan.experiment, document)])),
        choice=choice,
        offered=tuple(offered(measured(records))),
        runs=tuple(_line(plan, by_task[record.run.task], record, now) for record in records),
        failures=tuple(_failure(record, record.failure, now) for record in records if record.failure is not None),
    )


def head_in_store(document: ResultsDocument, *, reported: bool, begun: bool = True) -> Overview:
    """The head where no cluster tells, on the list as on its own page.

    `document` is the report of this plan (`reported`), or what the runs have left so far; `begun`: any of them has.
    """
    status, mood = _outcome(document, reported=reported, begun=begun)
    return Overview(
        kind=EXPERIMENT,
        namespace=document.namespace,
        name=document.experiment,
        state=status,
        mood=mood,
        done=sum(run.state != RunState.MISSING for run in document.runs),
        total=len(document.runs),
        failed=len(document.failed()),
        score=document.glue.text or "",
        gpu_hours=figures.gpu_hours(document.gpu_seconds) if document.gpu_seconds else "",
        energy_kwh="" if document.spent.joules is None else figures.energy(document.spent.joules),
        model=document.model_uri,
    )


def _outcome(document: ResultsDocument, *, reported: bool, begun: bool) -> tuple[str, Mood]:
    """In the operator's words."""
    if reported:
        if any(task.best is None for task in document.tasks):
            return "TaskFailed", Mood.BAD
        return ("SomeRunsFailed" if document.failed() else "AllRunsSucceeded"), Mood.GOOD
    if not begun:
        return "Pending", Mood.IDLE
    waited_for = any(run.state == RunState.MISSING for run in document.runs)
    return ("Running" if waited_for else "Reporting"), Mood.BUSY


def _line(plan: Plan, task: TaskRow, record: RunRecord, now: datetime) -> RunLine:
    run, progress, result = record.run, record.progress, record.result
    step, total = steps_of(record)
    left = progress.seconds_left if progress and record.state == State.RUNNING else None
    value = result.value if result else _best_so_far(plan, run.task, record)
    return RunLine(
        task=run.task,
        run=run.run,
        state=record.state.value,
        percent=percent(record),
        steps=(figures.count(step, total) if total else "")
        + (f", {figures.duration(left)} left" if left is not None else ""),
        value="" if value is None else figures.metric(task.metric, value),
        seen=_seen(record, now),
        seed=run.seed,
        run_id=run.run_id,
        best=task.best is not None and task.best.run_id == run.run_id,
    )


def _seen(record: RunRecord, now: datetime) -> str:
    if record.result is not None:
        return f"taken from {record.result.taken_from}" if record.result.taken_from else ""
    if record.progress is None or record.state != State.RUNNING:
        return ""
    return f"{figures.age(record.progress.time, now)} ago"


def _failure(record: RunRecord, failure: Failure, now: datetime) -> tuple[str, ...]:
    again = "" if record.state == State.FAILED else ", to be tried again"
    why = f"{failure.reason.value}: {failure.message}"
    return record.run.task, str(record.run.run), f"{figures.age(failure.time, now)} ago{again}", why


def _best_so_far(plan: Plan, task: str, record: RunRecord) -> float | None:
    metric = plan.tasks[task].settings.metric_for_best_model
    more = plan.tasks[task].greater_is_better
    measured = (evaluation.metrics.get(metric) for evaluation in record.evaluations)
    values = [value for value in measured if value is not None]
    return (max(values) if more else min(values)) if values else None
