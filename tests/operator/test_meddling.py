"""What people do to the operator's children, and objects that get in each other's way: against a real API server."""

from typing import Any

import pytest
from kubernetes import client

from support.search_world import SearchWorld, search_spec
from support.world import World, spec_of

pytestmark = [pytest.mark.apiserver, pytest.mark.s3]

HELD = "example.test/held"
MANAGER = "mallory"


def hold(world: World, plural: str, name: str, *finalizers: str) -> None:
    """Put finalizers on a child, or take them away."""
    body = {"metadata": {"finalizers": list(finalizers)}}
    group = ("batch", "v1", world.namespace, plural, name)
    client.CustomObjectsApi(world.api).patch_namespaced_custom_object(*group, body)


def test_a_job_with_a_finalizer_of_somebody_elses_keeps_its_experiment_waiting_and_says_so(world: World) -> None:
    world.apply("exp", spec_of(world.server, {"rte": 1}))
    world.look("exp", 2)
    old = world.job("exp", "train")["metadata"]["name"]
    hold(world, "jobs", old, HELD)
    world.apply("exp", spec_of(world.server, {"rte": 1}, execution={"image": "example.test/other:1"}))
    world.look("exp", 4)

    assert [job["metadata"]["name"] for job in world.jobs("exp", "train")] == [old]
    assert world.reason("exp") == "ReplacingJob"
    assert old in world.condition("exp", "Succeeded")["message"]

    hold(world, "jobs", old)
    world.look("exp", 3)
    assert world.job("exp", "train")["metadata"]["name"] != old


def test_a_job_that_another_manager_applies_to_is_still_the_operators_to_stop(world: World) -> None:
    world.apply("exp", spec_of(world.server, {"rte": 1}))
    world.look("exp", 2)
    job = world.job("exp", "train")
    theirs = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": job["metadata"]["name"], "labels": {"finetune.dev/role": "train", "mallory": "true"}},
        "spec": {"suspend": False},
    }
    world.api.call_api(
        *(
            "PATCH",
            f"{world.api.configuration.host}/apis/batch/v1/namespaces/{world.namespace}/jobs/{job['metadata']['name']}"
            f"?fieldManager={MANAGER}&force=true",
        ),
        header_params={"Content-Type": "application/apply-patch+yaml"},
        body=theirs,
    )
    world.apply("exp", spec_of(world.server, {"rte": 1}, execution={"suspend": True}))
    world.look("exp", 2)
    assert world.job("exp", "train")["spec"]["suspend"] is True


def test_an_experiment_and_a_search_of_one_name_have_children_of_their_own(searching: SearchWorld) -> None:
    searching.apply("same", spec_of(searching.server, {"rte": 1}))
    searching.apply_search("same", search_spec(searching.server))
    searching.look("same", 2)
    searching.look_at_search("same", 2)
    searching.look("same", 2)

    owners = {kind_of(job) for job in all_jobs(searching)}
    assert owners == {"FinetuneExperiment", "HPSearch"}
    assert len(all_jobs(searching)) == 2
    searching.delete("same")
    searching.look("same")
    assert [kind_of(job) for job in all_jobs(searching)] == ["HPSearch"]


def all_jobs(world: World) -> list[dict[str, Any]]:
    found = world.custom.list_namespaced_custom_object("batch", "v1", world.namespace, "jobs")
    return list(found["items"])


def kind_of(job: dict[str, Any]) -> str:
    (owner,) = job["metadata"]["ownerReferences"]
    return str(owner["kind"])


@pytest.mark.parametrize("name", ["a" * 40, "0", "a.b-1", "a" * 20 + "." + "b" * 19])
def test_names_at_the_edges_work(world: World, name: str) -> None:
    world.apply(name, spec_of(world.server, {"rte": 1}))
    world.look(name, 3)
    assert world.condition(name, "Valid")["status"] == "True", world.condition(name, "Valid")
    assert len(world.jobs(name, "train")) == 1


def test_a_longer_name_is_refused_at_once(world: World) -> None:
    with pytest.raises(client.ApiException, match=r"metadata\.name may have at most 40 characters"):
        world.apply("a" * 41, spec_of(world.server, {"rte": 1}))


def test_a_search_with_a_dot_in_its_name_works(searching: SearchWorld) -> None:
    searching.apply_search("bert.base", search_spec(searching.server))
    searching.search_to_the_end("bert.base")
    assert searching.search_reason("bert.base") == "AllTrialsEnded"
    assert searching.cluster.get_config_map(searching.namespace, "bert.base-hyperparameters")
