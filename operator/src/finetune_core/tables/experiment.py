"""The results document as tables: results.csv for programs, results.md for people."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from finetune_core.leaderboard.submission import SubmissionState
from finetune_core.plain import one_line
from finetune_core.results.run import ParameterCount
from finetune_core.results.schema import MetricRow, ResultsDocument, RunRow, RunState, ScoreRow, TaskRow
from finetune_core.seeds.narrow import SeedsVerdict
from finetune_core.seeds.told import seeds_words
from finetune_core.tables import figures
from finetune_core.tables.csv import Value, csv_table
from finetune_core.tables.markdown import markdown_table, markdown_text
from finetune_core.tables.notes import notes


@dataclass(frozen=True)
class Column:
    """A column of the table of tasks, for people: `texts` are one a metric, or one for the task.

    `short` is what a terminal shows instead, where that is narrow; `right` aligns. A table has the column where `of` is
    true of any of its tasks.
    """

    title: str
    texts: Callable[[TaskRow], Iterable[str]]
    right: bool = False
    short: Callable[[TaskRow], Iterable[str]] | None = None
    of: Callable[[TaskRow], bool] | None = None


def _runs(task: TaskRow) -> str:
    return figures.count(task.succeeded, task.planned) + (f", {task.failed} failed" if task.failed else "")


def _metrics(task: TaskRow) -> list[str]:
    names = [f"{row.metric} (decides)" if row.metric == task.metric else row.metric for row in task.metrics]
    return names if len(names) > 1 else [task.metric]


def _seeds(task: TaskRow) -> str:
    asked = task.seeds
    if asked is None:
        return figures.NOTHING
    verdict = SeedsVerdict(asked.enough, task.planned, asked.half) if asked.enough else None
    return seeds_words(asked, verdict, task.planned)


def _trained(task: TaskRow) -> str:
    return figures.share(counted.trainable, counted.total) if (counted := task.parameters) else figures.NOTHING


def _best_run(task: TaskRow, *, with_id: bool = True) -> str:
    best = task.best
    if best is None:
        return figures.NOTHING
    return f"{best.run} (seed {best.seed}" + (f", {best.run_id})" if with_id else ")")


TASK_COLUMNS = (
    Column("Task", lambda task: [task.task]),
    Column("Runs", lambda task: [_runs(task)], right=True),
    Column("Metrics", _metrics),
    Column("Best", lambda task: (figures.metric(row.metric, row.best) for row in task.metrics), right=True),
    Column(
        "Mean ± std (n)",
        lambda task: (figures.spread(row.metric, row.mean, row.std, row.n) for row in task.metrics),
        right=True,
    ),
    Column("Seeds", lambda task: [_seeds(task)], of=lambda task: task.seeds is not None),
    Column("Score", lambda task: [figures.score(task.score)], right=True),
    Column("Best run", lambda task: [_best_run(task)], short=lambda task: [_best_run(task, with_id=False)]),
    Column("Step", lambda task: [figures.NOTHING if task.best is None else str(task.best.step)], right=True),
    Column(
        "GPU-hours",
        lambda task: [figures.gpu_hours(task.gpu_seconds)],
        right=True,
        of=lambda task: bool(task.gpu_seconds),
    ),
    Column(
        "GPU kWh",
        lambda task: [figures.energy(task.energy_joules)],
        right=True,
        of=lambda task: task.energy_joules is not None,
    ),
    Column("Trained", lambda task: [_trained(task)], right=True, of=lambda task: task.parameters is not None),
)
"""The table of tasks in results.md, report.html, the page and `finetune results`: a column more is a line more here."""

METRIC_FIELDS: Mapping[str, Callable[[TaskRow, MetricRow], Value]] = MappingProxyType(
    {
        "task": lambda task, _: task.task,
        "metric": lambda _, row: row.metric,
        "greater_is_better": lambda _, row: row.greater_is_better,
        "n": lambda _, row: row.n,
        "mean": lambda _, row: row.mean,
        "std": lambda _, row: row.std,
        "best": lambda _, row: row.best,
        "best_run": lambda task, _: None if task.best is None else task.best.run,
        "best_run_id": lambda task, _: None if task.best is None else task.best.run_id,
        "seed": lambda task, _: None if task.best is None else task.best.seed,
        "step": lambda task, _: None if task.best is None else task.best.step,
        "chosen_by": lambda task, _: task.metric,
        "planned": lambda task, _: task.planned,
        "succeeded": lambda task, _: task.succeeded,
        "failed": lambda task, _: task.failed,
        "score": lambda task, _: task.score,
        "mean_score": lambda task, _: task.mean_score,
    }
)
"""Columns of CSV files with a row a task and metric: results.csv, the table over experiments, data frames."""

PARAMETER_FIELDS: Mapping[str, Callable[[ParameterCount], int]] = MappingProxyType(
    {"trainable_parameters": lambda counted: counted.trainable, "parameters": lambda counted: counted.total}
)
"""Columns behind these, where any task has an adapter or frozen layers."""

RESULTS_COLUMNS = tuple(name for name in METRIC_FIELDS if name != "greater_is_better")
_MAX_FAILURES_LISTED = 50
_MAX_MESSAGE = 300


def results_csv(document: ResultsDocument) -> bytes:
    """One row a task and metric; values as measured, scores x100, empty where there is none."""
    parameters = parameter_columns(document.tasks)
    return csv_table(
        (*RESULTS_COLUMNS, *parameters),
        (
            (*metric_values(task, row, RESULTS_COLUMNS), *parameter_values(task.parameters, parameters))
            for task in document.tasks
            for row in task.metrics
        ),
    )


def results_markdown(document: ResultsDocument) -> bytes:
    """The table for people: GLUE's habit of per cent with two decimals, two metrics as `a / b`."""
    blocks = (
        f"# {markdown_text(document.namespace)}/{markdown_text(document.experiment)}",
        f"Model: {markdown_text(document.model_uri)}",
        _task_table(document),
        *_fold_block(document),
        "\n".join(score_line(score) for score in (document.glue, document.bert_average)),
        cost_line(document),
        *_submission_block(document),
        *_failure_block(document),
        *_quarantine_block(document),
        *map(markdown_text, notes(document)),
        _places(document),
    )
    return ("\n\n".join(block for block in blocks if block) + "\n").encode()


def metric_values(task: TaskRow, row: MetricRow, names: Iterable[str] = METRIC_FIELDS) -> tuple[Value, ...]:
    """These of METRIC_FIELDS; metrics as measured, scores x100, None where there is none."""
    return tuple(METRIC_FIELDS[name](task, row) for name in names)


def parameter_columns(rows: Iterable[TaskRow | RunRow]) -> tuple[str, ...]:
    """Those of PARAMETER_FIELDS that a table of these rows has: all or none."""
    return tuple(PARAMETER_FIELDS) if any(row.parameters is not None for row in rows) else ()


def parameter_values(counted: ParameterCount | None, names: Iterable[str]) -> tuple[Value, ...]:
    """These of PARAMETER_FIELDS; None where all parameters are trained."""
    return tuple(None if counted is None else PARAMETER_FIELDS[name](counted) for name in names)


def _task_table(document: ResultsDocument) -> str:
    return markdown_table(task_header(document.tasks), task_cells(document.tasks))


def columns_of(tasks: Sequence[TaskRow]) -> tuple[Column, ...]:
    """Those of TASK_COLUMNS that the table of these tasks has."""
    return tuple(column for column in TASK_COLUMNS if column.of is None or any(map(column.of, tasks)))


def task_header(tasks: Sequence[TaskRow]) -> tuple[str, ...]:
    """The titles of their table for people."""
    return tuple(column.title for column in columns_of(tasks))


def task_cells(tasks: Sequence[TaskRow]) -> tuple[tuple[str, ...], ...]:
    """A line a task, as `task_header` has it."""
    columns = columns_of(tasks)
    return tuple(tuple(" / ".join(column.texts(task)) for column in columns) for task in tasks)


FOLD_HEADER = ("Task", "Fold", "Runs", "Metrics", "Mean over seeds")


def fold_rows(document: ResultsDocument) -> list[tuple[str, ...]]:
    """A line a fold, as FOLD_HEADER has it; mean and deviation over the folds are in the table of tasks."""
    return [
        (
            task.task,
            str(fold.fold),
            figures.count(fold.succeeded, task.planned // len(task.folds)),
            " / ".join(_metrics(task)),
            " / ".join(figures.metric(row.metric, fold.metrics.get(row.metric)) for row in task.metrics),
        )
        for task in document.tasks
        for fold in task.folds
    ]


FOLDS_NOTE = (
    "Of tasks with folds, mean ± std (n) is over the n folds, of each the mean over its seeds; the best run is the "
    "best on its own fold, which says nothing of the others."
)


def _fold_block(document: ResultsDocument) -> Iterator[str]:
    if rows := fold_rows(document):
        yield f"## Folds\n\n{FOLDS_NOTE}"
        yield markdown_table(FOLD_HEADER, rows)


def score_line(score: ScoreRow) -> str:
    """An item of a Markdown list: the score, and which tasks it covers or lacks."""
    if score.value is None:
        return f"- {score.name}: none; no result for {', '.join(score.missing)}"
    means = "" if score.mean_of_runs is None else f" (by the means over runs: {figures.score(score.mean_of_runs)})"
    covers = f"over {', '.join(score.covers)}" + (f"; missing: {', '.join(score.missing)}" if score.missing else "")
    return f"- {score.title}: **{figures.score(score.value)}**{means}, {covers}"


def cost_line(document: ResultsDocument) -> str:
    """What the experiment took of GPUs; empty where it had none."""
    if not document.gpu_seconds:
        return ""
    joules = document.spent.joules
    energy = "" if joules is None else f", and {figures.energy(joules)} kWh by the GPUs' own counters"
    return f"{figures.gpu_hours(document.gpu_seconds)} GPU-hours{energy}, over all attempts of all runs."


def _submission_block(document: ResultsDocument) -> Iterator[str]:
    row = document.submission
    if row is None:
        return
    yield "## Leaderboard zip"
    if row.state == SubmissionState.REFUSED:
        reasons = [f"{name}: missing" for name in row.missing] + list(row.problems)
        yield "There is no submission.zip:\n\n" + "\n".join(f"- {_inline(reason)}" for reason in reasons)
        return
    stands_in = f" Placeholders, not predictions: {', '.join(row.placeholders)}." if row.placeholders else ""
    yield f"submission.zip, SHA-256 {row.sha256}.{stands_in}"


def _failure_block(document: ResultsDocument) -> Iterator[str]:
    lost = [run for run in document.runs if run.state != RunState.SUCCEEDED]
    if not lost:
        return
    yield "## Runs without a result"
    lines = [_failure_line(run) for run in lost[:_MAX_FAILURES_LISTED]]
    if len(lost) > _MAX_FAILURES_LISTED:
        lines.append(f"- and {len(lost) - _MAX_FAILURES_LISTED} more: see runs.csv")
    yield "\n".join(lines)


def _failure_line(run: RunRow) -> str:
    reason = run.reason or ("failed, and left no reason" if run.state == RunState.FAILED else "has not ended")
    message = f": {_inline(run.message)}" if run.message else ""
    return f"- {run.task} run {run.run} ({run.run_id}): {reason}{message}"


def _quarantine_block(document: ResultsDocument) -> Iterator[str]:
    if document.quarantined:
        yield "## Quarantined runs\n\nTheir results do not count; each was planned again with the same seed."
        yield "\n".join(
            f"- {run.task} run {run.run} ({run.run_id}): {_inline(run.reason)}" for run in document.quarantined
        )


def _places(document: ResultsDocument) -> str:
    files = ["report.html", "results.json", "results.csv", "runs.csv", "best/", "plots/"]
    if document.submission is not None:
        zipped = document.submission.state != SubmissionState.REFUSED
        constant = ", ".join(document.submission.placeholders)
        marked = f" (of its files these are placeholders: {constant})" if constant else ""
        files += [f"submission.zip{marked}", "submission.json"] if zipped else ["submission.json"]
    return "## Files\n\n" + "\n".join(f"- {markdown_text(document.uri)}/{name}" for name in files)


def _inline(text: str) -> str:
    flat = one_line(text)
    return markdown_text(flat if len(flat) <= _MAX_MESSAGE else flat[: _MAX_MESSAGE - 1] + "…")
