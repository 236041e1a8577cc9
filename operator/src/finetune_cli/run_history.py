"""How long past runs in a store took."""

from collections.abc import Iterator

from finetune_core.layout import ExperimentLayout
from finetune_core.planning.plan import Plan, TaskPlan
from finetune_core.results.run import RunResult
from finetune_store import Store
from finetune_store.documents import find_or_warn

_RUNS_A_TASK = 5
"""Enough for a mean; each costs a request."""


def past_runs(store: Store, namespace: str, model_uri: str) -> Iterator[tuple[TaskPlan, float]]:
    """The task's plan and the training seconds of some past runs of each experiment of a namespace, same model first.

    Where the store has runs of the same model, those of others are left out.
    """
    keys = {info.key for info in store.list(namespace)}
    plans = [plan for key in sorted(keys) if (plan := _plan(store, key)) is not None]
    same = [plan for plan in plans if plan.model.uri.partition("@")[0] == model_uri.partition("@")[0]]
    for plan in same or plans:
        layout = ExperimentLayout(plan.namespace, plan.experiment)
        for task in plan.task_names:
            done = [layout.run(task, run.run_id).result for run in plan.runs_of(task)]
            for key in [result for result in done if result in keys][:_RUNS_A_TASK]:
                result = find_or_warn(store, key, RunResult)
                if result is not None and result.train_seconds:
                    yield plan.tasks[task], result.train_seconds


def _plan(store: Store, key: str) -> Plan | None:
    """An experiment's plan, if the key is one of this version's."""
    if key.count("/") != 2 or not key.endswith("/plan.json"):
        return None
    return find_or_warn(store, key, Plan, key.removesuffix("/plan.json"))
