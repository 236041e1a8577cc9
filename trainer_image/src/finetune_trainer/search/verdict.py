"""Whether a task's search is over before its trials are: goal reached, time spent, too many failures; pure."""

from collections.abc import Iterable
from datetime import datetime

from finetune_core.planning.search.plan import SearchPlan
from finetune_core.results.search.best_trial import best_trial
from finetune_core.results.search.trial import EndReason, TrialResult, TrialState
from finetune_core.tables import figures


def reaches(goal: float | None, value: float | None, *, greater_is_better: bool) -> bool:
    """Whether a value is as good as the goal."""
    if goal is None or value is None:
        return False
    return value >= goal if greater_is_better else value <= goal


def over(
    plan: SearchPlan, task: str, results: Iterable[TrialResult], *, started: datetime, now: datetime
) -> EndReason | None:
    """Why no new trial is started; None while nothing says so. All trials having ended is looked at first."""
    results = list(results)
    searched = plan.tasks[task]
    if len(results) >= searched.trials:
        return EndReason.ALL_TRIALS
    if any(reaches(searched.goal, trial.value, greater_is_better=trial.greater_is_better) for trial in results):
        return EndReason.GOAL_REACHED
    if failed_count(results) > plan.max_failed_trials:
        return EndReason.TOO_MANY_FAILED
    budget = plan.time_budget_seconds
    if budget is not None and (now - started).total_seconds() >= budget:
        return EndReason.TIME_BUDGET
    return None


def failed_count(results: Iterable[TrialResult]) -> int:
    """Failed trials; a configuration that failed counts once however often it was proposed.

    One that diverged does not count: that is what the search is there to find out, and nothing is broken.
    """
    failed = (trial for trial in results if trial.state == TrialState.FAILED and not trial.diverged)
    return sum(1 for trial in failed if trial.duplicate_of is None)


def describe(plan: SearchPlan, task: str, results: Iterable[TrialResult], reason: EndReason) -> str:
    """`20 of 20 trials ended, 2 failed; best accuracy 83.00 (trial 4)`."""
    results, planned = list(results), plan.tasks[task]
    text = f"{len(results)} of {planned.trials} trials ended, {failed_count(results)} failed"
    best = best_trial(results)
    text += f"; best {figures.named(best.metric, best.value)} (trial {best.index})" if best else ""
    goal = figures.metric(planned.settings.metric_for_best_model, planned.goal)
    return {
        EndReason.ALL_TRIALS: text,
        EndReason.GOAL_REACHED: f"the goal {goal} is reached: {text}",
        EndReason.TIME_BUDGET: f"timeBudgetSeconds {plan.time_budget_seconds} is spent: {text}",
        EndReason.BUDGET: text,
        EndReason.TOO_MANY_FAILED: f"more than maxFailedTrials {plan.max_failed_trials} failed: {text}",
    }[reason]
