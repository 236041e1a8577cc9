"""From a search's spec to its plan: spaces merged, trials counted, the objective resolved."""

from typing import Any

import pytest

from finetune_core.api import HPSearchSpec
from finetune_core.planning.plan import ResolvedData, ResolvedModel
from finetune_core.planning.search.build import make_search_plan, search_pin_key
from finetune_core.planning.search.plan import SearchPlan
from finetune_core.tasks.data_files import DataLayout, SplitFiles

RATE = {"learningRate": {"logUniform": [1e-5, 1e-3]}}
GRID = {"learningRate": {"grid": [1e-5, 1e-4, 1e-3]}, "warmupRatio": {"grid": [0, 0.1]}}


def spec(**fields: Any) -> HPSearchSpec:
    base = {"model": {"uri": "s3://b/m"}, "tasks": [{"name": "rte"}, {"name": "cola"}], "space": RATE}
    return HPSearchSpec.model_validate({**base, **fields})


def plan(**fields: Any) -> SearchPlan:
    made = spec(**fields)
    splits = SplitFiles(layout=DataLayout.TSV, files={})
    data = {
        task.name: ResolvedData(uri="s3://b/glue", digest=f"md5s:{task.name}", splits=splits) for task in made.tasks
    }
    model = ResolvedModel(uri="s3://b/m", digest="md5s:m")
    return make_search_plan(made, namespace="team", name="hunt", model=model, data=data)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        pytest.param({}, {"rte": 20, "cola": 20}, id="default"),
        pytest.param({"trials": 7}, {"rte": 7, "cola": 7}, id="of all tasks"),
        pytest.param({"trials": 7, "tasks": [{"name": "rte", "trials": 3}]}, {"rte": 3}, id="of a task"),
        pytest.param({"algorithm": "Grid", "space": GRID}, {"rte": 6, "cola": 6}, id="the whole grid"),
        pytest.param({"algorithm": "Grid", "space": GRID, "trials": 4}, {"rte": 4, "cola": 4}, id="part of it"),
        pytest.param({"algorithm": "Grid", "space": GRID, "trials": 99}, {"rte": 6, "cola": 6}, id="no point twice"),
        pytest.param(
            {"algorithm": "Grid", "space": {**GRID, "seed": {"int": [0, 9]}}, "trials": 12},
            {"rte": 12, "cola": 12},
            id="a grid with something drawn",
        ),
    ],
)
def test_trials_of_each_task(fields: dict[str, Any], expected: dict[str, int]) -> None:
    assert {name: task.trials for name, task in plan(**fields).tasks.items()} == expected


def test_a_tasks_space_replaces_entries_of_the_searchs() -> None:
    own = {"learningRate": {"uniform": [1, 2]}, "maxSteps": {"int": [1, 9]}}
    spaces = {
        name: task.space for name, task in plan(tasks=[{"name": "rte", "space": own}, {"name": "cola"}]).tasks.items()
    }
    assert spaces["rte"].keys() == {"learningRate", "maxSteps"}
    assert spaces["rte"]["learningRate"].uniform == (1, 2)
    assert spaces["cola"].keys() == {"learningRate"}


@pytest.mark.parametrize(
    ("objective", "metric", "more_is_better"),
    [
        (None, "matthews_correlation", True),
        ({"metric": "loss"}, "loss", False),
        ({"metric": "eval_accuracy"}, "accuracy", True),
        ({"metric": "loss", "direction": "Maximize"}, "loss", True),
    ],
)
def test_the_objective_decides_metric_and_direction(
    objective: dict[str, Any] | None, metric: str, more_is_better: bool
) -> None:
    cola = plan(objective=objective).tasks["cola"]
    assert (cola.settings.metric_for_best_model, cola.greater_is_better) == (metric, more_is_better)


def test_the_specs_order_of_tasks_is_kept() -> None:
    assert plan().order == ("rte", "cola")
    assert SearchPlan.model_validate_json(plan().to_bytes()) == plan()


def test_inputs_are_pinned_anew_for_what_the_plan_depends_on() -> None:
    key = search_pin_key(spec(), "uid")
    assert search_pin_key(spec(clusters=3, concurrentTrials=2, execution={"parallelism": 9}), "uid") == key
    assert search_pin_key(spec(execution={"retryToken": "again"}), "uid") != key
    assert search_pin_key(spec(trials=9), "uid") != key
    assert search_pin_key(spec(), "other uid") != key
