"""The operator cut off anywhere: a new one, which remembers nothing, comes to the same end and does nothing twice."""

from typing import Any

import pytest
from kubernetes import client

from finetune_core.json_types import Json
from finetune_kube.client import Client
from finetune_operator.cluster import Cluster
from support.world import World, spec_of

pytestmark = [pytest.mark.apiserver, pytest.mark.s3]

TASKS = {"rte": 2, "wnli": 1}


class Cut(Exception):  # noqa: N818 - an event, not an error
    """The operator's process ends here."""


class CutClient(Client):
    """Ends the operator at its n-th write (from 0), before it or after it has been done."""

    def __init__(self, api: client.ApiClient, at: int, *, done: bool) -> None:
        super().__init__(api, manager="finetune-operator")
        self._left, self._done = at, done

    @property
    def reached(self) -> bool:
        """Whether the operator has been cut off."""
        return self._left < 0

    def _call(self, verb: str, *where: Any, **rest: Any) -> Json:
        if verb == "GET" or self.reached:
            return super()._call(verb, *where, **rest)
        self._left -= 1
        if not self.reached:
            return super()._call(verb, *where, **rest)
        if self._done:
            super()._call(verb, *where, **rest)
        raise Cut


class CutOff(Cluster):
    """Kubernetes by a CutClient."""

    def __init__(self, api: client.ApiClient, at: int, *, done: bool) -> None:
        super().__init__(api)
        self._client = CutClient(api, at, done=done)

    @property
    def reached(self) -> bool:
        """Whether the operator has been cut off."""
        return self._client.reached


def end_of(world: World, name: str = "exp") -> Json:
    """The end state, without what differs by time, namespace and pod."""
    status = world.status(name)
    return {
        "conditions": {c["type"]: (c["status"], c["reason"]) for c in status["conditions"]},
        "runs": status["runs"],
        "tasks": [{**task, "best": task["best"]["runId"]} for task in status["tasks"]],
        "score": status["score"],
        "jobs": len(world.jobs(name)),
    }


@pytest.fixture(scope="module")
def undisturbed() -> dict[str, Json]:
    """The end state of an undisturbed life, filled by the first test that lives it."""
    return {}


@pytest.fixture
def expected(world: World, undisturbed: dict[str, Json]) -> Json:
    """The end state that every life must come to."""
    if not undisturbed:
        world.apply("exp", spec_of(world.server, TASKS))
        world.to_the_end("exp")
        undisturbed["end"] = end_of(world)
        world.delete("exp")
    return undisturbed["end"]


def test_a_new_operator_at_every_look_comes_to_the_same_end(other_world: World, expected: Json) -> None:
    other_world.apply("exp", spec_of(other_world.server, TASKS))
    other_world.to_the_end("exp", between=other_world.restart)
    assert end_of(other_world) == expected


@pytest.mark.parametrize("done", [False, True], ids=["before", "after"])
def test_cut_off_at_any_write_the_next_operator_comes_to_the_same_end(
    other_world: World, expected: Json, done: bool
) -> None:
    for at in range(100):
        cluster = CutOff(other_world.api, at, done=done)
        name = f"exp-{at}"
        other_world.apply(name, spec_of(other_world.server, TASKS))
        other_world.restart(cluster)
        try:
            other_world.to_the_end(name)
        except Cut:
            other_world.restart()
            other_world.to_the_end(name)
        assert end_of(other_world, name) == expected, f"cut off at write {at}"
        if not cluster.reached:
            assert at > 5
            return
    raise AssertionError("a life has no end of writes")


def test_cut_off_between_plan_and_job_the_job_comes_with_the_same_plan(world: World) -> None:
    world.apply("exp", spec_of(world.server, TASKS))
    world.restart(CutOff(world.api, 2, done=False))
    with pytest.raises(Cut):
        world.look("exp")
    (plan,) = world.core.list_namespaced_config_map(world.namespace).items
    assert world.jobs("exp") == []
    world.restart()
    world.look("exp")
    assert world.job("exp")["metadata"]["annotations"]["finetune.dev/plan"] == plan.metadata.name
    assert len(world.core.list_namespaced_config_map(world.namespace).items) == 1


def test_a_restart_in_the_middle_neither_repeats_runs_nor_writes(world: World) -> None:
    world.apply("exp", spec_of(world.server, TASKS))
    world.look("exp")
    job = world.job("exp")
    world.put_results(job, 0)
    world.play(job, completed={0}, active=1)
    world.look("exp", times=2)
    world.restart()
    world.requests.clear()
    world.look("exp")
    assert {verb for verb, _ in world.requests} == {"GET"}
    assert world.status("exp")["runs"]["succeeded"] == 1
