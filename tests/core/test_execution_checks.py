"""What can be wrong with how runs are executed, in experiments and searches alike."""

from collections.abc import Callable
from typing import Any

import pytest

from finetune_core.planning.parse import check_spec, parse_spec
from finetune_core.planning.parse_search import check_search, parse_search

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
