"""The results table as people read it: per cent with two decimals, two metrics as `a/b`, n, marks and notes.

For all formats alike: they only differ in how they write bold and in what they must escape.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from finetune_core.results.aggregate import BERT_AVERAGE, GLUE_SCORE
from finetune_core.results.schema import MetricRow, ScoreRow, TaskRow
from finetune_core.tables import figures
from finetune_core.tables.results import (
    ExperimentRow,
    ResultsTable,
    Statistic,
    TaskColumn,
    metric_value,
    rivals,
    score_value,
    winner,
)

INCOMPLETE = "*"
"""Behind a score that does not cover all its tasks."""

IDENTITY = ("Model", "Experiment", "Report")
"""Titles of the first columns, which say whose row it is."""

_SHORT = {"accuracy": "acc", "mm_accuracy": "mm acc", "matthews_correlation": "mcc", "spearmanr": "spearman"}


@dataclass(frozen=True)
class Figure:
    """A figure as shown, and its standard deviation where there is one; `best` if none of its column is better."""

    value: str
    best: bool = False
    spread: str = ""

    @property
    def text(self) -> str:
        """Both."""
        return f"{self.value} ± {self.spread}" if self.spread else self.value


@dataclass(frozen=True)
class Cell:
    """The figures of a cell, and what follows the last of them: n in brackets, or the mark of an incomplete score."""

    figures: tuple[Figure, ...]
    tail: str = ""
    separator: str = "/"


@dataclass(frozen=True)
class Shown:
    """The table in words. `header` is (title, what its figures are); `rows` are (identity, cells)."""

    header: tuple[tuple[str, str], ...]
    rows: tuple[tuple[tuple[str, ...], tuple[Cell, ...]], ...]
    notes: tuple[str, ...]


def shown(table: ResultsTable) -> Shown:
    """The table in words, with what must be known to read it."""
    columns = table.columns()
    scores = list(zip(*(row.scores for row in table.experiments), strict=True))
    cells = [_score_cells(column, table.statistic) for column in scores]
    cells += [_task_cells(table, column) for column in columns]
    rows = tuple(
        ((_flat(row.model_uri), row.name, row.report_digest), tuple(column[index] for column in cells))
        for index, row in enumerate(table.experiments)
    )
    header = (
        *((name, "") for name in (BERT_AVERAGE, GLUE_SCORE)),
        *((column.task, metrics_title(column)) for column in columns),
    )
    return Shown(header, rows, tuple(_notes(table, columns)))


def metrics_title(column: TaskColumn) -> str:
    """The metrics' names for the head of a column, with an arrow down where less is better."""
    arrows = ((name, " ↓" if name in column.less_is_better else "") for name in column.metrics)
    return "/".join(_SHORT.get(name, name) + arrow for name, arrow in arrows)


def written(
    cell: Cell,
    *,
    bold: Callable[[str], str] = str,
    escape: Callable[[str], str] = str,
    spread: Callable[[str], str] = " ± {}".format,
) -> str:
    """A cell in a format's words.

    `escape` makes any text harmless; `spread` writes a standard deviation behind its figure and `bold` marks both, of
    what is escaped already.
    """
    if not cell.figures:
        return escape(figures.NOTHING)
    parts = (_written_figure(figure, bold if figure.best else str, escape, spread) for figure in cell.figures)
    return escape(cell.separator).join(parts) + escape(cell.tail)


def _written_figure(
    figure: Figure, mark: Callable[[str], str], escape: Callable[[str], str], spread: Callable[[str], str]
) -> str:
    return mark(escape(figure.value) + (spread(escape(figure.spread)) if figure.spread else ""))


def _score_cells(scores: Sequence[ScoreRow], statistic: Statistic) -> list[Cell]:
    compared = rivals(scores, statistic)
    best = winner(score_value(score, statistic) for score in compared)
    return [_score_cell(score, statistic, best if score in compared else None) for score in scores]


def _score_cell(score: ScoreRow, statistic: Statistic, best: float | None) -> Cell:
    value = score_value(score, statistic)
    if value is None:
        return Cell(())
    text = figures.score(value)
    # What reads the same as the best is as good.
    return Cell((Figure(text, best is not None and text == figures.score(best)),), INCOMPLETE if score.missing else "")


def _task_cells(table: ResultsTable, column: TaskColumn) -> list[Cell]:
    tasks = [row.task(column.task) for row in table.experiments]
    by_metric = zip(*(column.rows(task) for task in tasks if task is not None), strict=True)
    winners = tuple(
        winner(
            (metric_value(row, table.statistic) for row in rows if row is not None),
            more=metric not in column.less_is_better,
        )
        for metric, rows in zip(column.metrics, by_metric, strict=True)
    )
    return [_task_cell(task, column, table.statistic, winners) for task in tasks]


def _task_cell(task: TaskRow | None, column: TaskColumn, statistic: Statistic, winners: Sequence[float | None]) -> Cell:
    if task is None:
        return Cell(())
    rows = column.rows(task)
    shown_ = tuple(_figure(row, statistic, best) for row, best in zip(rows, winners, strict=True))
    counts = [str(row.n) for row in rows if row is not None]
    # Runs may lack one of the metrics; then each figure has its own n.
    tail = f" ({counts[0] if len(set(counts)) == 1 else '/'.join(counts)})"
    return Cell(shown_, tail, "/" if statistic == Statistic.BEST else " / ")


def _figure(row: MetricRow | None, statistic: Statistic, best: float | None) -> Figure:
    value = None if row is None else metric_value(row, statistic)
    if row is None or value is None:
        return Figure(figures.NOTHING)
    text = figures.metric(row.metric, value)
    # Of one run there is no standard deviation.
    spread = "" if statistic == Statistic.BEST or row.std is None else figures.metric(row.metric, row.std)
    return Figure(text, best is not None and text == figures.metric(row.metric, best), spread)


def _notes(table: ResultsTable, columns: Sequence[TaskColumn]) -> Iterator[str]:
    chosen = (
        "Figures of each task's best run"
        if table.statistic == Statistic.BEST
        else "Mean ± sample standard deviation over each task's runs"
    )
    yield (
        f"{chosen} on the development set; in brackets the number of runs. Per cent, but metrics of which less is "
        "better (↓) are as measured. Bold: the best of its column."
    )
    for row in table.experiments:
        yield from _incomplete(row, table.statistic)
        yield from _lost(row)
    for column in columns:
        yield from _data(table, column)


def _incomplete(row: ExperimentRow, statistic: Statistic) -> Iterator[str]:
    marked = [score for score in row.scores if score.missing and score_value(score, statistic) is not None]
    if marked:
        missing = dict.fromkeys(task for score in reversed(marked) for task in score.missing)
        yield f"{INCOMPLETE} {row.name}: {', '.join(score.title for score in marked)}; missing: {', '.join(missing)}."


def _lost(row: ExperimentRow) -> Iterator[str]:
    short = [task for task in row.tasks if task.succeeded < task.planned]
    if short:
        yield f"{row.name}: runs with a result: {', '.join(map(_succeeded, short))}."


def _succeeded(task: TaskRow) -> str:
    failed = f" ({task.failed} failed)" if task.failed else ""
    return f"{task.task} {task.succeeded} of {task.planned}{failed}"


def _data(table: ResultsTable, column: TaskColumn) -> Iterator[str]:
    """GLUE's dev sets are the same wherever they lie; two custom tasks may share nothing but the name."""
    tasks = [task for row in table.experiments if (task := row.task(column.task)) is not None and not task.glue]
    places = sorted({task.data_uri for task in tasks})
    if len(places) > 1:
        yield f"{column.task}: the experiments' data are of different places: {', '.join(places)}."


def _flat(text: str) -> str:
    return " ".join(text.split())
