"""A sidecar that goes on after the work is done: said with its name and what to set."""

import pytest

from finetune_core.json_types import Json
from support.search_world import SearchWorld, search_spec
from support.world import World, spec_of

pytestmark = [pytest.mark.apiserver, pytest.mark.s3]

ENDED = {"terminated": {"exitCode": 0, "reason": "Completed"}}
RUNNING = {"running": {"startedAt": "2026-01-01T00:00:00Z"}}


def container(name: str, state: Json) -> Json:
    ready = "running" in state
    return {"name": name, "image": "i", "imageID": "", "ready": ready, "restartCount": 0, "state": state}


def pod_status(trainer: Json, *, sidecar: Json | None = None, native: Json | None = None) -> Json:
    sidecars = [container("istio-proxy", sidecar)] if sidecar else []
    init = {"initContainerStatuses": [container("istio-proxy", native)]} if native else {}
    return {"phase": "Running", "containerStatuses": [container("trainer", trainer), *sidecars], **init}


def with_pod(world: World, status: Json, *, ready: int = 0) -> str:
    world.apply("exp", spec_of(world.server, {"rte": 1}))
    world.look("exp")
    job = world.job("exp")
    name = world.pod(job, status=status)
    world.play(job, active=1, ready=ready)
    return name


def assert_told(world: World, name: str) -> None:
    condition = world.condition("exp", "Succeeded")
    assert condition["reason"] == "Blocked"
    assert f"Pod {name} cannot end: its work is done, and its container istio-proxy" in condition["message"]
    assert 'podTemplate.labels: {sidecar.istio.io/inject: "false"}' in condition["message"]


@pytest.mark.parametrize("published", [True, False], ids=["after a result", "without a result"])
def test_a_sidecar_that_goes_on_is_named_with_what_to_set(world: World, published: bool) -> None:
    name = with_pod(world, pod_status(ENDED, sidecar=RUNNING))
    if published:
        world.put_results(world.job("exp"), 0)
        world.restart()
    world.look("exp")
    assert world.reason("exp") == "Running"
    world.pass_time(20)
    world.look("exp")
    assert_told(world, name)


def test_a_reports_sidecar_that_goes_on_is_named_too(world: World) -> None:
    world.apply("exp", spec_of(world.server, {"rte": 1}))
    world.look("exp")
    world.finish(world.job("exp"))
    world.look("exp", times=2)
    report = world.job("exp", "report")
    name = world.pod(report, status=pod_status(ENDED, sidecar=RUNNING))
    world.play(report, active=1, ready=0)
    world.look("exp")
    world.pass_time(20)
    world.look("exp")
    assert_told(world, name)


def test_a_sidecar_beside_a_look_at_volumes_is_named_too(world: World) -> None:
    world.apply("exp", spec_of(world.server, {"rte": 1}, model={"uri": "pvc://models/bert"}))
    world.look("exp")
    job = world.job("exp", "resolve")
    name = world.pod(job, status=pod_status(ENDED, sidecar=RUNNING))
    world.play(job, active=1, ready=0)
    world.look("exp")
    assert world.reason("exp") == "ResolvingInputs"
    world.pass_time(20)
    world.look("exp")
    assert_told(world, name)


def test_a_sidecar_beside_a_searchs_driver_is_named_too(searching: SearchWorld) -> None:
    searching.apply_search("hunt", search_spec(searching.server))
    searching.look_at_search("hunt")
    job = searching.search_job("hunt")
    name = searching.pod(job, status=pod_status(ENDED, sidecar=RUNNING))
    searching.play(job, active=1, ready=0)
    searching.look_at_search("hunt")
    searching.pass_time(20)
    searching.look_at_search("hunt")
    condition = searching.search_condition("hunt", "Succeeded")
    assert condition["reason"] == "Blocked"
    assert f"Pod {name} cannot end: its work is done, and its container istio-proxy" in condition["message"]


@pytest.mark.parametrize(
    "status",
    [
        pod_status(RUNNING, sidecar=RUNNING),
        pod_status(ENDED, sidecar=ENDED),
        pod_status(ENDED, native=RUNNING),
        pod_status(RUNNING, native=RUNNING),
    ],
    ids=["both at work", "both ended", "native, ended", "native, at work"],
)
def test_sidecars_that_are_well_are_not_told(world: World, status: Json) -> None:
    with_pod(world, status)
    world.look("exp")
    world.pass_time(20)
    world.look("exp")
    assert world.reason("exp") == "Running"
