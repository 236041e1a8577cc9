"""Several operators against one API server: replicas of a release, and two releases. The image tells who made a Job."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from kubernetes import client

from finetune_dev.apiserver import ApiServer
from support.apiserver import until
from support.operator_process import OperatorProcess
from support.world import World, spec_of

pytestmark = [pytest.mark.apiserver, pytest.mark.s3]
_SECONDS = 60
LEASE = "ft-operator"

Start = Callable[..., OperatorProcess]


@pytest.fixture
def start(api_server: ApiServer, world: World, tmp_path: Path) -> Iterator[Start]:
    """Starts an operator of the test's namespace under a name, which its image and its place in the Lease tell."""
    with ExitStack() as running:

        def begin(name: str, release: str = LEASE) -> OperatorProcess:
            settings = {
                "FINETUNE_NAMESPACES": world.namespace,
                "FINETUNE_RESYNC_SECONDS": "1",
                "FINETUNE_RELEASE": f"{world.namespace}/{release}",
                "FINETUNE_POD_NAME": name,
                "FINETUNE_TRAINER_IMAGE": f"example.test/{name}:1",
                "FINETUNE_LEASE_SECONDS": "3",
            }
            process = OperatorProcess(api_server.kubeconfig, tmp_path / name, **settings)
            return running.enter_context(process)

        yield begin


def holder(world: World, lease: str = LEASE) -> str:
    try:
        found = client.CoordinationV1Api(world.api).read_namespaced_lease(lease, world.namespace)
    except client.ApiException as error:
        if error.status == 404:
            return ""
        raise
    return str(found.spec.holder_identity)


def makers(world: World, name: str) -> list[str]:
    """Who made the experiment's Jobs, by their images."""
    images = [job["spec"]["template"]["spec"]["containers"][0]["image"] for job in world.jobs(name)]
    return [image.removeprefix("example.test/").removesuffix(":1") for image in images]


def applied(world: World, name: str, maker: str) -> None:
    """An experiment that is applied now gets its Job, from this one."""
    world.apply(name, spec_of(world.server, {"rte": 1}))
    until(lambda: makers(world, name) == [maker], f"the Job of {name} from {maker}", _SECONDS)


def test_a_killed_leader_is_followed_again_and_again(world: World, start: Start) -> None:
    processes = {name: start(name) for name in ("one", "two")}
    for turn in range(4):
        until(lambda: holder(world) in processes, "a leader", _SECONDS)
        leader = holder(world)
        follower = "two" if leader == "one" else "one"
        applied(world, f"exp-{turn}", leader)
        processes[leader].kill()
        until(lambda: holder(world) == follower, "the other to lead", _SECONDS)  # noqa: B023
        applied(world, f"after-{turn}", follower)
        processes[leader].start()


def test_a_leader_that_stops_gives_the_lead_to_the_other(world: World, start: Start) -> None:
    one = start("one")
    until(lambda: holder(world) == "one", "the first to lead", _SECONDS)
    two = start("two")
    assert two.get("/healthz") == (200, "ok")
    until(lambda: two.get("/readyz")[1].startswith("standing by: one holds the Lease"), "it to stand by", _SECONDS)
    assert "finetune_is_leader 0.0" in two.get("/metrics")[1]
    assert one.terminate(seconds=20) == 0
    assert holder(world) in {"", "two"}
    applied(world, "exp", "two")
    assert two.get("/readyz") == (200, "leading")
    assert "finetune_is_leader 1.0" in two.get("/metrics")[1]


def test_a_leader_that_was_frozen_writes_nothing_when_it_wakes_up(world: World, start: Start) -> None:
    one = start("one")
    until(lambda: holder(world) == "one", "the first to lead", _SECONDS)
    start("two")
    applied(world, "before", "one")
    os.kill(one.pid, signal.SIGSTOP)
    try:
        applied(world, "exp", "two")
    finally:
        os.kill(one.pid, signal.SIGCONT)
    until(lambda: one.get("/readyz")[1].startswith("standing by: two holds the Lease"), "it to stand by", _SECONDS)
    applied(world, "later", "two")
    assert makers(world, "exp") == ["two"]
    assert "reconcile failed" not in one.log.read_text()


def test_two_releases_with_other_images_leave_each_others_objects_alone(world: World, start: Start) -> None:
    start("one", release="first")
    applied(world, "exp", "one")
    two = start("two", release="second")
    until(lambda: holder(world, "second") == "two", "the second to lead its release", _SECONDS)
    told = f"namespace {world.namespace} is left to the release {world.namespace}/first"
    until(lambda: two.get("/readyz") == (200, f"leading\n{told}"), "it to say what it leaves alone", _SECONDS)
    applied(world, "later", "one")
    job = world.job("exp")
    assert (job["metadata"]["generation"], job["spec"]["suspend"]) == (1, False), "suspend was never touched"
    assert job["metadata"]["annotations"]["finetune.dev/release"] == f"{world.namespace}/first"
    labels = f'release="{world.namespace}/first",watched_namespace="{world.namespace}"'
    metric = f"finetune_namespace_of_other_release{{{labels}}}"
    assert f"{metric} 1.0" in two.get("/metrics")[1]
    assert "leaves it alone" in two.log.read_text()
