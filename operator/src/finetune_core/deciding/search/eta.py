"""How long a search still takes: what its trials took, times what is left, over what runs at a time."""

from collections.abc import Sequence

from finetune_core.deciding.search.observation import SearchObservation
from finetune_core.results.search.trial import TrialResult


def remaining_seconds(seen: SearchObservation, at_work: int) -> float | None:
    """Seconds until the tasks without an end are done; None while no trial has ended or none runs.

    `at_work` are trials that run now. Finalists count with the time of a trial for each of their seeds.
    """
    everywhere = [one for results in seen.trials.values() for one in results]
    overall = _mean_seconds(everywhere)
    if overall is None or at_work < 1:
        return None
    total = 0.0
    for task in seen.open_tasks:
        mean = _mean_seconds(seen.trials.get(task, ())) or overall
        total += mean * _left(seen, task)
    return total / at_work


def _left(seen: SearchObservation, task: str) -> float:
    trials = max(0, seen.plan.tasks[task].trials - seen.ended_trials(task))
    finalists = seen.plan.finalists
    if finalists is None:
        return trials
    open_finalists = max(0, finalists.trials - len(seen.finalists.get(task, ())))
    return trials + open_finalists * finalists.seeds / seen.plan.seeds_per_trial


def _mean_seconds(trials: Sequence[TrialResult]) -> float | None:
    run = [one.seconds for one in trials if one.duplicate_of is None]
    return sum(run) / len(run) if run else None
