"""A comparison as people read it: per cent and points with two decimals, p values, and what must be known to read it.

For all formats alike: they only differ in how they write a table.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from finetune_core.comparison_schema import Comparison, Overall, Side, TaskComparison, Verdict, Whose
from finetune_core.results_schema import MetricRow
from finetune_core.results_table_text import NOTHING
from finetune_core.significance import ALPHA, Kind
from finetune_core.tables import figure

COLUMNS = ("Task", "Metric", "Before", "After", "Best", "Difference [95 % CI]", "p (Holm)", "t test", "Verdict")
"""Titles; the figures, which are aligned to the right, are those of FIGURES."""
FIGURES = frozenset(COLUMNS[2:7])


@dataclass(frozen=True)
class ComparisonText:
    """The comparison in words: who is compared, a row of cells a task (in COLUMNS), the overall line, notes."""

    title: str
    whose: tuple[str, str]
    rows: tuple[tuple[str, ...], ...]
    verdicts: tuple[Verdict, ...]
    overall: str
    notes: tuple[str, ...]


def told(comparison: Comparison) -> ComparisonText:
    """The comparison in words."""
    return ComparisonText(
        title=f"{comparison.before.name} compared with {comparison.after.name}",
        whose=(_whose("Before", comparison.before), _whose("After", comparison.after)),
        rows=tuple(map(_row, comparison.tasks)),
        verdicts=tuple(task.verdict for task in comparison.tasks),
        overall=_overall(comparison.overall),
        notes=tuple(_notes(comparison)),
    )


def _whose(title: str, one: Whose) -> str:
    return f"{title}: {one.name}, model {' '.join(one.model_uri.split())}, report {one.report_digest}"


def _row(task: TaskComparison) -> tuple[str, ...]:
    before, after = task.before.figures, task.after.figures
    metrics = dict.fromkeys(row.metric + ("" if row.greater_is_better else " ↓") for row in (before, after))
    best = f"{figure(before, before.best)} → {figure(after, after.best)}"
    return (
        task.task, "/".join(metrics), _mean(before), _mean(after), best, _difference(task), _p_values(task),
        _test(task), task.verdict.value,
    )  # fmt: skip


def _mean(row: MetricRow) -> str:
    # Of one run there is no standard deviation.
    spread = "" if row.std is None else f" ± {figure(row, row.std)}"
    return f"{figure(row, row.mean)}{spread} ({row.n})"


def _difference(task: TaskComparison) -> str:
    figures = task.before.figures
    if task.difference is None:
        return NOTHING
    if task.low is None or task.high is None:
        return _signed(figure(figures, task.difference))
    low, high = (_signed(figure(figures, value)) for value in (task.low, task.high))
    return f"{_signed(figure(figures, task.difference))} [{low}, {high}]"


def _p_values(task: TaskComparison) -> str:
    if task.p is None or task.p_holm is None:
        return NOTHING
    return f"{_p(task.p)} ({_p(task.p_holm)})"


def _p(value: float) -> str:
    return "<0.001" if value < 0.001 else f"{value:.3f}"


def _test(task: TaskComparison) -> str:
    if task.test is None:
        return NOTHING
    return f"{task.test.value} ({task.pairs})" if task.test == Kind.PAIRED else task.test.value


def _signed(text: str) -> str:
    return text if text.startswith("-") else f"+{text}"


def _overall(overall: Overall | None) -> str:
    if overall is None:
        return "Overall: none; there is no task of which both have a score by the same metrics."
    return (
        f"Overall: mean task score over {', '.join(overall.tasks)}: {overall.before:.2f} → {overall.after:.2f} "
        f"({_signed(f'{overall.difference:.2f}')}) by means over runs, {overall.before_best:.2f} → "
        f"{overall.after_best:.2f} by best runs; not tested."
    )


def _notes(comparison: Comparison) -> Iterator[str]:
    yield (
        "Before, After: mean ± sample standard deviation over runs (n). Per cent and points, but metrics of which less "
        "is better (↓) are as measured. Difference: after less before."
    )
    tested = f"{comparison.tested} tested task{'' if comparison.tested == 1 else 's'}"
    yield (
        "t tests over seeds, two-sided: paired by seed (in brackets the pairs) where all that one planned are the "
        "other's too, else Welch's. "
        f"Holm's correction is over the {tested}; better and worse are by its p, at {ALPHA:g}. "
        "The intervals are each task's own, not corrected."
    )
    for warning in comparison.warnings:
        yield f"Warning: {warning}"
    for name, tasks in (
        (comparison.before.name, comparison.only_before),
        (comparison.after.name, comparison.only_after),
    ):
        if tasks:
            yield f"Only in {name}: {', '.join(tasks)}."
    for task in comparison.tasks:
        yield from _of_task(task)


def _of_task(task: TaskComparison) -> Iterator[str]:
    for title, side in (("before", task.before), ("after", task.after)):
        if side.left_out:
            yield f"{task.task}, {title}: runs left out: {_counts(side)}."
    if task.pairs is not None and task.pairs < max(task.before.figures.n, task.after.figures.n):
        yield f"{task.task}: the difference is over the {task.pairs} seeds that have a value in both."
    # Another metric is a warning already.
    if task.reason and task.test is not None:
        yield f"{task.task}: {task.verdict}: {task.reason}."


def _counts(side: Side) -> str:
    return ", ".join(f"{count} {words}" for words, count in side.left_out.items())
