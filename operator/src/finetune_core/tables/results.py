"""The results of several experiments as one table: a row an experiment, a column a score, a task or a task's metric.

Nothing is worked out anew: every figure is one of an experiment's results document, so that table, best pointers and
reports cannot disagree. `results_table_text` says how it is told to people, `results_table_formats` writes it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from finetune_core.frozen import Document
from finetune_core.results.schema import MetricRow, ResultsDocument, ScoreRow, TaskRow
from finetune_core.tasks.registry import GLUE_TASKS

TABLE_SCHEMA_VERSION = 1


class Statistic(StrEnum):
    """What a cell shows: the figures of the task's best run, or mean and standard deviation over its runs."""

    BEST = "Best"
    MEAN = "Mean"


class ExperimentRow(Document):
    """An experiment's figures, as its results document has them: metrics as measured, scores x100."""

    model_uri: str
    model_digest: str
    namespace: str
    experiment: str
    report_digest: str
    uri: str
    bert_average: ScoreRow
    glue: ScoreRow
    tasks: tuple[TaskRow, ...]

    @property
    def name(self) -> str:
        """`namespace/experiment`."""
        return f"{self.namespace}/{self.experiment}"

    @property
    def scores(self) -> tuple[ScoreRow, ScoreRow]:
        """BERT average and GLUE score: the first two columns."""
        return self.bert_average, self.glue

    def task(self, name: str) -> TaskRow | None:
        """The experiment's row of a task; None if it has no such task."""
        return next((row for row in self.tasks if row.task == name), None)


@dataclass(frozen=True)
class TaskColumn:
    """A task and the metrics that its cells show, in the order of their figures; of some of them less is better."""

    task: str
    metrics: tuple[str, ...]
    less_is_better: frozenset[str]

    def rows(self, task: TaskRow) -> tuple[MetricRow | None, ...]:
        """An experiment's figures, one a metric of the column; None where it does not report that metric."""
        by_name = {row.metric: row for row in task.metrics}
        return tuple(by_name.get(metric) for metric in self.metrics)


class ResultsTable(Document):
    """The table, and its JSON. Rows are sorted by model, then namespace/experiment."""

    schema_version: int = TABLE_SCHEMA_VERSION
    statistic: Statistic
    experiments: tuple[ExperimentRow, ...]

    def columns(self) -> tuple[TaskColumn, ...]:
        """The tasks of any experiment: GLUE's in its own order, then custom ones by name.

        A column has every metric that any experiment reports of the task, so that figures of one place are always of
        one metric.
        """
        found = {task.task for row in self.experiments for task in row.tasks}
        names = [*(task for task in GLUE_TASKS if task in found), *sorted(found - GLUE_TASKS.keys())]
        return tuple(self._column(name) for name in names)

    def _column(self, name: str) -> TaskColumn:
        official = GLUE_TASKS[name].metrics if name in GLUE_TASKS else ()
        tasks = [task for row in self.experiments if (task := row.task(name)) is not None]
        rows = [metric for task in tasks for metric in task.metrics]
        # As the document says: another version may know other metrics than this one.
        less = frozenset(row.metric for row in rows if not row.greater_is_better)
        return TaskColumn(name, tuple(dict.fromkeys((*official, *(row.metric for row in rows)))), less)


def results_table(documents: Iterable[ResultsDocument], statistic: Statistic) -> ResultsTable:
    """The table over documents in any order: the same documents give the same bytes."""
    rows = [
        ExperimentRow(
            model_uri=document.model_uri,
            model_digest=document.model_digest,
            namespace=document.namespace,
            experiment=document.experiment,
            report_digest=document.report_digest,
            uri=document.uri,
            bert_average=document.bert_average,
            glue=document.glue,
            tasks=document.tasks,
        )
        for document in documents
    ]
    rows.sort(key=lambda row: (row.model_uri, row.namespace, row.experiment, row.report_digest, row.uri))
    return ResultsTable(statistic=statistic, experiments=tuple(rows))


def metric_value(row: MetricRow, statistic: Statistic) -> float | None:
    """What the statistic chooses of a metric, as measured."""
    return row.best if statistic == Statistic.BEST else row.mean


def score_value(row: ScoreRow, statistic: Statistic) -> float | None:
    """What the statistic chooses of a score, x100."""
    return row.value if statistic == Statistic.BEST else row.mean_of_runs


def winner(values: Iterable[float | None], *, more: bool = True) -> float | None:
    """The best of a column's values; None where fewer than two have one, for then there is nothing to compare."""
    known = [value for value in values if value is not None]
    if len(known) < 2:
        return None
    return max(known) if more else min(known)


def rivals(scores: Iterable[ScoreRow], statistic: Statistic) -> tuple[ScoreRow, ...]:
    """Those of a column of scores that may be compared: means over the same tasks.

    Those over all tasks where there are any; without them all that have a value, if they cover the same tasks.
    """
    valued = [score for score in scores if score_value(score, statistic) is not None]
    complete = [score for score in valued if not score.missing]
    alike = complete or (valued if len({score.covers for score in valued}) == 1 else [])
    return tuple(alike)
