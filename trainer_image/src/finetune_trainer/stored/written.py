"""What is written of a run alike, whether it was trained or taken. Without torch: who only takes runs needs none."""

import importlib.metadata
import json
import platform
from collections.abc import Iterator
from functools import cache
from typing import Any

from finetune_core.api import ModelRetention
from finetune_core.layout import ExperimentLayout
from finetune_core.planning.plan import Plan, PlannedRun
from finetune_core.results.best_run import with_weights
from finetune_core.results.run import RunResult
from finetune_store import Store
from finetune_store.documents import find_or_warn

_PACKAGES = (
    "finetune-operator",
    "torch",
    "transformers",
    "tokenizers",
    "accelerate",
    "peft",
    "numpy",
    "scikit-learn",
    "scipy",
)


def keeps_model(store: Store, plan: Plan, result: RunResult) -> bool:
    """All: yes. None: no. Best: if it is among those that keep theirs of the task's runs that have finished.

    Nothing is deleted here: a run that is beaten later loses its weights when the report is made, with all results
    before its eyes. So pods that finish at once keep too many rather than too few.
    """
    if plan.retention != ModelRetention.BEST:
        return plan.retention == ModelRetention.ALL
    return result in with_weights([result, *_others(store, plan, result)])


def _others(store: Store, plan: Plan, result: RunResult) -> Iterator[RunResult]:
    """Results of the task's other runs."""
    for run in plan.runs_of(result.task):
        if run.run_id != result.run_id and (other := own_result(store, plan, run)) is not None:
            yield other


def own_result(store: Store, plan: Plan, run: PlannedRun) -> RunResult | None:
    """The result of a run of the plan, in its experiment's folder; a damaged one counts as none, and is logged."""
    layout = ExperimentLayout(plan.namespace, plan.experiment)
    return find_or_warn(store, layout.run(run.task, run.run_id).result, RunResult)


def put_json(store: Store, key: str, value: dict[str, Any]) -> None:
    """Write a value as indented JSON."""
    store.put(key, (json.dumps(value, indent=2) + "\n").encode())


def config(plan: Plan, planned: PlannedRun) -> dict[str, Any]:
    """config.json: exactly what the run was told."""
    task = plan.tasks[planned.task]
    return {
        "run": planned.model_dump(mode="json", by_alias=True),
        "model": plan.model.model_dump(mode="json", by_alias=True),
        "task": task.model_dump(mode="json", by_alias=True),
        "recipeVersion": plan.recipe_version,
        "predict": plan.predict,
    }


@cache
def versions() -> dict[str, str]:
    """Versions of what decides numbers."""
    return {"python": platform.python_version(), **{name: importlib.metadata.version(name) for name in _PACKAGES}}
