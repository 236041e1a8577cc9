"""An experiment's results as tables for people and as plain data. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from finetune_cli.fitted import table
from finetune_core.results.schema import ResultsDocument, ScoreRow, TaskRow
from finetune_core.tables import figures
from finetune_core.tables.experiment import FOLD_HEADER, FOLDS_NOTE, Column, columns_of, cost_line, fold_rows
from finetune_core.tables.notes import taken_notes

_BEST_COLUMNS = ("TASK", "METRICS", "BEST>", "BEST RUN", "STEP>", "RUN ID?")
_EXTRA = frozenset({"Best run", "Step", "Trained", "GPU-hours"})
"""Columns that a narrow screen leaves out."""


def results_page(document: ResultsDocument, *, wide: bool = False) -> RenderableType:
    """A line a task and metric, per cent as GLUE's tables have them, and the scores."""
    columns = columns_of(document.tasks)
    rows = [row for task in document.tasks for row in _rows(task, columns)]
    scores = [_score(score) for score in (document.glue, document.bert_average)]
    head = Text(f"{document.namespace}/{document.experiment}  model {document.model_uri}", style="bold")
    apart = [f"Quarantined: {run.task} run {run.run} ({run.run_id}): {run.reason}" for run in document.quarantined]
    folds = fold_rows(document)
    parts = (table([title.upper() for title in FOLD_HEADER], folds, wide=wide), Text(""), Text(FOLDS_NOTE), Text(""))
    cost = filter(None, [cost_line(document)])
    lines = (Text(line) for line in (*scores, *cost, *apart, *taken_notes(document)))
    return Group(
        head, Text(""), table(list(map(_marked, columns)), rows, wide=wide), Text(""), *(parts if folds else ()), *lines
    )


def best_rows(document: ResultsDocument) -> list[dict[str, Any]]:
    """The best run of each task, for tables and programs."""
    return [
        {
            "task": task.task,
            "metric": task.best.metric,
            "value": task.best.value,
            "run": task.best.run,
            "seed": task.best.seed,
            "runId": task.best.run_id,
            "step": task.best.step,
            "uri": f"{document.uri}/{task.best.folder}",
            "model": f"{document.uri}/{task.best.model}" if task.best.model else None,
        }
        for task in document.tasks
        if task.best is not None
    ]


def best_page(rows: Sequence[Mapping[str, Any]], *, wide: bool = False) -> RenderableType:
    """A table of `best_rows`, and where each run lies."""
    made = table(_BEST_COLUMNS, map(_best_cells, rows), wide=wide)
    return Group(made, Text(""), *(Text(f"{row['task']}: {row['uri']}") for row in rows))


def _best_cells(row: Mapping[str, Any]) -> list[object]:
    value = figures.metric(row["metric"], row["value"])
    return [row["task"], row["metric"], value, f"{row['run']} (seed {row['seed']})", row["step"], row["runId"]]


def best_of_status(status: dict[str, Any]) -> list[dict[str, Any]]:
    """The same from an experiment's status, which does not tell whether weights are kept."""
    return [
        {
            "task": task["name"],
            "metric": task.get("metric"),
            **{key: task["best"].get(key) for key in ("value", "run", "seed", "runId", "step", "uri")},
        }
        for task in status.get("tasks") or ()
        if task.get("best")
    ]


def _marked(column: Column) -> str:
    return column.title.upper() + (">" if column.right else "") + ("?" if column.title in _EXTRA else "")


def _rows(task: TaskRow, columns: Sequence[Column]) -> Iterator[tuple[str, ...]]:
    """A line a metric; what is of the task as a whole stands in the first."""
    return zip_longest(*((column.short or column.texts)(task) for column in columns), fillvalue="")


def _score(score: ScoreRow) -> str:
    if score.value is None:
        return f"{score.name}: none; no result for {', '.join(score.missing)}"
    missing = f"; missing: {', '.join(score.missing)}" if score.missing else ""
    return f"{score.title}: {figures.score(score.value)}{missing}"
