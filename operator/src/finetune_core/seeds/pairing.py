"""A task's runs of two experiments in the order in which they were planned: what a look at the first n seeds sees."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile

from finetune_core.results.comparison.significance import Kind, Samples, Seeded, samples
from finetune_core.results.schema import RunRow, RunState
from finetune_core.stored import finite


@dataclass(frozen=True)
class SeedRun:
    """A planned run: `ended` for good or not yet, and its value as measured, where it has a finite one."""

    seed: int
    ended: bool
    value: float | None

    @classmethod
    def of(cls, run: RunRow, metric: str) -> "SeedRun":
        """The run of a results document, by the metric that decides its task."""
        succeeded = run.state == RunState.SUCCEEDED
        value = run.value if run.metric == metric else run.metrics.get(metric)
        return cls(run.seed, run.state != RunState.MISSING, finite(value) if succeeded else None)

    def in_pair(self, *, ended: bool, lost: bool) -> "SeedRun":
        """The run where its pair has ended, or not, and is lost or whole."""
        return SeedRun(self.seed, ended, None if lost or not ended else self.value)


@dataclass(frozen=True)
class Side:
    """One side's runs: `values` come before the first run that is still waited for; `lost` runs ended without one."""

    planned: int
    values: tuple[float, ...]
    lost: int

    @classmethod
    def of(cls, planned: int, runs: Sequence[SeedRun]) -> "Side":
        """From runs in their order."""
        known = tuple(takewhile(lambda run: run.ended, runs))
        return cls(
            planned=planned,
            values=tuple(run.value for run in known if run.value is not None),
            lost=sum(run.ended and run.value is None for run in runs),
        )

    def more(self, wanted: int) -> int:
        """Runs to add so that so many have a value, if those that are waited for will."""
        return max(0, wanted + self.lost - self.planned)


@dataclass(frozen=True)
class SeedSequence:
    """Both sides, in an order that results do not change; of a paired one, values at one place are of one seed."""

    kind: Kind
    before: Side
    after: Side

    @property
    def there(self) -> int:
        """Seeds that can be compared now."""
        return min(len(self.before.values), len(self.after.values))

    def first(self, n: int) -> Samples:
        """What a look at n seeds tests; IndexError if they are not there."""
        if n > self.there:
            raise IndexError(f"{n} seeds of {self.there}")
        return Samples(self.kind, self.before.values[:n], self.after.values[:n])


def sequence_of(before: Sequence[SeedRun], after: Sequence[SeedRun]) -> SeedSequence:
    """The sequence of two experiments' runs of a task, each in the order of its run indexes.

    Paired by the rule of `significance.samples`; a pair of which one run failed is lost, and another one is needed.
    """
    kind = samples([Seeded(run.seed, run.value) for run in before], [Seeded(run.seed, run.value) for run in after]).kind
    if kind == Kind.WELCH:
        return SeedSequence(kind, Side.of(len(before), before), Side.of(len(after), after))
    first, second = zip(*_pairs(before, after), strict=True)
    return SeedSequence(kind, Side.of(len(before), first), Side.of(len(after), second))


def _pairs(before: Sequence[SeedRun], after: Sequence[SeedRun]) -> Iterator[tuple[SeedRun, SeedRun]]:
    """The seeds that both planned; what one run of a pair lacks, its partner has not either."""
    partners = {run.seed: run for run in after}
    for one in before:
        other = partners.get(one.seed)
        if other is None:
            continue
        lost = any(run.ended and run.value is None for run in (one, other))
        ended = lost or (one.ended and other.ended)
        yield one.in_pair(ended=ended, lost=lost), other.in_pair(ended=ended, lost=lost)
