"""Experiments on Ray clusters, made by a real KubeRay: the same runs as in Jobs, whatever is taken away."""

import base64
import json
import os
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from kubernetes.client import NetworkingV1Api

from e2e.harness import (
    ENDLESS,
    K8S,
    SHORT,
    SMALL_GLUE,
    Experiment,
    Experiments,
    condition_of,
    reason,
    spec,
    wait_until,
)
from e2e.namespaces import fresh_namespace
from finetune_core.results.run import RunResult
from finetune_dev import release
from finetune_dev.image.catalogue import TRAINER
from finetune_dev.kubectl import kubectl
from finetune_store import Store, upload_tree
from support.checkpoints import POINTER

pytestmark = pytest.mark.timeout(900)

RAY_JOBS = ("ray.io", "v1")
TASKS = ("wnli", "rte")
REAL_GLUE = "e2e/real"


def ray_spec(tasks: Any = TASKS, *, parallelism: int = 2, **fields: Any) -> dict[str, Any]:
    """A short experiment on one Ray cluster."""
    execution = {"mode": "RayCluster", "parallelism": parallelism, **fields.pop("execution", {})}
    return spec(tasks, execution=execution, **fields)


def ray_jobs(suite: Experiment) -> list[dict[str, Any]]:
    """The experiment's RayJobs."""
    found = K8S.custom.list_namespaced_custom_object(
        *RAY_JOBS, suite.namespace, "rayjobs", label_selector=suite.selector
    )
    return list(found["items"])


def workers(suite: Experiment) -> list[Any]:
    """The pods that runs are done in."""
    return [pod for pod in suite.running() if pod.metadata.labels.get("ray.io/node-type") == "worker"]


def outcome(result: RunResult) -> tuple[int, float | None, int, tuple[tuple[str, float | None], ...]]:
    return result.run, result.value, result.step, tuple(sorted(result.metrics.items()))


@pytest.fixture(scope="module")
def data(store: Store) -> dict[str, str]:
    """Real data of the tasks where GLUE_DIR names a folder with it (CI does), else generated data."""
    folder = os.environ.get("GLUE_DIR")
    if not folder:
        return {"uri": SMALL_GLUE}
    for task in TASKS:
        upload_tree(store, Path(folder) / task.upper(), f"{REAL_GLUE}/{task.upper()}")
    return {"uri": f"s3://{release.BUCKET}/{REAL_GLUE}"}


@pytest.fixture(scope="module")
def in_jobs(store: Store, data: dict[str, str]) -> Iterator[Experiment]:
    """The same runs by Jobs."""
    with fresh_namespace() as namespace:
        suite = Experiment(namespace, "same", store).apply(spec(TASKS, runs=2, data=data))
        assert reason(suite.ends()) == "AllRunsSucceeded", suite.describe()
        yield suite


def test_a_ray_cluster_does_the_same_runs_as_jobs_with_the_same_results(
    in_jobs: Experiment, experiment: Experiments, data: dict[str, str]
) -> None:
    # Half of what Ray counts for a worker: two runs at a time in one pod, as with several on a GPU.
    suite = experiment("same").apply(ray_spec(runs=2, data=data, parallelism=1, execution={"ray": {"cpusPerRun": 0.5}}))

    assert reason(suite.ends(seconds=480)) == "AllRunsSucceeded", suite.describe()

    assert suite.jobs() == []
    ours = {run: outcome(result) for run, result in suite.results().items()}
    assert ours == {run: outcome(result) for run, result in in_jobs.results().items()}
    assert {run: len(pods) for run, pods in suite.attempts().items()} == dict.fromkeys(suite.results(), 1)
    assert len({attempt.rpartition("-")[0] for one in suite.attempts().values() for attempt in one}) == 1
    by_start = sorted(suite.results().values(), key=lambda result: result.started_at)
    # Of the first two, the one's worker may have started only when the other had finished.
    assert any(later.started_at < earlier.finished_at for earlier, later in pairwise(by_start))
    status = suite.status()
    assert status["runs"]["summary"] == "4/4"
    assert status["score"] == in_jobs.status()["score"]
    (job,) = ray_jobs(suite)
    assert status["job"] == job["metadata"]["name"]
    suite.until("the cluster to be gone", lambda _: not workers(suite))


def test_a_worker_pod_that_is_deleted_costs_only_the_run_that_it_was_at(experiment: Experiments) -> None:
    steps = {**SHORT, "maxSteps": 1500, "evalSteps": 500}
    suite = experiment("deleted").apply(
        ray_spec(["wnli"], runs=3, training=steps, execution={"checkpointIntervalSeconds": 5})
    )
    suite.until("runs to be at work", lambda _: len(workers(suite)) == 2 and suite.step() > 0, seconds=300)
    pod = workers(suite)[0]
    K8S.core.delete_namespaced_pod(pod.metadata.name, suite.namespace)

    assert reason(suite.ends(seconds=600)) == "AllRunsSucceeded", suite.describe()

    assert len(suite.results()) == 3
    begun_again = [run for run, pods in suite.attempts().items() if len(pods) > 1]
    assert len(begun_again) <= 1
    (job,) = ray_jobs(suite)
    assert job["metadata"]["annotations"]["finetune.dev/round"] == "0"


def test_strangers_are_refused_by_a_clusters_head_and_suspend_and_resume_go_on_from_the_checkpoints(
    experiment: Experiments,
) -> None:
    """One cluster for both: to start one takes as long as all else in this test."""

    def asked(**execution: object) -> dict[str, object]:
        settings = {"checkpointIntervalSeconds": 5, **execution}
        return ray_spec(["wnli"], parallelism=1, training=ENDLESS, execution=settings)

    suite = experiment("paused").apply(asked())
    suite.until("a checkpoint", lambda _: any(map(POINTER.fullmatch, suite.stored("runs"))), seconds=300)
    (job,) = ray_jobs(suite)
    strangers_are_refused(suite, job)
    suite.apply(asked(suspend=True))
    suite.until("all pods to end", lambda status: reason(status) == "Suspended" and not suite.pods())
    before = suite.step()

    suite.apply(asked())

    suite.until("it to go on from there", lambda _: bool(workers(suite)) and suite.step() > before, seconds=300)
    assert [found["metadata"]["uid"] for found in ray_jobs(suite)] == [job["metadata"]["uid"]]

    # Another cluster has a policy of its own, and the old one's goes with it.
    suite.apply(ray_spec(["wnli"], parallelism=1))
    old = job["metadata"]["name"]
    suite.until("another's policy in its place", lambda _: len(now := policies(suite)) == 1 and now != [old])
    assert policies(suite) == [one["metadata"]["name"] for one in ray_jobs(suite)]


def strangers_are_refused(suite: Experiment, job: Any) -> None:
    """By every door of the head, also of another namespace; who has the cluster's token is let in."""
    (head,) = (pod for pod in suite.running() if pod.metadata.labels.get("ray.io/node-type") == "head")
    secret = K8S.core.read_namespaced_secret(job["status"]["rayClusterName"], suite.namespace)

    doors = doors_of(head, base64.b64decode(secret.data["auth_token"]).decode())

    assert doors["submission"] == {"none": 401, "wrong": 403, "right": 200}
    assert doors["ray_client"] == {"none": "UNAUTHENTICATED", "wrong": "UNAUTHENTICATED", "right": "OK"}
    assert doors["cluster_state"] == {"none": "InvalidAuthToken", "wrong": "InvalidAuthToken", "right": "OK"}
    assert policies(suite) == [job["metadata"]["name"]]


def doors_of(head: Any, token: str) -> Any:
    """What a pod of another namespace gets from the head: see ray_stranger.py."""
    container = {
        "name": "stranger",
        "image": TRAINER.reference,
        "imagePullPolicy": "Never",
        "command": ["python", "-c", (Path(__file__).parent / "ray_stranger.py").read_text()],
        "env": [{"name": "HEAD", "value": head.status.pod_ip}, {"name": "RIGHT_TOKEN", "value": token}],
    }
    with fresh_namespace() as elsewhere:
        K8S.core.create_namespaced_pod(
            elsewhere,
            {"metadata": {"name": "stranger"}, "spec": {"restartPolicy": "Never", "containers": [container]}},
        )

        def phase() -> str:
            return str(K8S.core.read_namespaced_pod("stranger", elsewhere).status.phase)

        wait_until("the stranger to have tried", lambda: phase() in {"Succeeded", "Failed"}, seconds=300)
        said = kubectl("--namespace", elsewhere, "logs", "pod/stranger")
    return json.loads(said.splitlines()[-1])


def policies(suite: Experiment) -> list[str]:
    """Names of the NetworkPolicies of the experiment."""
    found = NetworkingV1Api(K8S.api).list_namespaced_network_policy(suite.namespace, label_selector=suite.selector)
    return [policy.metadata.name for policy in found.items]


def test_an_image_that_does_not_exist_is_told_at_once_and_ends_by_the_deadline(experiment: Experiments) -> None:
    suite = experiment("no-image").apply(
        ray_spec(
            ["wnli"],
            parallelism=1,
            execution={"image": "registry.invalid/no/such:1", "ray": {"preRunningDeadlineSeconds": 45}},
        )
    )
    status = suite.until("status to say why", lambda status: reason(status) == "Blocked", seconds=90)
    assert "registry.invalid/no/such:1" in condition_of(status, "Succeeded")["message"]

    status = suite.ends(seconds=240)

    assert [failure["reason"] for failure in status["failures"]] == ["PreRunningDeadlineExceeded"]
    assert len(ray_jobs(suite)) == 1
