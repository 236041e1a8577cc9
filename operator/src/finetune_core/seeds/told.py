"""How many seeds a task has, how many it may come to have, and why it has enough: in words, for status and tables."""

from collections.abc import Collection, Mapping

from finetune_core.api import RunsUntil
from finetune_core.deciding.outcome import Outcome
from finetune_core.planning.plan import Plan
from finetune_core.results.schema import SeedsRow
from finetune_core.seeds.enough import Enough
from finetune_core.seeds.growth import most_runs, verdict_of
from finetune_core.seeds.narrow import SeedsVerdict
from finetune_core.tables import figures

_UNKNOWN = "more than half of the values are the same, which tells no spread"


def counted(
    ended: int, plan: Plan, outcomes: Mapping[str, Outcome], failed: Collection[str], task: str | None = None
) -> str:
    """`3/4`, or `3/4..10` where there may come to be 10 runs; of a task, or of all."""
    names = plan.task_names if task is None else (task,)
    planned = sum(len(plan.runs_of(name)) for name in names)
    may = sum(most_runs(plan, name, outcomes, failed) for name in names)
    return figures.count(ended, planned) + (f"..{may}" if may > planned else "")


def seeds_of(plan: Plan, task: str, outcomes: Mapping[str, Outcome], failed: Collection[str]) -> str | None:
    """A sentence on a task's seeds; None where the spec says how many there are."""
    until = plan.tasks[task].until
    if until is None:
        return None
    return seeds_words(until, verdict_of(plan, task, outcomes, failed), len(plan.runs_of(task)))


def seeds_words(asked: RunsUntil | SeedsRow, verdict: SeedsVerdict | None, runs: int) -> str:
    """`4 are enough: mean ± 0.50`: of `runs` runs, in the unit of tables."""
    wanted = _width(asked.half_width)
    if verdict is None:
        return f"{runs} of at most {asked.most}, until the mean is sure to {wanted}"
    known = f"mean {_width(verdict.half)}, not {wanted}" if verdict.half is not None else _UNKNOWN
    match verdict.enough:
        case Enough.NARROW:
            return f"{runs} are enough: mean {wanted}"
        case Enough.AT_MOST:
            return f"{runs} at most: {known}"
        case Enough.TOO_FEW_VALUES:
            return f"none are added to {runs}: fewer than two have a value"
        case Enough.GOES_ON:
            return f"{runs} are not enough: {known}"


def _width(half: float) -> str:
    return f"± {half:.2f}" if half >= 0.1 else f"± {half:.2g}"
