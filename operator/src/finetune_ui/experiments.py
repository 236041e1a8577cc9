"""What the page of an experiment shows, from what its store holds. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from finetune_client.overview import Mood, Overview
from finetune_core.planning.plan import Plan
from finetune_core.results.document import build_document
from finetune_core.results.run import Failure
from finetune_core.results.schema import ResultsDocument, TaskRow
from finetune_core.tables import experiment as tables
from finetune_core.tables import figures
from finetune_kube.kinds import EXPERIMENT
from finetune_report.records import RunRecord, State
from finetune_ui.charts import Chart, learning_curves, spread

RUNS_HEADER = ("Task", "Run", "State", "Progress", "Value", "Last sign", "Seed", "Run id")
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
    """Scores, the table of tasks, charts, a line a run, and why runs failed."""

    scores: tuple[str, ...]
    table_header: tuple[str, ...]
    table: tuple[tuple[str, ...], ...]
    charts: tuple[Chart, ...]
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


def document_now(plan: Plan, records: Iterable[RunRecord], uri: str) -> ResultsDocument:
    """The results over the runs that have ended."""
    found = list(records)
    return build_document(
        plan,
        {record.run.run_id: record.result for record in found if record.result is not None},
        {record.run.run_id: record.failure for record in found if record.state == State.FAILED},
        uri=uri,
        models={},
    )


def experiment_page(plan: Plan, records: Sequence[RunRecord], uri: str, now: datetime) -> ExperimentPage:
    """The page as the store has it now."""
    document = document_now(plan, records, uri)
    by_task = {task.task: task for task in document.tasks}
    scored = [score for score in (document.glue, document.bert_average) if score.value is not None]
    return ExperimentPage(
        scores=tuple(tables.score_line(score).replace("**", "").removeprefix("- ") for score in scored),
        table_header=tables.task_header(document.tasks),
        table=tables.task_cells(document.tasks),
        charts=(*learning_curves(plan, document, records), *spread(document)),
        runs=tuple(_line(plan, by_task[record.run.task], record, now) for record in records),
        failures=tuple(_failure(record, record.failure, now) for record in records if record.failure is not None),
    )


def head_in_store(plan: Plan, records: Sequence[RunRecord], document: ResultsDocument | None) -> Overview:
    """The head where no cluster tells: `document` is the report of this plan, None while there is none."""
    ended = [record for record in records if record.state in {State.SUCCEEDED, State.FAILED}]
    status, mood = _outcome(records, document)
    glue = (document or document_now(plan, records, "")).glue
    return Overview(
        kind=EXPERIMENT,
        namespace=plan.namespace,
        name=plan.experiment,
        state=status,
        mood=mood,
        done=len(ended),
        total=len(plan.runs),
        score=glue.text or "",
        model=plan.model.uri,
    )


def _outcome(records: Sequence[RunRecord], document: ResultsDocument | None) -> tuple[str, Mood]:
    """In the operator's words."""
    if document is not None:
        if any(task.best is None for task in document.tasks):
            return "TaskFailed", Mood.BAD
        return ("SomeRunsFailed" if document.failed() else "AllRunsSucceeded"), Mood.GOOD
    states = {record.state for record in records}
    if states == {State.PENDING}:
        return "Pending", Mood.IDLE
    return ("Running" if states & {State.PENDING, State.RUNNING} else "Reporting"), Mood.BUSY


def _line(plan: Plan, task: TaskRow, record: RunRecord, now: datetime) -> RunLine:
    run, progress, result = record.run, record.progress, record.result
    step = result.last_step if result else progress.step if progress else 0
    total = result.last_step if result else progress.total_steps if progress else 0
    left = progress.seconds_left if progress and record.state == State.RUNNING else None
    value = result.value if result else _best_so_far(plan, run.task, record)
    return RunLine(
        task=run.task,
        run=run.run,
        state=record.state.value,
        percent=100 if result else 100 * step // total if total else 0,
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
