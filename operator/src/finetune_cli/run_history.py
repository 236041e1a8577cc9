"""How long past runs in a store took."""

from collections.abc import Iterator
from itertools import islice

from finetune_core.layout import ExperimentLayout
from finetune_core.planning.plan import Plan, TaskPlan
from finetune_core.results.run import RunResult
from finetune_store import Store
from finetune_store.documents import find_or_warn
from finetune_store.folders import owners_in

_RUNS_A_TASK = 5
"""Enough for a mean; each costs a request."""


def past_runs(store: Store, namespace: str, model_uri: str) -> Iterator[tuple[TaskPlan, float]]:
    """The task's plan and the training seconds of some past runs of each experiment of a namespace, same model first.

    Where the store has runs of the same model, those of others are left out.
    """
    names = owners_in(store, namespace)
    plans = [plan for name in names if (plan := _plan(store, ExperimentLayout(namespace, name))) is not None]
    same = [plan for plan in plans if plan.model.uri.partition("@")[0] == model_uri.partition("@")[0]]
    for plan in same or plans:
        layout = ExperimentLayout(plan.namespace, plan.experiment)
        for task in plan.task_names:
            yield from islice(_of_task(store, plan, layout, task), _RUNS_A_TASK)


def _of_task(store: Store, plan: Plan, layout: ExperimentLayout, task: str) -> Iterator[tuple[TaskPlan, float]]:
    for run in plan.runs_of(task):
        result = find_or_warn(store, layout.run(task, run.run_id).result, RunResult)
        if result is not None and result.train_seconds:
            yield plan.tasks[task], result.train_seconds


def _plan(store: Store, layout: ExperimentLayout) -> Plan | None:
    return find_or_warn(store, layout.plan, Plan, layout.root)
