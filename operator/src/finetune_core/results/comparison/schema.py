"""Two experiments compared, before and after, as a versioned schema: what `finetune compare -o json` writes.

Metrics are as measured, scores x100. Every difference is after - before, whether more or less is better.
"""

from enum import StrEnum
from typing import Annotated, Self

from pydantic import Field

from finetune_core.frozen import Document, empty
from finetune_core.results.comparison.significance import LEVEL, Kind
from finetune_core.results.schema import MetricRow, ResultsDocument

COMPARISON_SCHEMA_VERSION = 1


class Verdict(StrEnum):
    """What the test says of `after`, in plain words."""

    BETTER = "better"
    WORSE = "worse"
    NO_DIFFERENCE = "no significant difference"
    TOO_FEW = "too few seeds"
    NOT_TESTED = "not tested"
    """A t test can say nothing of such values."""
    NOT_COMPARED = "not compared"
    """The values are of different metrics."""


class Whose(Document):
    """An experiment that is compared."""

    namespace: str
    experiment: str
    uri: str
    model_uri: str
    model_digest: str
    report_digest: str

    @classmethod
    def of(cls, document: ResultsDocument) -> Self:
        """Whose results they are."""
        return cls.model_validate(document.model_dump(include=set(cls.model_fields)))

    @property
    def name(self) -> str:
        """`namespace/experiment`."""
        return f"{self.namespace}/{self.experiment}"


class Side(Document):
    """A task in one experiment: its figures over all runs that have a value, and how many have none.

    `quarantined` runs were planned again, so the others may be all that were asked for nevertheless.
    """

    figures: MetricRow
    failed: int
    missing: int
    not_finite: int
    quarantined: int

    @property
    def left_out(self) -> dict[str, int]:
        """What is left out, in words, and how many; only what there is."""
        counts = {
            "failed": self.failed,
            "not ended": self.missing,
            "not finite": self.not_finite,
            "quarantined": self.quarantined,
        }
        return {words: count for words, count in counts.items() if count}


class Sample(Document):
    """The runs of one side that are compared: their number, mean and sample standard deviation, as measured."""

    n: int
    mean: float
    std: float | None


class TaskComparison(Document):
    """A task that both have, by the metric that decides.

    `before_sample` and `after_sample` are what is compared: of a paired test (`pairs` of them) the runs of the pairs
    alone; None where nothing is. `difference` is that of their means. `low` and `high` are its
    confidence interval, `p` is two-sided; neither is corrected for the number of tasks, `p_holm` is. `verdict` goes by
    `p_holm`; `reason` says why nothing was tested.
    """

    task: str
    before: Side
    after: Side
    before_sample: Sample | None = None
    after_sample: Sample | None = None
    test: Kind | None = None
    pairs: int | None = None
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    t: float | None = None
    df: float | None = None
    p: float | None = None
    p_holm: float | None = None
    verdict: Verdict
    reason: str | None = None

    @property
    def metric(self) -> str:
        """The metric, or both where they differ."""
        return "/".join(dict.fromkeys((self.before.figures.metric, self.after.figures.metric)))


class ModelPair(Document):
    """Two models over the same rows: how many each alone is right about, and McNemar's exact p, two-sided.

    `p_holm` is corrected over the pairs of its task.
    """

    before_run: str
    after_run: str
    before_seed: int
    after_seed: int
    both: int
    only_before: int
    only_after: int
    neither: int
    p: float
    p_holm: float | None = None


class ItemComparison(Document):
    """A task by the predictions of its models over `items` rows of the dev set whose content has the digest `data`.

    `before` and `after` are means over the models of these seeds, of `metric` as measured. `low` and `high` are the
    interval of their difference over resampled rows, the same rows for all models; the models are taken as they are.
    `pairs` are of classification alone. `reason` says why nothing is compared.
    """

    task: str
    metric: str
    data: str | None = None
    items: int = 0
    before_seeds: tuple[int, ...] = ()
    after_seeds: tuple[int, ...] = ()
    before: float | None = None
    after: float | None = None
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    pairs: tuple[ModelPair, ...] = ()
    reason: str | None = None


class Overall(Document):
    """Means of the task scores (x100) over `tasks`: of each task's mean over its runs, and of its best run."""

    tasks: tuple[str, ...]
    before: float
    after: float
    difference: float
    before_best: float
    after_best: float


class Comparison(Document):
    """Two experiments; `tested` tasks have a p value, which Holm's correction counts."""

    schema_version: int = COMPARISON_SCHEMA_VERSION
    before: Whose
    after: Whose
    level: float = LEVEL
    correction: str = "Holm"
    tested: int
    tasks: tuple[TaskComparison, ...]
    overall: Overall | None
    only_before: tuple[str, ...]
    only_after: tuple[str, ...]
    warnings: tuple[str, ...]
    items: Annotated[tuple[ItemComparison, ...], Field(exclude_if=empty)] = ()
    """Row by row; empty where that was not asked for."""
