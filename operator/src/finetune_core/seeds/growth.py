"""From results to a plan with more runs: which tasks need more seeds, and the plan that has them.

A plan only grows. Run k of a task has the seed and the id that it has where the spec says how many runs there are.
"""

from collections.abc import Collection, Mapping

from finetune_core.api import ExperimentSpec
from finetune_core.deciding.outcome import Outcome
from finetune_core.planning.plan import Plan, expand_runs
from finetune_core.seeds.enough import Enough
from finetune_core.seeds.narrow import SeedsVerdict, judge
from finetune_core.stored import finite
from finetune_core.tables.figures import in_unit


def verdict_of(
    plan: Plan, task: str, outcomes: Mapping[str, Outcome], failed: Collection[str] = ()
) -> SeedsVerdict | None:
    """Whether a task has runs enough, in the unit of tables.

    By the outcomes of runs (by id) and those that failed for good. None while one has not ended, or where the spec says
    how many runs there are.
    """
    until, runs = plan.tasks[task].until, plan.runs_of(task)
    ended = [run for run in runs if run.run_id in outcomes or run.run_id in failed]
    if until is None or len(ended) < len(runs):
        return None
    metric = plan.tasks[task].settings.metric_for_best_model
    found = (finite(outcomes[run.run_id].value) for run in runs if run.run_id in outcomes)
    values = [in_unit(metric, value) for value in found if value is not None]
    return judge(values, len(ended), until)


def more_runs(plan: Plan, outcomes: Mapping[str, Outcome], failed: Collection[str] = ()) -> dict[str, int]:
    """Task -> how many runs it is to have, of the tasks that need more than they have."""
    verdicts = {task: verdict_of(plan, task, outcomes, failed) for task in plan.task_names}
    return {task: one.runs for task, one in verdicts.items() if one is not None and one.enough == Enough.GOES_ON}


def most_runs(plan: Plan, task: str, outcomes: Mapping[str, Outcome], failed: Collection[str] = ()) -> int:
    """The most runs that a task may come to have, by what is known now."""
    until, planned = plan.tasks[task].until, len(plan.runs_of(task))
    if until is None:
        return planned
    verdict = verdict_of(plan, task, outcomes, failed)
    grows = verdict is None or verdict.enough == Enough.GOES_ON
    return max(planned, until.most) if grows else planned


def with_runs(plan: Plan, spec: ExperimentSpec, runs: Mapping[str, int]) -> Plan:
    """The plan where tasks have at least so many runs; base seed and quarantine are those of the spec that it is of."""
    names = plan.task_names
    counts = {task: max(len(plan.runs_of(task)), runs.get(task, 0)) for task in names}
    quarantine = {one.run_id: one.reason for one in spec.quarantine or ()}
    planned, quarantined = expand_runs(
        {task: plan.tasks[task] for task in names}, plan.model, counts, spec.seed, quarantine
    )
    return plan.model_copy(update={"runs": tuple(planned), "quarantined": tuple(quarantined)})


def kept_runs(plan: Plan, spec: ExperimentSpec, before: Plan) -> dict[str, int]:
    """Of tasks that have seeds until they are enough: as many as they had before, at most as many as they may have.

    What was planned stays so, whatever its result; but where it had none of the runs of today (other settings, data or
    model), nothing is kept.
    """
    kept = {}
    for task in plan.task_names:
        until, had = plan.tasks[task].until, before.runs_of(task)
        if until is None or not had:
            continue
        count = min(until.most, len(had))
        same = {run.run_id for run in with_runs(plan, spec, {task: count}).runs_of(task)}
        if same.intersection(run.run_id for run in had):
            kept[task] = count
    return kept
