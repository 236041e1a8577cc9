"""Searches of a synthetic function: plans, trials and what drivers leave in a store, without any training."""

import math
import random
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from finetune_core.api.search import Distribution
from finetune_core.planning.search.plan import SearchPlan, SearchTaskPlan
from finetune_core.results.search.export import export_digest
from finetune_core.results.search.trial import (
    Claim,
    EndReason,
    TaskEnd,
    TaskStart,
    TrialReport,
    TrialResult,
    TrialState,
)
from finetune_core.search_layout import SearchLayout, TrialKind
from finetune_store import Store
from support.results import MODEL, task_plan

START = datetime(2026, 1, 1, tzinfo=UTC)
SPACE = {
    "learningRate": {"logUniform": [1e-5, 1e-3]},
    "maxSteps": {"int": [100, 1000]},
    "warmupRatio": {"choice": [0.0, 0.1, 0.2]},
}


def search_plan(
    tasks: Sequence[str] = ("rte",),
    *,
    trials: int = 8,
    space: Mapping[str, Any] = SPACE,
    proxy_for: Mapping[str, Sequence[str]] | None = None,
    **fields: Any,
) -> SearchPlan:
    """The plan of `team/hunt`: every task with the same space."""
    parsed = {name: Distribution.model_validate(one) for name, one in space.items()}
    planned = {}
    for task in tasks:
        base = task_plan(task)
        planned[task] = SearchTaskPlan(
            definition=base.definition,
            settings=base.settings,
            data=base.data,
            trials=trials,
            space=parsed,
            greater_is_better=base.greater_is_better,
            proxy_for=tuple((proxy_for or {}).get(task, ())),
        )
    known: dict[str, Any] = {
        "namespace": "team",
        "search": "hunt",
        "model": MODEL,
        "seed": 42,
        "algorithm": "Random",
        "scheduler": "ASHA",
    }
    return SearchPlan.model_validate({**known, "tasks": planned, "order": tuple(tasks), **fields})


def config(index: int, seed: str = "") -> dict[str, Any]:
    """Configuration `index` of SPACE, always the same."""
    draw = random.Random(f"{seed}{index}")
    return {
        "learningRate": 10 ** draw.uniform(-5, -3),
        "maxSteps": draw.randint(100, 1000),
        "warmupRatio": draw.choice([0.0, 0.1, 0.2]),
    }


def accuracy(config: Mapping[str, Any]) -> float:
    """The synthetic objective: best at a learning rate of 1e-4, and slowly better with more steps."""
    off = math.log10(config.get("learningRate", 1e-4)) + 4
    return 0.7 - 0.15 * off**2 + 0.0001 * config.get("maxSteps", 500)


def clock(seconds: float) -> str:
    """A time so many seconds after the search began."""
    return (START + timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")


def trial(
    plan: SearchPlan,
    index: int,
    *,
    task: str | None = None,
    configuration: dict[str, Any] | None = None,
    state: TrialState = TrialState.COMPLETED,
    seeds: tuple[int, ...] | None = None,
    **fields: Any,
) -> TrialResult:
    """A trial that ended: four evaluations, two where it was stopped early, none where it failed."""
    task = task or plan.order[0]
    made = config(index) if configuration is None else configuration
    seeds = plan.trial_seeds(task) if seeds is None else seeds
    runs = plan.trial_plan(task, made, seeds)
    settings = runs.tasks[task].settings
    metric = plan.tasks[task].settings.metric_for_best_model
    length = settings.max_steps or 1000
    value = fields.pop("value", accuracy(made))
    history = [] if state == TrialState.FAILED else _history(metric, value, length)
    if state == TrialState.STOPPED:
        history = history[:2]
    known: dict[str, Any] = {
        "trial_id": plan.trial_id(task, made),
        "task": task,
        "index": index,
        "state": state,
        "config": made,
        "settings": settings.model_dump(mode="json", by_alias=True),
        "metric": metric,
        "greater_is_better": plan.tasks[task].greater_is_better,
        "value": None if state == TrialState.FAILED else value,
        "step": history[1].step if history else 0,
        "total_steps": length,
        "metrics": dict(history[1].metrics) if history else {},
        "seeds": seeds,
        "run_ids": tuple(run.run_id for run in runs.runs),
        "history": history,
        "error": "CUDA out of memory" if state == TrialState.FAILED else None,
        "driver": f"driver-{index % 2}",
        "cluster": index % 2,
        "started_at": clock(60 * (index // 2)),
        "finished_at": clock(60 * (index // 2) + 50 + index % 2),
        "seconds": 50.0 + index % 2,
    }
    return TrialResult.model_validate({**known, **fields})


def _history(metric: str, value: float | None, length: int) -> list[TrialReport]:
    """Best at the second of four evaluations."""
    return [
        TrialReport(
            step=length * part // 4,
            progress=part / 4,
            seconds=10.0 * part,
            metrics={metric: None if value is None else value - 0.01 * abs(part - 2), "loss": 1 / part},
        )
        for part in (1, 2, 3, 4)
    ]


def mixed_trials(plan: SearchPlan, count: int, task: str | None = None) -> list[TrialResult]:
    """Completed trials, every third stopped early and every seventh failed."""
    states = {3: TrialState.STOPPED, 6: TrialState.FAILED, 2: TrialState.STOPPED}
    return [trial(plan, index, task=task, state=states.get(index % 7, TrialState.COMPLETED)) for index in range(count)]


def finalist(plan: SearchPlan, index: int, of: TrialResult, value: float, **fields: Any) -> TrialResult:
    """A trial's configuration, run again on the plan's fresh seeds."""
    seeds = plan.finalist_seeds(of.task)
    return trial(plan, index, task=of.task, configuration=of.config, seeds=seeds, value=value, **fields)


def layout_of(plan: SearchPlan) -> SearchLayout:
    """Where the search's files lie."""
    return SearchLayout(plan.namespace, plan.search)


def claim(store: Store, plan: SearchPlan, index: int, *, kind: TrialKind = TrialKind.TRIALS) -> None:
    """Leave a claim of a trial of the first task, and no result."""
    made = Claim(driver="driver-0", cluster=0, config=config(index), time=clock(0))
    store.put(layout_of(plan).trial(kind, plan.order[0], index).claim(0), made.to_json())


def leave(
    store: Store,
    plan: SearchPlan,
    trials: Sequence[TrialResult],
    finalists: Sequence[TrialResult] = (),
    *,
    ended: Sequence[str] | None = None,
) -> str:
    """Leave in the store what the drivers of a search that has ended leave; the digest its report is ordered by."""
    layout = layout_of(plan)
    store.put(layout.plan, plan.to_bytes())
    for kind, results in ((TrialKind.TRIALS, trials), (TrialKind.FINALISTS, finalists)):
        for one in results:
            place = layout.trial(kind, one.task, one.index)
            first = Claim(driver=one.driver, cluster=one.cluster, config=one.config, time=one.started_at)
            store.put(place.claim(0), first.to_json())
            store.put(place.result, one.to_json())
    ends = {}
    for task in plan.order if ended is None else ended:
        store.put(layout.start(task), TaskStart(driver="driver-0", time=clock(0)).to_json())
        whole = sum(trial.task == task for trial in trials) >= plan.tasks[task].trials
        reason = EndReason.ALL_TRIALS if whole else EndReason.TIME_BUDGET
        ends[task] = TaskEnd(driver="driver-0", reason=reason, message="", time=clock(600))
        store.put(layout.end(task), ends[task].to_json())
    return export_digest(plan, ends)
