"""Two experiments, or two runs, compared row by row over one dev set: McNemar's exact test and a paired bootstrap.

The tests over seeds ask whether two ways to train differ; these ask whether models that there are do, on rows like
those of the dev set. The tests themselves need libraries that the core does not import: they come in as functions.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from finetune_core.results.comparison.schema import ItemComparison, ModelPair
from finetune_core.results.comparison.significance import holm
from finetune_core.results.dev_predictions import MOST_ROWS
from finetune_core.results.run import DevPredictionFile
from finetune_core.stored import finite
from finetune_core.tasks.metrics import BINARY_ONLY_METRICS, CLASSIFICATION_METRICS, REGRESSION_METRICS, SET_METRICS

NO_FILES = (
    "no run {side} has dev predictions: it was trained before they were kept, or its dev set has more than "
    f"{MOST_ROWS:,} rows"
)


@dataclass(frozen=True)
class Sheet:
    """What one run (or the runs of all folds, their ids by blanks) says of rows of a dev set: row -> (label, guess)."""

    run_id: str
    seed: int
    record: DevPredictionFile
    answers: Mapping[int, tuple[str, str]]


@dataclass(frozen=True)
class Interval:
    """A metric over the same rows on both sides, each the mean over its models; the interval of after - before."""

    before: float
    after: float
    low: float
    high: float


@dataclass(frozen=True)
class Items:
    """The labels of n rows, and of each model of either side its n predictions; `positive` is the label of F1.

    Where a text can have several of the labels `names`, all of these are JSON lists.
    """

    labels: Sequence[str]
    before: Sequence[Sequence[str]]
    after: Sequence[Sequence[str]]
    positive: str | None
    names: Sequence[str] = ()


class ItemTests(Protocol):
    """The tests over rows."""

    def mcnemar(self, only_before: int, only_after: int) -> float:
        """McNemar's exact p, two-sided, of how many rows one model alone is right about, and the other one."""

    def bootstrap(self, metric: str, items: Items) -> Interval:
        """A metric over all rows, and the interval at LEVEL over resampled rows, the same for all models."""


def compare_items(
    task: str, metric: str, before: Sequence[Sheet], after: Sequence[Sheet], tests: ItemTests
) -> ItemComparison:
    """One task by the predictions of its runs: of those of the same seeds where there are some, else of all.

    `metric` is the one that decides; where predictions do not give it, accuracy (of sets of labels that of whole sets)
    or the mean squared error is compared. A prediction of several labels is right if it is all of them and no other.
    """
    plain = ItemComparison(task=task, metric=metric)
    if reason := _incomparable(before, after):
        return plain.model_copy(update={"reason": reason})
    olds, news = _chosen(before, after)
    rows = sorted(set.intersection(*(set(sheet.answers) for sheet in (*olds, *news))))
    if reason := _odd_rows(rows, olds, news):
        return plain.model_copy(update={"reason": reason})
    record = olds[0].record
    items = Items(
        labels=[olds[0].answers[row][0] for row in rows],
        before=[[sheet.answers[row][1] for row in rows] for sheet in olds],
        after=[[sheet.answers[row][1] for row in rows] for sheet in news],
        positive=record.positive,
        names=record.labels,
    )
    measured = measured_by_rows(metric, record)
    found = tests.bootstrap(measured, items)
    return ItemComparison(
        task=task,
        metric=measured,
        data=record.data,
        items=len(rows),
        before_seeds=tuple(sheet.seed for sheet in olds),
        after_seeds=tuple(sheet.seed for sheet in news),
        before=finite(found.before),
        after=finite(found.after),
        difference=finite(found.after - found.before),
        low=finite(found.low),
        high=finite(found.high),
        pairs=() if record.regression else _pairs(olds, news, items, tests),
    )


def measured_by_rows(metric: str, record: DevPredictionFile) -> str:
    """The metric that is compared where `metric` decides."""
    name = metric.removeprefix(record.prefix)
    if record.regression:
        return name if name in REGRESSION_METRICS else "mse"
    if record.labels:
        return name if name in SET_METRICS else "subset_accuracy"
    known = name in CLASSIFICATION_METRICS and (record.positive is not None or name not in BINARY_ONLY_METRICS)
    return name if known else "accuracy"


def file_of(metric: str, files: Mapping[str, DevPredictionFile]) -> str | None:
    """The file of the dev set that a metric is of: `mm_accuracy` is of MNLI's mismatched one."""
    fitting = [name for name, record in files.items() if metric.startswith(record.prefix)]
    return max(fitting, key=lambda name: (len(files[name].prefix), name), default=None)


def _chosen(before: Sequence[Sheet], after: Sequence[Sheet]) -> tuple[list[Sheet], list[Sheet]]:
    olds, news = map(_by_seed, (before, after))
    common = sorted(olds.keys() & news.keys())
    if common:
        return [olds[seed] for seed in common], [news[seed] for seed in common]
    return [olds[seed] for seed in sorted(olds)], [news[seed] for seed in sorted(news)]


def _by_seed(sheets: Sequence[Sheet]) -> dict[int, Sheet]:
    """One sheet a seed: the folds of a seed say something of different rows of one file."""
    made: dict[int, Sheet] = {}
    for sheet in sheets:
        first = made.get(sheet.seed)
        if first is not None:
            run_id, answers = f"{first.run_id} {sheet.run_id}", {**first.answers, **sheet.answers}
            sheet = replace(first, run_id=run_id, answers=answers)  # noqa: PLW2901
        made[sheet.seed] = sheet
    return made


def _incomparable(before: Sequence[Sheet], after: Sequence[Sheet]) -> str | None:
    for side, sheets in (("before", before), ("after", after)):
        if not sheets:
            return NO_FILES.format(side=side)
    first, second = (_named(sheet.record.data for sheet in sheets) for sheets in (before, after))
    if first != second or "," in first:
        return f"the dev sets differ (digest {first} before, {second} after): give both the same file"
    if len({sheet.record.regression for sheet in (*before, *after)}) > 1:
        return "one predicts labels and the other scores"
    if len({sheet.record.labels for sheet in (*before, *after)}) > 1:
        return "the labels that a text can have differ, or their order: give both the same labels"
    if len({sheet.record.positive for sheet in (*before, *after)}) > 1:
        return "the order of the labels differs, so F1 is of another one: give both the same labels"
    return None


def _odd_rows(rows: Sequence[int], olds: Sequence[Sheet], news: Sequence[Sheet]) -> str | None:
    if not rows:
        return "they have no row of the dev set in common"
    for row in rows:
        labels = {sheet.answers[row][0] for sheet in (*olds, *news)}
        if len(labels) > 1:
            named = " and ".join(sorted(labels))
            return f"row {row} of the dev set has the labels {named}: the tasks do not read the same column"
    return None


def _pairs(olds: Sequence[Sheet], news: Sequence[Sheet], items: Items, tests: ItemTests) -> tuple[ModelPair, ...]:
    """Each model with its partner: of the same seed, or one after another."""
    made = []
    for old, new, first, second in zip(olds, news, items.before, items.after, strict=False):
        right = [(a == label, b == label) for label, a, b in zip(items.labels, first, second, strict=True)]
        only_before, only_after = right.count((True, False)), right.count((False, True))
        made.append(
            ModelPair(
                before_run=old.run_id,
                after_run=new.run_id,
                before_seed=old.seed,
                after_seed=new.seed,
                both=right.count((True, True)),
                only_before=only_before,
                only_after=only_after,
                neither=right.count((False, False)),
                p=tests.mcnemar(only_before, only_after),
            )
        )
    adjusted = holm({str(place): pair.p for place, pair in enumerate(made)})
    return tuple(pair.model_copy(update={"p_holm": adjusted[str(place)]}) for place, pair in enumerate(made))


def _named(digests: Iterable[str]) -> str:
    return ", ".join(sorted(set(digests)))
