"""From outcomes to figures: per task n, mean, standard deviation and best; GLUE score and BERT average.

Values are as measured (0.87); scores are x100 (87.0), as GLUE's own table has them. A task's score is the mean of its
reporting metrics at the best step of its best run; the GLUE score is the mean of the nine tasks' scores, the BERT
average (https://arxiv.org/abs/1810.04805, table 1) the same without WNLI. Custom tasks never count into either.
"""

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from finetune_core.deciding.outcome import Outcome
from finetune_core.planning.plan import Plan, TaskPlan
from finetune_core.results.best_run import best_run
from finetune_core.results.schema import FoldRow, MetricRow, ScoreRow
from finetune_core.stored import finite
from finetune_core.tasks.metrics import greater_is_better
from finetune_core.tasks.registry import GLUE_TASKS

GLUE_SCORE = "GLUE score"
BERT_AVERAGE = "BERT average"

_GLUE = tuple(GLUE_TASKS)
_WITHOUT_WNLI = tuple(task for task in _GLUE if task != "wnli")


@dataclass(frozen=True)
class TaskFigures:
    """A task over its runs. `metrics` are its reporting metrics, after the one that decides if it is none of them."""

    task: str
    planned: int
    succeeded: int
    metric: str
    metrics: tuple[MetricRow, ...]
    best: Outcome | None
    score: float | None
    mean_score: float | None
    folds: tuple[FoldRow, ...] = ()

    @property
    def mean(self) -> float | None:
        """Mean of the metric that decides."""
        return self.stats(self.metric).mean

    @property
    def std(self) -> float | None:
        """Sample standard deviation of the metric that decides."""
        return self.stats(self.metric).std

    def stats(self, metric: str) -> MetricRow:
        """The figures of one of the task's metrics; KeyError if it is none of them."""
        for stats in self.metrics:
            if stats.metric == metric:
                return stats
        raise KeyError(metric)


@dataclass(frozen=True)
class Summary:
    """All tasks of a plan, in its order, and the scores over them."""

    tasks: tuple[TaskFigures, ...]
    glue: ScoreRow
    bert_average: ScoreRow

    def task(self, name: str) -> TaskFigures:
        """The row of a task; KeyError if the plan has no such task."""
        for row in self.tasks:
            if row.task == name:
                return row
        raise KeyError(name)

    @property
    def score_text(self) -> str | None:
        """The GLUE score for a narrow column; None while no GLUE task has one."""
        return self.glue.text

    @property
    def score_covers(self) -> str | None:
        """Over which tasks the score is a mean; None while no GLUE task has one."""
        if not self.glue.covers:
            return None
        covers = ", ".join(self.glue.covers)
        return covers if self.glue.complete else f"{covers}; not {', '.join(self.glue.missing)}"


def summarise(plan: Plan, outcomes: Iterable[Outcome]) -> Summary:
    """The figures over the outcomes of the plan's runs; outcomes that are not of the plan are left out."""
    planned = {run.run_id for run in plan.runs}
    by_task: dict[str, list[Outcome]] = {name: [] for name in plan.task_names}
    for outcome in outcomes:
        if outcome.run_id in planned:
            by_task[outcome.task].append(outcome)
    tasks = tuple(
        _task_figures(name, plan.tasks[name], len(plan.runs_of(name)), sorted(ours, key=lambda outcome: outcome.run))
        for name, ours in by_task.items()
    )
    rows = {row.task: row for row in tasks}
    return Summary(tasks, _score(GLUE_SCORE, _GLUE, rows), _score(BERT_AVERAGE, _WITHOUT_WNLI, rows))


def task_score(task: TaskPlan, outcome: Outcome) -> float | None:
    """Mean of the reporting metrics at the run's best step, x100.

    None where one of them is not finite, and for custom tasks with a metric of which less is better: a mean of such
    metrics says nothing.
    """
    values = [_value(outcome, metric) for metric in task.definition.metrics]
    known = [value for value in values if value is not None]
    if len(known) < len(values) or not all(greater_is_better(metric) for metric in task.definition.metrics):
        return None
    return finite(100 * statistics.mean(known))


def _task_figures(name: str, task: TaskPlan, planned: int, outcomes: Sequence[Outcome]) -> TaskFigures:
    deciding = task.settings.metric_for_best_model
    best = best_run(outcomes)
    shown = shown_metrics(task)
    folds = _folds(task, outcomes, shown)
    scores = [score for outcome in outcomes if (score := task_score(task, outcome)) is not None]
    return TaskFigures(
        task=name,
        planned=planned,
        succeeded=len(outcomes),
        metric=deciding,
        metrics=tuple(_stats(metric, _values(folds, outcomes, metric), best) for metric in shown),
        best=best,
        score=task_score(task, best) if best else None,
        mean_score=statistics.mean(scores) if scores else None,
        folds=folds,
    )


def _folds(task: TaskPlan, outcomes: Sequence[Outcome], metrics: Sequence[str]) -> tuple[FoldRow, ...]:
    """The folds of a task over its seeds; empty where it has none."""
    count = task.definition.folds.count if task.definition.folds else 0
    # As runs are planned: each seed with all folds, one after another.
    parts = [[outcome for outcome in outcomes if outcome.run % count == fold] for fold in range(count)]
    return tuple(
        FoldRow(
            fold=fold,
            succeeded=len(part),
            metrics={
                metric: statistics.mean(values) if (values := _values((), part, metric)) else None for metric in metrics
            },
        )
        for fold, part in enumerate(parts)
    )


def _values(folds: Sequence[FoldRow], outcomes: Sequence[Outcome], metric: str) -> list[float]:
    """What mean and deviation are of: the folds' means where there are folds, else the runs."""
    found = [fold.metrics[metric] for fold in folds] if folds else [_value(outcome, metric) for outcome in outcomes]
    return [value for value in found if value is not None]


def shown_metrics(task: TaskPlan) -> tuple[str, ...]:
    """The reporting metrics in their order; before them the one that decides, where it is none of them."""
    return tuple(
        sorted(
            dict.fromkeys((*task.definition.metrics, task.settings.metric_for_best_model)),
            key=lambda metric: metric in task.definition.metrics,
        )
    )


def _stats(metric: str, values: Sequence[float], best: Outcome | None) -> MetricRow:
    return MetricRow(
        metric=metric,
        greater_is_better=greater_is_better(metric),
        n=len(values),
        mean=statistics.mean(values) if values else None,
        std=deviation(values),
        best=_value(best, metric) if best else None,
    )


def deviation(values: Sequence[float]) -> float | None:
    """Sample standard deviation (ddof 1); None of fewer than two values, or where it is beyond the range of floats."""
    try:
        return statistics.stdev(values) if len(values) > 1 else None
    except OverflowError:
        return None  # two values near the ends of the float range: finite, yet their spread is not


def _value(outcome: Outcome, metric: str) -> float | None:
    return finite(outcome.value if metric == outcome.metric else outcome.metrics.get(metric))


def _score(name: str, tasks: tuple[str, ...], rows: dict[str, TaskFigures]) -> ScoreRow:
    covered = [rows[task] for task in tasks if task in rows and rows[task].score is not None]
    scores = [row.score for row in covered if row.score is not None]
    means = [row.mean_score for row in covered if row.mean_score is not None]
    covers = tuple(row.task for row in covered)
    return ScoreRow(
        name=name,
        title=name if len(covers) == len(tasks) else f"{name} over {len(covers)} of {len(tasks)} tasks only",
        value=statistics.mean(scores) if scores else None,
        mean_of_runs=statistics.mean(means) if means else None,
        covers=covers,
        missing=tuple(task for task in tasks if task not in covers),
    )
