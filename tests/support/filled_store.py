"""A store as a running experiment and a running search leave it, for tests of what shows them."""

import json
from datetime import UTC, datetime

from finetune_core.planning.plan import Plan
from finetune_core.planning.search.plan import SearchPlan
from finetune_core.results.run import Progress
from finetune_report.build import build
from finetune_store import DirectoryStore, Store
from support.report_store import fail_run, finish_run, layout_of
from support.results import plan_of
from support.search_trials import claim, leave, mixed_trials, search_plan


def no_data(uri: str) -> Store | None:
    """For reports that need nothing of the training data."""
    raise AssertionError(f"nothing of the training data is needed, {uri} was asked for")


def evaluations(metric: str, *values: float | None) -> bytes:
    """A metrics.jsonl: an evaluation each 25 steps."""
    lines = [{"step": 25 * k, "epoch": float(k), metric: value} for k, value in enumerate(values, start=1)]
    return "".join(json.dumps(line) + "\n" for line in lines).encode()


def finish_rte(store: DirectoryStore, plan: Plan, run: int, value: float | None) -> None:
    """A run of RTE that ended, with evaluations: 0.5, its value, and one that is not a number."""
    result = finish_run(store, plan, "rte", run, value)
    lines = evaluations("accuracy", 0.5, value, None)
    store.put(layout_of(plan).run("rte", result.run_id).metrics(result.attempt), lines)


def running_experiment(store: DirectoryStore) -> Plan:
    """team/demo: RTE runs 0 and 1 succeeded, run 2 failed; CoLA's one run is under way."""
    plan = plan_of({"rte": 3, "cola": 1})
    store.put(layout_of(plan).plan, plan.to_bytes())
    for run, value in enumerate((0.61, 0.65)):
        result = finish_run(store, plan, "rte", run, value)
        store.put(
            layout_of(plan).run("rte", result.run_id).metrics(result.attempt), evaluations("accuracy", 0.5, value, None)
        )
    fail_run(store, plan, "rte", 2, "no such column")
    cola = layout_of(plan).run("cola", plan.runs_of("cola")[0].run_id)
    store.put(cola.metrics("x"), evaluations("matthews_correlation", 0.1))
    progress = Progress(
        step=25, total_steps=100, seconds_left=90, elapsed_seconds=30, attempt="x", time=datetime.now(UTC).isoformat()
    )
    store.put(cola.progress, progress.to_json())
    return plan


def finished_experiment(store: DirectoryStore, name: str, *values: float | None) -> Plan:
    """team/<name>: RTE runs of these values, reported without plots."""
    plan = plan_of({"rte": len(values)}).model_copy(update={"experiment": name})
    store.put(layout_of(plan).plan, plan.to_bytes())
    for run, value in enumerate(values):
        result = finish_run(store, plan, "rte", run, value)
        store.put(
            layout_of(plan).run("rte", result.run_id).metrics(result.attempt), evaluations("accuracy", 0.5, value)
        )
    build(store, plan, (), open_data=no_data, plots=False)
    return plan


def running_search(store: DirectoryStore) -> SearchPlan:
    """team/hunt: four trials ended, one is under way."""
    plan = search_plan()
    leave(store, plan, mixed_trials(plan, 4), ended=())
    claim(store, plan, 4)
    return plan
