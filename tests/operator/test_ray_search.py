"""Searches in RayCluster mode: a RayJob a cluster, each with its own driver (RayJobs are played)."""

from collections.abc import Iterator

import pytest
from kubernetes import client

from finetune_core.json_types import Json
from finetune_core.results.run import DriverFailure, DriverReport
from finetune_core.search_layout import SearchLayout
from support.ray_world import RAY_JOBS, ray_jobs_served
from support.search_world import SearchWorld, search_spec
from support.world import NOW

pytestmark = [pytest.mark.apiserver, pytest.mark.s3]


@pytest.fixture(scope="module", autouse=True)
def kuberay(api_client: client.ApiClient) -> Iterator[None]:
    """The API server knows RayJobs."""
    with ray_jobs_served(api_client):
        yield


def apply(world: SearchWorld, clusters: int = 2) -> None:
    execution = {"mode": "RayCluster", "parallelism": 3, "retries": 0}
    world.apply_search("hps", search_spec(world.server, ("rte", "wnli"), clusters=clusters, execution=execution))


def ray_jobs(world: SearchWorld) -> dict[str, Json]:
    selector = "finetune.dev/search=hps"
    found = world.custom.list_namespaced_custom_object(*RAY_JOBS, world.namespace, "rayjobs", label_selector=selector)
    return {job["metadata"]["labels"]["finetune.dev/lane"]: job for job in found["items"]}


def test_each_cluster_is_a_ray_job_that_searches_on_every_task(searching: SearchWorld) -> None:
    apply(searching)
    searching.look_at_search("hps", times=2)
    jobs = ray_jobs(searching)
    assert sorted(jobs) == ["c0", "c1"]
    for cluster, job in enumerate(jobs[lane] for lane in sorted(jobs)):
        assert f"--cluster {cluster} --ray" in job["spec"]["entrypoint"]
        assert job["spec"]["rayClusterSpec"]["workerGroupSpecs"][0]["replicas"] == 3


def test_fewer_clusters_take_only_theirs_away(searching: SearchWorld) -> None:
    apply(searching)
    searching.look_at_search("hps", times=2)
    kept = ray_jobs(searching)["c0"]["metadata"]["uid"]
    apply(searching, clusters=1)
    searching.look_at_search("hps", times=4)
    assert {lane: job["metadata"]["uid"] for lane, job in ray_jobs(searching).items()} == {"c0": kept}


def test_what_a_driver_gives_up_is_told_in_its_words(searching: SearchWorld) -> None:
    apply(searching, clusters=1)
    searching.look_at_search("hps", times=2)
    job = ray_jobs(searching)["c0"]
    why = {f"{task}/0": DriverFailure(reason="TooManyFailedTrials", message=f"of {task}") for task in ("rte", "wnli")}
    key = SearchLayout(searching.namespace, "hps").driver_report(job["metadata"]["name"])
    searching.store.put(key, DriverReport(failed=why, time=NOW).to_json())
    body = {"status": {"jobDeploymentStatus": "Running", "jobStatus": "RUNNING"}}
    searching.custom.patch_namespaced_custom_object_status(
        *RAY_JOBS, searching.namespace, "rayjobs", job["metadata"]["name"], body
    )
    searching.look_at_search("hps")
    assert [failure["message"] for failure in searching.search_status("hps")["failures"]] == ["of rte", "of wnli"]
