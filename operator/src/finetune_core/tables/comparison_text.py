"""A comparison as people read it: per cent and points with two decimals, p values, and what must be known to read it.

For all formats alike: they only differ in how they write a table.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from finetune_core.results.comparison.schema import (
    Comparison,
    ItemComparison,
    ModelPair,
    Overall,
    Sample,
    Side,
    TaskComparison,
    Verdict,
    Whose,
)
from finetune_core.results.comparison.significance import ALPHA, Kind
from finetune_core.results.schema import MetricRow
from finetune_core.tables import figures

COLUMNS = ("Task", "Metric", "Before", "After", "Best", "Difference [95 % CI]", "p (Holm)", "t test", "Verdict")
"""Titles; the figures, which are aligned to the right, are those of FIGURES."""
FIGURES = frozenset(COLUMNS[2:7])
ITEMS_NOTE = (
    "Row by row: whether the models that there are differ on rows like those of the dev set; t tests over seeds say "
    "whether the two ways to train do. The bootstrap resamples rows, the same ones for all models, and takes means "
    "over models; McNemar's test is of the labels of two models each, p (Holm's over the task's pairs)."
)


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


_MOST_PAIRS = 10


def item_words(item: ItemComparison) -> str:
    """A task compared row by row, in words."""
    if item.reason is not None:
        return f"{item.task}, row by row: not compared: {item.reason}."
    values = f"{figures.metric(item.metric, item.before)} → {figures.metric(item.metric, item.after)}"
    interval = figures.interval(item.metric, item.difference, item.low, item.high)
    text = (
        f"{item.task}, row by row over {item.items} rows of the dev set (digest {item.data}), {_seeds(item)}: "
        f"{item.metric} {values}, {interval} by a paired bootstrap of the rows."
    )
    if not item.pairs:
        return text
    shown = "; ".join(map(_pair, item.pairs[:_MOST_PAIRS]))
    more = len(item.pairs) - _MOST_PAIRS
    return f"{text} McNemar's exact test: {shown}{f'; and {more} more' if more > 0 else ''}."


def _seeds(item: ItemComparison) -> str:
    if item.before_seeds == item.after_seeds:
        return f"models of the seed{'s' if len(item.before_seeds) > 1 else ''} {_listed(item.before_seeds)}"
    return f"models of the seeds {_listed(item.before_seeds)} before, {_listed(item.after_seeds)} after"


def _pair(pair: ModelPair) -> str:
    seeds = " and ".join(dict.fromkeys((str(pair.before_seed), str(pair.after_seed))))
    return (
        f"seed {seeds}: {pair.only_before} right before alone, {pair.only_after} after alone, "
        f"p {figures.p_value(pair.p)} ({figures.p_value(pair.p_holm)})"
    )


def _listed(seeds: tuple[int, ...]) -> str:
    shown = ", ".join(map(str, seeds[:_MOST_PAIRS]))
    return shown if len(seeds) <= _MOST_PAIRS else f"{shown} and {len(seeds) - _MOST_PAIRS} more"


def _whose(title: str, side: Whose) -> str:
    return f"{title}: {side.name}, model {' '.join(side.model_uri.split())}, report {side.report_digest}"


def _row(task: TaskComparison) -> tuple[str, ...]:
    before, after = task.before.figures, task.after.figures
    metrics = dict.fromkeys(row.metric + ("" if row.greater_is_better else " ↓") for row in (before, after))
    best = " → ".join(figures.metric(row.metric, row.best) for row in (before, after))
    return (
        task.task, "/".join(metrics), _mean(before, task.before_sample), _mean(after, task.after_sample), best,
        figures.interval(before.metric, task.difference, task.low, task.high), _p_values(task),
        _test(task), task.verdict.value,
    )  # fmt: skip


def _mean(row: MetricRow, compared: Sample | None) -> str:
    """Of the runs that are compared, so that the difference is that of the columns; of all where nothing is."""
    shown = compared or row
    return figures.spread(row.metric, shown.mean, shown.std, shown.n)


def _p_values(task: TaskComparison) -> str:
    return figures.NOTHING if task.p is None else f"{figures.p_value(task.p)} ({figures.p_value(task.p_holm)})"


def _test(task: TaskComparison) -> str:
    if task.test is None:
        return figures.NOTHING
    return f"{task.test.value} ({task.pairs})" if task.test == Kind.PAIRED else task.test.value


def _overall(overall: Overall | None) -> str:
    if overall is None:
        return "Overall: none; there is no task of which both have a score by the same metrics."
    before, after, first, last = map(
        figures.score, (overall.before, overall.after, overall.before_best, overall.after_best)
    )
    difference = figures.score(overall.difference, signed=True)
    return (
        f"Overall: mean task score over {', '.join(overall.tasks)}: {before} → {after} "
        f"({difference}) by means over all runs, {first} → {last} by best runs; not tested."
    )


def _notes(comparison: Comparison) -> Iterator[str]:
    yield (
        "Before, After: mean ± sample standard deviation over the n runs that are compared: those of the pairs where "
        "the test is paired, else all. Best: of all runs. Per cent and points, but metrics of which less is better (↓) "
        "are as measured. Difference: after less before."
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
    if comparison.items:
        yield ITEMS_NOTE
        yield from map(item_words, comparison.items)


def _of_task(task: TaskComparison) -> Iterator[str]:
    for title, side in (("before", task.before), ("after", task.after)):
        if side.left_out:
            yield f"{task.task}, {title}: runs left out: {_counts(side)}."
    if task.pairs is not None:
        yield from _without_partner(task, task.pairs)
    # Another metric is a warning already.
    if task.reason and task.test is not None:
        yield f"{task.task}: {task.verdict}: {task.reason}."


def _without_partner(task: TaskComparison, pairs: int) -> Iterator[str]:
    """What the columns of a paired test leave out."""
    for title, side in (("before", task.before), ("after", task.after)):
        row = side.figures
        if row.n > pairs:
            yield (
                f"{task.task}, {title}: {pairs} of {row.n} runs have a partner of the same seed; over all "
                f"{figures.spread(row.metric, row.mean, row.std, row.n)}."
            )


def _counts(side: Side) -> str:
    return ", ".join(f"{count} {words}" for words, count in side.left_out.items())
