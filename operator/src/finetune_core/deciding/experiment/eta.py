"""How long an experiment still takes, from what its runs took so far; `figures.eta` writes it."""

from collections.abc import Iterator, Mapping

from finetune_core.deciding.outcome import Outcome
from finetune_core.planning.cost import Rates
from finetune_core.planning.plan import Plan, TaskPlan
from finetune_core.results.run import Progress


def remaining_seconds(
    plan: Plan,
    outcomes: Mapping[str, Outcome],
    progress: Mapping[str, Progress],
    waiting: frozenset[str],
    *,
    parallelism: int,
) -> float | None:
    """Seconds until the waiting runs (ids, those at work included) are done; None while nothing is known yet.

    Living runs say themselves how long they take; for the others, seconds per unit of expected cost are taken from
    runs of the same task where there are any, else from all runs.
    """
    rates = Rates.of(_seen(plan, outcomes, progress))
    if not rates.of_task or parallelism < 1:
        return None
    total, longest = 0.0, 0.0
    for run in plan.runs:
        if run.run_id not in waiting:
            continue
        seconds = _known_left(progress.get(run.run_id))
        if seconds is None:
            seconds = rates.seconds(plan.tasks[run.task]) or 0.0
        total += seconds
        longest = max(longest, seconds)
    return max(total / parallelism, longest)


def _known_left(progress: Progress | None) -> float | None:
    return progress.seconds_left if progress else None


def _seen(
    plan: Plan, outcomes: Mapping[str, Outcome], progress: Mapping[str, Progress]
) -> Iterator[tuple[TaskPlan, float]]:
    for run in plan.runs:
        seconds = _whole_time(outcomes.get(run.run_id), progress.get(run.run_id))
        if seconds:
            yield plan.tasks[run.task], seconds


def _whole_time(outcome: Outcome | None, progress: Progress | None) -> float | None:
    if outcome is not None:
        return outcome.train_seconds
    if progress is None or progress.seconds_left is None:
        return None
    return progress.elapsed_seconds + progress.seconds_left
