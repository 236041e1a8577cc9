"""What can be wrong with how runs are executed, in experiments and searches alike."""

from collections.abc import Callable
from typing import Any

import pytest

from finetune_core.planning.parse import check_spec, parse_spec
from finetune_core.planning.search.parse import check_search, parse_search

MODEL = {"model": {"uri": "s3://bucket/model"}}
SPACE = {"space": {"learningRate": {"choice": [1e-3]}}, "trials": 1, "tasks": [{"name": "rte"}]}
OF_THE_TOKEN = ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH", "RAY_ENABLE_K8S_TOKEN_AUTH")
KINDS: dict[str, Callable[[Any], Any]] = {
    "experiment": lambda execution: check_spec(parse_spec({**MODEL, "execution": execution})),
    "search": lambda execution: check_search(parse_search({**MODEL, **SPACE, "execution": execution})),
}


def env(*names: str) -> dict[str, Any]:
    return {"podTemplate": {"env": [{"name": name, "value": "x"} for name in names]}}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "name", ["RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH", "RAY_ENABLE_K8S_TOKEN_AUTH"]
)
def test_a_ray_clusters_token_is_no_matter_of_a_spec(kind: str, name: str) -> None:
    (problem,) = KINDS[kind]({"mode": "RayCluster", **env("OMP_NUM_THREADS", name)})
    assert problem.field == "spec.execution.podTemplate.env"
    assert problem.message == f"{name} is set for each Ray cluster, with a token of its own: remove it"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "execution",
    [{"mode": "RayCluster", **env("RAY_DEDUP_LOGS", "ray_auth_mode")}, env("RAY_AUTH_MODE"), {"mode": "RayCluster"}],
    ids=["other variables", "Jobs", "none"],
)
def test_all_other_variables_are(kind: str, execution: dict[str, Any]) -> None:
    assert KINDS[kind](execution) == ()


def gpus(count: object, **execution: Any) -> dict[str, Any]:
    return {**execution, "resources": {"limits": {"nvidia.com/gpu": count, "cpu": "4"}}}


def rte(execution: dict[str, Any], batch: int = 32) -> dict[str, str]:
    """The problems of an experiment on RTE by their fields."""
    task = {"name": "rte", "training": {"trainBatchSize": batch}}
    found = check_spec(parse_spec({**MODEL, "tasks": [task], "execution": execution}))
    return {problem.field: problem.message for problem in found}


OF_THE_BATCH = "spec.tasks[rte].training.trainBatchSize"


@pytest.mark.parametrize(
    ("execution", "batch", "field", "words"),
    [
        (gpus(3), 32, OF_THE_BATCH, "32 cannot be shared evenly by the 3 processes of a run"),
        (gpus(3), 32, OF_THE_BATCH, "use 30, or another number of them"),
        ({"processesPerRun": 4}, 2, OF_THE_BATCH, "use 4, or another number of them"),
        (gpus(4, processesPerRun=2), 32, "spec.execution.processesPerRun", "2 processes a run, and its pod asks for 4"),
        (gpus(1, processesPerRun=2), 32, "spec.execution.processesPerRun", "2 processes a run, and its pod asks for 1"),
        (gpus(2, mode="RayCluster"), 32, "spec.execution.ray.gpusPerRun", "2 GPUs are counted for what uses one"),
        (
            gpus(4, mode="RayCluster", ray={"gpusPerRun": 1.5}),
            32,
            "spec.execution.ray.gpusPerRun",
            "set it to 1 (a worker then does as many runs at a time), or use mode Jobs",
        ),
        (
            {"mode": "RayCluster", "processesPerRun": 2},
            32,
            "spec.execution.processesPerRun",
            "a run on a Ray cluster is one process: remove it, or use mode Jobs",
        ),
        (gpus(2, runsAtOnce=2), 32, "spec.execution.runsAtOnce", "each run has 2 processes of its pod"),
        ({"mode": "RayCluster", "runsAtOnce": 2}, 32, "spec.execution.runsAtOnce", "execution.ray.gpusPerRun"),
    ],
)
def test_what_processes_of_a_run_cannot_do_is_told(
    execution: dict[str, Any], batch: int, field: str, words: str
) -> None:
    found = rte(execution, batch)
    assert list(found) == [field]
    assert words in found[field]


@pytest.mark.parametrize(
    "execution",
    [
        gpus(1),
        gpus("4"),
        gpus(2, processesPerRun=2),
        gpus(2, runsPerPod=3),
        gpus(1, runsAtOnce=4),
        gpus(2, runsAtOnce=1),
        {"processesPerRun": 2},
        gpus(4, mode="RayCluster", ray={"gpusPerRun": 1}),
        gpus(1, mode="RayCluster", processesPerRun=1),
    ],
)
def test_what_they_can_do_is_not(execution: dict[str, Any]) -> None:
    assert rte(execution) == {}


def test_on_ones_own_machine_only_processes_that_are_asked_for_count() -> None:
    task = {"name": "rte", "training": {"trainBatchSize": 2}}
    for execution, expected in ((gpus(3), 0), (gpus(2, mode="RayCluster"), 0), ({"processesPerRun": 3}, 1)):
        spec = parse_spec({**MODEL, "tasks": [task], "execution": execution})
        assert len(check_spec(spec, in_cluster=False)) == expected


@pytest.mark.parametrize(
    ("execution", "concurrent", "field"),
    [
        (gpus(2), 1, "spec.concurrentTrials"),
        (gpus(2), 2, None),
        (gpus(1), 4, None),
        ({"processesPerRun": 2}, 1, "spec.execution.processesPerRun"),
        ({"runsAtOnce": 2}, 1, "spec.execution.runsAtOnce"),
        (gpus(2, mode="RayCluster"), 1, "spec.execution.ray.gpusPerRun"),
        (gpus(2, mode="RayCluster", ray={"gpusPerRun": 0.5}), 1, None),
    ],
)
def test_gpus_that_no_trial_would_use_are_told(execution: dict[str, Any], concurrent: int, field: str | None) -> None:
    spec = parse_search({**MODEL, **SPACE, "execution": execution, "concurrentTrials": concurrent})
    assert [problem.field for problem in check_search(spec)] == ([field] if field else [])


@pytest.mark.parametrize("kind", KINDS)
def test_gpus_are_whole(kind: str) -> None:
    (problem,) = KINDS[kind](gpus("1500m"))
    assert problem.field == "spec.execution.resources"
    assert problem.message == "nvidia.com/gpu is 1500m: write a whole number of GPUs"
