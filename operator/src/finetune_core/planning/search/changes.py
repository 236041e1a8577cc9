"""What of a search may change once it has trials: whatever leaves them comparable with those to come."""

from typing import Any

from finetune_core.planning.search.plan import SearchPlan, SearchTaskPlan
from finetune_core.problems import Problem

REMEDY = "create a new HPSearch, or delete the trials of this one from the store"


def refused_changes(old: SearchPlan, new: SearchPlan, begun: frozenset[str]) -> tuple[Problem, ...]:
    """Why `new` must not go on with the trials of `old`; `begun` are the tasks that have some. Empty if it may.

    A trial is a pure function of search seed, task and index, in a space, over settings, model and data: these are
    fixed by the first trial. How many trials, when to end, and what runs them can change at any time.
    """
    kept = [task for task in new.order if task in begun and task in old.tasks]
    if not kept:
        return ()
    problems = [
        Problem(
            f"spec.{field}",
            f"has changed, but {', '.join(kept)} already {'have' if kept[1:] else 'has'} trials: {REMEDY}",
        )
        for field, before in _of_search(old).items()
        if before != _of_search(new)[field]
    ]
    for task in kept:
        before, after = _of_task(old.tasks[task]), _of_task(new.tasks[task])
        problems += [
            Problem(f"spec.tasks[{task}]", f"{what} changed, but it already has trials: {REMEDY}")
            for what in before
            if before[what] != after[what]
        ]
    return tuple(problems)


def reopened_tasks(old: SearchPlan, new: SearchPlan) -> tuple[str, ...]:
    """Tasks whose end under `old` may not be one under `new`: trials, goal, budgets or finalists changed."""
    search_wide = _ending(old) != _ending(new)
    return tuple(
        task
        for task in new.order
        if task in old.tasks and (search_wide or _task_ending(old.tasks[task]) != _task_ending(new.tasks[task]))
    )


def _of_search(plan: SearchPlan) -> dict[str, Any]:
    return {
        "model": plan.model.digest,
        "seed": plan.seed,
        "algorithm": plan.algorithm,
        "seedsPerTrial": plan.seeds_per_trial,
        "training (the operator's recipe)": plan.recipe_version,
    }


def _of_task(task: SearchTaskPlan) -> dict[str, Any]:
    definition = task.definition.model_dump(mode="json", exclude={"test_splits", "submission", "folder"})
    return {
        "its definition": definition,
        "its settings": task.settings.identity(),
        "its data": task.data.digest,
        "its space": {name: values.model_dump(mode="json", by_alias=True) for name, values in task.space.items()},
        "its objective's direction": task.greater_is_better,
    }


def _ending(plan: SearchPlan) -> tuple[object, ...]:
    return (plan.max_failed_trials, plan.time_budget_seconds, plan.finalists)


def _task_ending(task: SearchTaskPlan) -> tuple[object, ...]:
    return (task.trials, task.goal)
