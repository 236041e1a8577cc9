"""Experiments in RayCluster mode from apply to the end (RayJobs, drivers and pods are played, see RayWorld)."""

from collections.abc import Iterator
from typing import Any

import pytest
from kubernetes import client

from support.ray_world import RayWorld, ray_jobs_served
from support.seaweed import SeaweedS3
from support.world import create_secret, spec_of

pytestmark = [pytest.mark.apiserver, pytest.mark.s3]


@pytest.fixture(scope="module", autouse=True)
def kuberay(api_client: client.ApiClient) -> Iterator[None]:
    """The API server knows RayJobs."""
    with ray_jobs_served(api_client):
        yield


@pytest.fixture
def world(api_client: client.ApiClient, namespace: str, s3: SeaweedS3) -> Iterator[RayWorld]:
    """A fresh namespace with the store's Secret and the operator."""
    create_secret(api_client, namespace, s3)
    world = RayWorld(api_client, namespace, s3)
    yield world
    world.close()


def apply(world: RayWorld, runs: int = 3, **execution: Any) -> None:
    world.apply("exp", spec_of(world.server, {"rte": runs}, execution={"mode": "RayCluster", **execution}))


def counts(world: RayWorld) -> tuple[int, int, int]:
    runs = world.status("exp")["runs"]
    return runs["running"], runs["succeeded"], runs["failed"]


def test_an_experiment_is_one_ray_job_with_a_run_an_index_and_no_job(world: RayWorld) -> None:
    apply(world, parallelism=2, runsPerPod=3)
    world.look("exp", times=2)
    job = world.ray_job("exp")
    assert [len(runs) for runs in world.job_plan(job).indexes] == [1, 1, 1]
    assert job["spec"]["rayClusterSpec"]["workerGroupSpecs"][0]["replicas"] == 2
    assert world.jobs("exp", "train") == []
    assert world.status("exp")["job"] == job["metadata"]["name"]


def test_runs_are_counted_as_the_driver_reports_them_and_the_end_is_as_in_jobs_mode(world: RayWorld) -> None:
    apply(world)
    world.look("exp")
    job = world.ray_job("exp")
    for node in ("head", "worker"):
        world.ray_pod(job, node, ready=True)
    world.play_ray(job, "Running", "RUNNING")
    world.drive(job, done=[0], running=[1, 2])
    world.look("exp")
    assert world.reason("exp") == "Running"
    assert counts(world) == (2, 1, 0)
    world.drive(job, done=[0, 1, 2])
    world.play_ray(job, "Complete", "SUCCEEDED")
    world.end_report("exp")
    assert world.reason("exp") == "AllRunsSucceeded"
    assert world.status("exp")["runs"]["summary"] == "3/3"
    assert world.status("exp")["tasks"][0]["best"]["run"] == 2


def test_the_report_of_runs_on_ray_is_left_alone_while_it_works(world: RayWorld) -> None:
    apply(world)
    world.look("exp")
    job = world.ray_job("exp")
    world.drive(job, done=[0, 1, 2])
    world.play_ray(job, "Complete", "SUCCEEDED")
    world.look("exp")
    (report,) = world.jobs("exp", "report")
    world.look("exp")
    (same,) = world.jobs("exp", "report")
    assert same["metadata"]["uid"] == report["metadata"]["uid"]
    assert same["metadata"].get("deletionTimestamp") is None
    assert world.condition("exp", "Succeeded")["message"] == "Writing tables and what is best."


def test_a_kuberay_that_does_not_answer_is_told_of_until_it_does(world: RayWorld) -> None:
    apply(world)
    world.look("exp")
    job = world.ray_job("exp")
    world.look("exp")
    assert world.reason("exp") == "Running", "it has some seconds"
    world.pass_time(31)
    world.look("exp")
    assert world.reason("exp") == "Blocked"
    said = world.condition("exp", "Succeeded")["message"]
    assert "KubeRayDoesNotAnswer: KubeRay has not taken the RayJob up. To do: see that its operator runs" in said
    world.play_ray(job, "Initializing")
    world.look("exp")
    assert world.reason("exp") == "Running"


def test_each_result_is_read_once(world: RayWorld) -> None:
    apply(world)
    world.look("exp")
    job = world.ray_job("exp")
    world.play_ray(job, "Running", "RUNNING")
    world.drive(job, done=[0], running=[1])
    world.look("exp")
    world.store.delete(next(info.key for info in world.store.list(f"{world.namespace}/exp/runs")))
    world.look("exp")
    assert counts(world)[1] == 1


def test_a_run_that_the_driver_gives_up_fails_with_its_words_and_the_others_go_on(world: RayWorld) -> None:
    apply(world)
    world.look("exp")
    job = world.ray_job("exp")
    world.play_ray(job, "Running", "RUNNING")
    world.drive(job, failed={1: "no column named sentence"}, running=[0])
    world.look("exp")
    assert counts(world)[2] == 1
    (failure,) = world.status("exp")["failures"]
    assert (failure["reason"], failure["message"]) == ("UserError", "no column named sentence")
    world.drive(job, done=[0, 2], failed={1: "no column named sentence"})
    world.play_ray(job, "Failed", "FAILED", reason="AppFailed", message="exit code 64")
    world.end_report("exp")
    assert world.reason("exp") == "SomeRunsFailed"


def test_a_lost_head_is_begun_anew_with_what_is_left(world: RayWorld) -> None:
    apply(world)
    world.look("exp")
    first = world.ray_job("exp")
    planned = world.job_plan(first).indexes
    # The driver was lost between a result and its report.
    world.put_results(first, 2)
    world.drive(first, done=[0])
    world.play_ray(first, "Failed", "RUNNING", reason="AppFailed", message="head lost")
    world.look("exp", times=2)
    second = world.ray_job("exp")
    assert second["metadata"]["annotations"]["finetune.dev/round"] == "1"
    assert world.job_plan(second).indexes == (planned[1],)
    assert counts(world)[1:] == (2, 0)


def test_a_driver_that_is_lost_again_and_again_ends_with_kuberays_words(world: RayWorld) -> None:
    apply(world, runs=1, retries=0)
    for _ in range(10):
        if world.look("exp") is None or world.jobs("exp", "report"):
            break
        for job in world.ray_jobs("exp"):
            world.play_ray(job, "Failed", "FAILED", reason="AppFailed", message="head lost")
    world.end_report("exp")
    (failure,) = world.status("exp")["failures"]
    assert "AppFailed: head lost" in failure["message"]


def test_a_pod_that_cannot_pull_its_image_is_shown_at_once_and_the_deadline_ends_it(world: RayWorld) -> None:
    apply(world, runs=2)
    world.look("exp")
    job = world.ray_job("exp")
    waiting = {"state": {"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}}}
    pod = world.ray_pod(job, containerStatuses=[_container("trainer", **waiting)])
    world.play_ray(job, "Initializing")
    world.look("exp")
    assert world.reason("exp") == "Blocked"
    assert f"Pod {pod} cannot start: ImagePullBackOff: no such image" in world.condition("exp", "Succeeded")["message"]
    world.remove_pod(pod)
    world.play_ray(job, "Failed", reason="PreRunningDeadlineExceeded", message="It has passed 1800.")
    world.end_report("exp")
    assert world.reason("exp") == "TaskFailed"
    assert [failure["reason"] for failure in world.status("exp")["failures"]] == ["PreRunningDeadlineExceeded"] * 2
    assert "Last seen: ImagePullBackOff: no such image" in world.status("exp")["failures"][0]["message"]
    assert len(world.ray_jobs("exp")) == 1


def test_the_init_container_of_a_worker_shows_what_blocks_it_too(world: RayWorld) -> None:
    apply(world)
    world.look("exp")
    job = world.ray_job("exp")
    waiting = {"state": {"waiting": {"reason": "ErrImagePull", "message": "no such image"}}}
    world.ray_pod(
        job,
        initContainerStatuses=[_container("wait-gcs-ready", **waiting)],
        containerStatuses=[_container("trainer", state={"waiting": {"reason": "PodInitializing"}})],
    )
    world.look("exp")
    assert world.reason("exp") == "Blocked"


def test_a_quota_that_forbids_the_head_is_shown(world: RayWorld) -> None:
    apply(world)
    world.look("exp")
    condition = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreateHeadPod", "message": "over quota"}
    world.play_ray(world.ray_job("exp"), "Initializing", rayClusterStatus={"conditions": [condition]})
    world.look("exp")
    assert world.reason("exp") == "Blocked"
    assert "FailedCreateHeadPod: over quota" in world.condition("exp", "Succeeded")["message"]


def test_suspend_is_patched_in_place_and_goes_on_from_there(world: RayWorld) -> None:
    apply(world)
    world.look("exp")
    job = world.ray_job("exp")
    world.play_ray(job, "Running", "RUNNING")
    apply(world, suspend=True)
    world.look("exp", times=2)
    changed = world.ray_job("exp")
    assert (changed["metadata"]["uid"], changed["spec"]["suspend"]) == (job["metadata"]["uid"], True)
    world.play_ray(job, "Suspended")
    world.look("exp")
    assert world.reason("exp") == "Suspended"
    apply(world)
    world.look("exp", times=2)
    assert world.ray_job("exp")["spec"]["suspend"] is False


def test_another_number_of_workers_replaces_the_ray_job_when_its_pods_are_gone(world: RayWorld) -> None:
    apply(world, parallelism=1)
    world.look("exp")
    old = world.ray_job("exp")
    pod = world.ray_pod(old, ready=True)
    world.play_ray(old, "Running", "RUNNING")
    world.drive(old, done=[0])
    apply(world, parallelism=2)
    world.look("exp", times=2)
    assert world.reason("exp") == "ReplacingJob"
    assert world.ray_job("exp")["spec"]["suspend"] is True
    world.remove_pod(pod)
    world.play_ray(old, "Suspended")
    world.look("exp", times=3)
    new = world.ray_job("exp")
    assert new["metadata"]["name"] != old["metadata"]["name"]
    assert new["spec"]["rayClusterSpec"]["workerGroupSpecs"][0]["replicas"] == 2
    assert len(world.job_plan(new).indexes) == 2


def test_a_change_of_mode_goes_by_way_of_no_pods(world: RayWorld) -> None:
    apply(world)
    world.look("exp")
    old = world.ray_job("exp")
    pod = world.ray_pod(old, "head", ready=True)
    world.play_ray(old, "Running", "RUNNING")
    world.restart()
    world.apply("exp", spec_of(world.server, {"rte": 3}))
    world.look("exp", times=2)
    assert world.jobs("exp", "train") == []
    world.remove_pod(pod)
    world.play_ray(old, "Suspended")
    world.look("exp", times=3)
    assert world.ray_jobs("exp") == []
    assert world.job("exp")["spec"]["completions"] == 3


def test_jobs_mode_asks_for_ray_jobs_once(world: RayWorld) -> None:
    world.apply("exp", spec_of(world.server, {"rte": 1}))
    world.look("exp", times=3)
    assert world.requests["GET", "rayjobs"] == 1


def test_the_report_of_an_earlier_driver_of_the_same_name_is_not_believed(world: RayWorld) -> None:
    apply(world, parallelism=1)
    world.look("exp")
    first = world.ray_job("exp")
    world.drive(first, failed={0: "of long ago"})
    for workers in (2, 1):
        apply(world, parallelism=workers)
        world.look("exp", times=4)
    assert world.ray_job("exp")["metadata"]["name"] == first["metadata"]["name"]
    assert world.ray_job("exp")["metadata"]["uid"] != first["metadata"]["uid"]
    assert counts(world)[2] == 0


def test_an_operator_that_starts_anew_knows_as_much_of_an_ended_ray_job(world: RayWorld) -> None:
    apply(world)
    world.look("exp")
    job = world.ray_job("exp")
    world.drive(job, done=[0, 1], failed={2: "why"})
    world.play_ray(job, "Failed", "FAILED", reason="AppFailed", message="exit code 64")
    world.restart()
    world.look("exp")
    assert counts(world)[1:] == (2, 1)
    world.end_report("exp")
    assert world.status("exp")["failures"][0]["message"] == "why"


def _container(name: str, **fields: Any) -> dict[str, Any]:
    return {"name": name, "image": "i", "imageID": "", "ready": False, "restartCount": 0, **fields}
