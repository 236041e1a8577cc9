"""The results document as tables: results.csv and runs.csv for programs, results.md for people."""

from collections.abc import Iterator, Sequence

from finetune_core import figures
from finetune_core.csv_tables import Value, csv_table
from finetune_core.markdown import markdown_table, markdown_text
from finetune_core.plain import one_line
from finetune_core.results_schema import MetricRow, ResultsDocument, RunRow, RunState, ScoreRow, TaskRow
from finetune_core.submission import SubmissionState

RESULTS_COLUMNS = (
    "task",
    "metric",
    "n",
    "mean",
    "std",
    "best",
    "best_run",
    "best_run_id",
    "seed",
    "step",
    "chosen_by",
    "planned",
    "succeeded",
    "failed",
    "score",
    "mean_score",
)
RUNS_COLUMNS = (
    "task",
    "run",
    "run_id",
    "seed",
    "state",
    "metric",
    "value",
    "step",
    "score",
    "last_step",
    "train_seconds",
    "attempts",
    "started_at",
    "finished_at",
    "attempt",
    "reason",
    "message",
)

TASK_HEADER = ("Task", "Runs", "Metrics", "Best", "Mean ± std (n)", "Score", "Best run", "Step")
"""Of the table for people."""

_MAX_FAILURES_LISTED = 50
_MAX_MESSAGE = 300


def results_csv(document: ResultsDocument) -> bytes:
    """One row a task and metric; values as measured, scores x100, empty where there is none."""
    return csv_table(RESULTS_COLUMNS, (_metric_cells(task, row) for task in document.tasks for row in task.metrics))


def runs_csv(document: ResultsDocument) -> bytes:
    """One row a planned run, with a column for every metric that any run measured at its best step."""
    measured = sorted({metric for run in document.runs for metric in run.metrics})
    columns = (*RUNS_COLUMNS, *(f"metric_{metric}" for metric in measured))
    return csv_table(columns, (_run_cells(run, measured) for run in document.runs))


def results_markdown(document: ResultsDocument) -> bytes:
    """The table for people: GLUE's habit of per cent with two decimals, two metrics as `a / b`."""
    blocks = (
        f"# {markdown_text(document.namespace)}/{markdown_text(document.experiment)}",
        f"Model: {markdown_text(document.model_uri)}",
        _task_table(document),
        "\n".join(score_line(score) for score in (document.glue, document.bert_average)),
        *_submission_block(document),
        *_failure_block(document),
        *_quarantine_block(document),
        *map(markdown_text, notes(document)),
        _places(document),
    )
    return ("\n\n".join(block for block in blocks if block) + "\n").encode()


def _metric_cells(task: TaskRow, row: MetricRow) -> tuple[Value, ...]:
    best = task.best
    return (
        task.task,
        row.metric,
        row.n,
        row.mean,
        row.std,
        row.best,
        best.run if best else None,
        best.run_id if best else None,
        best.seed if best else None,
        best.step if best else None,
        task.metric,
        task.planned,
        task.succeeded,
        task.failed,
        task.score,
        task.mean_score,
    )


def _run_cells(run: RunRow, measured: Sequence[str]) -> tuple[Value, ...]:
    facts = run.model_dump(mode="json")
    return (*(facts[column] for column in RUNS_COLUMNS), *(run.metrics.get(metric) for metric in measured))


def _task_table(document: ResultsDocument) -> str:
    return markdown_table(TASK_HEADER, map(task_cells, document.tasks))


def task_cells(task: TaskRow) -> tuple[str, ...]:
    """A task's line of the table for people."""
    names = [f"{row.metric} (decides)" if row.metric == task.metric else row.metric for row in task.metrics]
    best = task.best
    return (
        task.task,
        figures.count(task.succeeded, task.planned) + (f", {task.failed} failed" if task.failed else ""),
        " / ".join(names if len(names) > 1 else [task.metric]),
        " / ".join(figures.metric(row.metric, row.best) for row in task.metrics),
        " / ".join(figures.spread(row.metric, row.mean, row.std, row.n) for row in task.metrics),
        figures.score(task.score),
        figures.NOTHING if best is None else f"{best.run} (seed {best.seed}, {best.run_id})",
        figures.NOTHING if best is None else str(best.step),
    )


def score_line(score: ScoreRow) -> str:
    """An item of a Markdown list: the score, and which tasks it covers or lacks."""
    if score.value is None:
        return f"- {score.name}: none; no result for {', '.join(score.missing)}"
    means = "" if score.mean_of_runs is None else f" (by the means over runs: {figures.score(score.mean_of_runs)})"
    covers = f"over {', '.join(score.covers)}" + (f"; missing: {', '.join(score.missing)}" if score.missing else "")
    return f"- {score.title}: **{figures.score(score.value)}**{means}, {covers}"


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


def notes(document: ResultsDocument) -> Iterator[str]:
    """What the reader of the figures has to know."""
    loose = [] if document.model_pinned else [f"model {document.model_uri}"]
    loose += [f"data of {task.task} ({task.data_uri})" for task in document.tasks if not task.pinned]
    if loose:
        yield "Not pinned to their content, so they may have changed between runs: " + ", ".join(loose) + "."


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
