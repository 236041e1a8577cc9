"""How many more seeds two experiments need until it is decided which is better: `finetune compare --until-decided`.

A task is tested at the looks that `spending` names, over its first seeds in the order in which they are planned, so
that the verdict depends on the plans and results alone: not on when anybody looked, or how often. Tests are those of
`significance` (paired by seed, else Welch's). Over the tasks it is Holm's rule for group-sequential tests: a task that
is decided hands its share of alpha on to the others, which are then judged anew (Maurer and Bretz, Multiple testing in
group sequential trials using graphical approaches, 2013, https://doi.org/10.1080/19466315.2013.807748).
"""

from collections.abc import Mapping
from dataclasses import dataclass

from finetune_core.results.comparison.schema import Whose
from finetune_core.results.comparison.significance import ALPHA, Estimate, TTest
from finetune_core.results.schema import ResultsDocument, TaskRow
from finetune_core.seeds.pairing import SeedRun, SeedSequence, sequence_of
from finetune_core.seeds.schema import Decided, SeedsNeeded, TaskSeeds
from finetune_core.seeds.spending import levels, looks
from finetune_core.tasks.registry import in_order

MOST = 20
"""Seeds of a task, if nobody says how many it may have."""


@dataclass(frozen=True)
class Look:
    """A look at the first `seeds` seeds: it decides where p does not exceed the level that it may spend."""

    seeds: int
    level: float
    difference: float | None
    p: float | None

    @property
    def decides(self) -> bool:
        """Whether a difference is found."""
        return self.p is not None and self.p <= self.level


def seeds_needed(before: ResultsDocument, after: ResultsDocument, t_test: TTest, most: int = MOST) -> SeedsNeeded:
    """The verdicts by now on the tasks that both have, and what the undecided ones need; `most` is at least 2."""
    old, new = ({row.task: row for row in document.tasks} for document in (before, after))
    rows = {task: (old[task], new[task]) for task in in_order(old.keys() & new.keys())}
    sequences = {
        task: sequence_of(_runs(before, first), _runs(after, second))
        for task, (first, second) in rows.items()
        if _why_not(first, second) is None
    }
    found = by_holm(sequences, t_test, most)
    return SeedsNeeded(
        before=Whose.of(before),
        after=Whose.of(after),
        most=most,
        looks=looks(most),
        tasks=tuple(_task(*pair, sequences.get(task), found.get(task), most) for task, pair in rows.items()),
    )


def by_holm(sequences: Mapping[str, SeedSequence], t_test: TTest, most: int) -> dict[str, Look]:
    """By task, the look that decided it, else the last one; none where there are fewer seeds than the first look has.

    All verdicts together are wrong about a task without a difference with a probability of at most ALPHA.
    """
    decided: dict[str, Look] = {}
    while True:
        left = {task: one for task, one in sequences.items() if task not in decided}
        last = {task: _last_look(one, t_test, most, ALPHA / len(left)) for task, one in left.items()}
        new = {task: look for task, look in last.items() if look is not None and look.decides}
        decided |= new
        if not new:
            return decided | {task: look for task, look in last.items() if look is not None}


def _last_look(sequence: SeedSequence, t_test: TTest, most: int, alpha: float) -> Look | None:
    last = None
    for seeds, level in zip(looks(most), levels(most, alpha), strict=True):
        if seeds > sequence.there:
            return last
        chosen = sequence.first(seeds)
        estimate: Estimate | None = chosen.estimate(t_test)
        last = Look(seeds, level, chosen.difference, estimate.p if estimate else None)
        if last.decides:
            return last
    return last


def _task(old: TaskRow, new: TaskRow, sequence: SeedSequence | None, look: Look | None, most: int) -> TaskSeeds:
    if sequence is None:
        metric = "/".join(dict.fromkeys((old.metric, new.metric)))
        return TaskSeeds(task=old.task, metric=metric, verdict=Decided.NOT_COMPARED, reason=_why_not(old, new))
    verdict = _verdict(old, look, most)
    made = TaskSeeds(task=old.task, metric=old.metric, verdict=verdict, test=sequence.kind, seeds=sequence.there)
    if look is not None:
        figures = {"looked_at": look.seeds, "difference": look.difference, "p": look.p, "level": look.level}
        made = made.model_copy(update=figures)
    if verdict != Decided.UNDECIDED:
        return made
    wanted = next(seeds for seeds in looks(most) if look is None or seeds > look.seeds)
    more = {"before_more": sequence.before.more(wanted), "after_more": sequence.after.more(wanted)}
    return made.model_copy(update={"next_look": wanted, **more})


def _verdict(task: TaskRow, look: Look | None, most: int) -> Decided:
    if look is not None and look.decides and look.difference:
        greater = next(row.greater_is_better for row in task.metrics if row.metric == task.metric)
        return Decided.BETTER if (look.difference > 0) == greater else Decided.WORSE
    return Decided.NO_DIFFERENCE if look is not None and look.seeds == most else Decided.UNDECIDED


def _why_not(old: TaskRow, new: TaskRow) -> str | None:
    if old.metric != new.metric:
        return "another metric decides: give both the same metricForBestModel"
    return "folds share most of their training rows, so a t test finds too much" if old.folds or new.folds else None


def _runs(document: ResultsDocument, task: TaskRow) -> list[SeedRun]:
    runs = sorted((run for run in document.runs if run.task == task.task), key=lambda run: run.run)
    return [SeedRun.of(run, task.metric) for run in runs]
