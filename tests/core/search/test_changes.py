"""Changing a search that has trials: what may change, what is refused, which ends no longer hold."""

from typing import Any

import pytest

from finetune_core.planning.search.changes import refused_changes, reopened_tasks
from finetune_core.planning.search.plan import SearchPlan
from support.search_trials import SPACE, search_plan

OLD = search_plan(("rte", "cola"), trials=8)
BEGUN = frozenset({"rte"})


def task_changed(plan: SearchPlan, task: str, **changes: Any) -> SearchPlan:
    changed = plan.tasks[task].model_copy(update=changes)
    return plan.model_copy(update={"tasks": {**plan.tasks, task: changed}})


def training_changed(plan: SearchPlan, task: str, **changes: Any) -> SearchPlan:
    return task_changed(plan, task, settings=plan.tasks[task].settings.model_copy(update=changes))


OTHER_MODEL = OLD.model.model_copy(update={"digest": "md5s:other"})
OTHER_DATA = OLD.tasks["rte"].data.model_copy(update={"digest": "md5s:other"})


@pytest.mark.parametrize(
    ("new", "field"),
    [
        pytest.param(search_plan(("rte", "cola"), trials=80), None, id="more trials"),
        pytest.param(search_plan(("rte", "cola"), trials=2), None, id="fewer trials"),
        pytest.param(search_plan(("rte", "cola"), time_budget_seconds=9), None, id="time budget"),
        pytest.param(search_plan(("rte", "cola"), max_failed_trials=99), None, id="failed trials"),
        pytest.param(search_plan(("rte", "cola"), finalists={"trials": 2}), None, id="finalists"),
        pytest.param(search_plan(("rte", "cola"), scheduler="FIFO"), None, id="scheduler"),
        pytest.param(search_plan(("rte", "cola", "mrpc")), None, id="another task"),
        pytest.param(search_plan(("cola",)), None, id="a task less"),
        pytest.param(search_plan(("cola", "rte")), None, id="another order"),
        pytest.param(task_changed(OLD, "rte", proxy_for=("qnli",)), None, id="proxies"),
        pytest.param(task_changed(OLD, "rte", goal=0.9), None, id="goal"),
        pytest.param(training_changed(OLD, "rte", eval_batch_size=8), None, id="how the work is cut up"),
        pytest.param(training_changed(OLD, "cola", weight_decay=0.1), None, id="settings of a task without trials"),
        pytest.param(training_changed(OLD, "rte", weight_decay=0.1), "spec.tasks[rte]", id="settings"),
        pytest.param(
            search_plan(("rte", "cola"), space={**SPACE, "weightDecay": {"uniform": [0, 0.1]}}),
            "spec.tasks[rte]",
            id="space",
        ),
        pytest.param(task_changed(OLD, "rte", data=OTHER_DATA), "spec.tasks[rte]", id="data"),
        pytest.param(task_changed(OLD, "rte", greater_is_better=False), "spec.tasks[rte]", id="direction"),
        pytest.param(search_plan(("rte", "cola"), seed=7), "spec.seed", id="seed"),
        pytest.param(search_plan(("rte", "cola"), algorithm="TPE"), "spec.algorithm", id="algorithm"),
        pytest.param(search_plan(("rte", "cola"), seeds_per_trial=2), "spec.seedsPerTrial", id="seeds a trial"),
        pytest.param(search_plan(("rte", "cola"), model=OTHER_MODEL), "spec.model", id="model"),
    ],
)
def test_what_makes_trials_incomparable_is_refused(new: SearchPlan, field: str | None) -> None:
    problems = refused_changes(OLD, new, BEGUN)
    assert [one.field for one in problems] == ([field] if field else [])
    assert all("create a new HPSearch" in one.message for one in problems)


def test_everything_may_change_before_the_first_trial() -> None:
    assert refused_changes(OLD, search_plan(("rte",), seed=7, algorithm="TPE", model=OTHER_MODEL), frozenset()) == ()


@pytest.mark.parametrize(
    ("new", "expected"),
    [
        pytest.param(OLD, (), id="nothing"),
        pytest.param(search_plan(("rte", "cola"), trials=8, scheduler="FIFO"), (), id="scheduler"),
        pytest.param(search_plan(("rte", "cola"), trials=9), ("rte", "cola"), id="trials"),
        pytest.param(task_changed(OLD, "rte", goal=0.9), ("rte",), id="the goal of a task"),
        pytest.param(search_plan(("rte", "cola"), trials=8, time_budget_seconds=9), ("rte", "cola"), id="time budget"),
        pytest.param(search_plan(("rte", "cola"), trials=8, max_failed_trials=0), ("rte", "cola"), id="failed trials"),
        pytest.param(search_plan(("rte", "mrpc"), trials=8), (), id="other tasks"),
    ],
)
def test_ends_are_taken_back_where_what_ends_a_task_changed(new: SearchPlan, expected: tuple[str, ...]) -> None:
    assert reopened_tasks(OLD, new) == expected
