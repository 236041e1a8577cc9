"""A queue that nobody serves: said within a minute, not waited for in silence."""

import pytest
from kubernetes import client

from support.apiserver import served
from support.search_world import SearchWorld, search_spec
from support.world import Json, World, spec_of

pytestmark = [pytest.mark.apiserver, pytest.mark.s3]

QUEUED = {"queueName": "team"}
KUEUE = ("kueue.x-k8s.io", "v1beta1")


def local_queues(version: str) -> Json:
    """As much of Kueue's CRD as is asked for."""
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    served_version = {"name": version, "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    names = {"kind": "LocalQueue", "plural": "localqueues", "singular": "localqueue"}
    spec = {"group": KUEUE[0], "scope": "Namespaced", "names": names, "versions": [served_version]}
    return {"metadata": {"name": "localqueues.kueue.x-k8s.io"}, "spec": spec}


def test_without_kueue_a_queued_experiment_says_so(world: World) -> None:
    world.apply("exp", spec_of(world.server, {"rte": 1}, execution=QUEUED))
    world.look("exp", times=2)
    assert world.reason("exp") == "Blocked"
    message = world.condition("exp", "Succeeded")["message"]
    assert "Waiting for queue team to admit the Job. No Kueue answers: the cluster has no kind LocalQueue" in message
    assert "remove execution.queueName" in message


def test_without_kueue_a_queued_search_says_so(searching: SearchWorld) -> None:
    searching.apply_search("hunt", search_spec(searching.server, execution=QUEUED))
    searching.look_at_search("hunt", times=2)
    assert searching.search_reason("hunt") == "Blocked"
    assert "No Kueue answers" in searching.search_condition("hunt", "Succeeded")["message"]


@pytest.mark.parametrize("version", ["v1beta1", "v1beta2"])
def test_a_queue_that_is_not_there_is_named_and_asked_for_again(
    world: World, api_client: client.ApiClient, version: str
) -> None:
    with served(api_client, local_queues(version)):
        world.apply("exp", spec_of(world.server, {"rte": 1}, execution=QUEUED))
        world.look("exp", times=2)
        assert world.reason("exp") == "Blocked"
        assert (
            f"LocalQueue team is not in namespace {world.namespace}: create it"
            in (world.condition("exp", "Succeeded")["message"])
        )
        queue: Json = {
            "apiVersion": f"{KUEUE[0]}/{version}",
            "kind": "LocalQueue",
            "metadata": {"name": "team"},
            "status": {"conditions": [{"type": "Active", "status": "False", "reason": "Stopped", "message": "held"}]},
        }
        where = (KUEUE[0], version, world.namespace, "localqueues")
        world.custom.create_namespaced_custom_object(*where, queue)
        world.pass_time(61)
        world.look("exp")
        assert "LocalQueue team admits nothing: Stopped: held" in world.condition("exp", "Succeeded")["message"]
        world.custom.patch_namespaced_custom_object(*where, "team", {"status": None})
        world.pass_time(61)
        world.look("exp")
        assert world.reason("exp") == "Queued"
        asked = sum(count for (_, what), count in world.requests.items() if what == "localqueues")
        world.look("exp", times=3)
        assert sum(count for (_, what), count in world.requests.items() if what == "localqueues") == asked


def test_without_a_queue_nobody_asks_for_one(world: World) -> None:
    world.apply("exp", spec_of(world.server, {"rte": 1}))
    world.look("exp", times=3)
    assert not any(what == "localqueues" for _, what in world.requests)
