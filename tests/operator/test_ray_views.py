"""RayJobs as KubeRay leaves them, to what decisions look at."""

from itertools import product
from typing import Any

import pytest

from finetune_core.deciding.observation import FailureCause, JobView
from finetune_core.json_types import Json
from finetune_core.results.run import DriverFailure, DriverReport
from finetune_operator.children.views import object_view, pod_view
from finetune_operator.executors import EXECUTORS
from finetune_operator.executors.ray_status import is_living, ray_job_view, refused_pods
from finetune_operator.executors.rayjob import RayJobExecutor

OWNER = {"apiVersion": "finetune.dev/v1alpha1", "kind": "FinetuneExperiment", "uid": "me", "controller": True}
JOB = ("", "PENDING", "RUNNING", "STOPPED", "SUCCEEDED", "FAILED", "SOMETHING-NEW")
LIVING = ("", "Initializing", "Running", "Suspending", "Suspended", "Retrying", "Waiting", "SomethingNew")
ENDED_BADLY = ("Failed", "ValidationFailed")
UNITS = (("a",), ("b",), ("c",))
NOW = "2026-01-01T00:00:00Z"


def ray_job(job: str = "", deployment: str = "", *, suspend: bool = False, **status: Any) -> Json:
    return {
        "metadata": {
            "name": "exp-12345678",
            "labels": {"finetune.dev/role": "train", "finetune.dev/lane": "c1"},
            "annotations": {"finetune.dev/revision": "r", "finetune.dev/round": "2", "finetune.dev/plan": "p"},
            "ownerReferences": [OWNER],
            "creationTimestamp": NOW,
        },
        "spec": {"suspend": suspend, "rayClusterSpec": {"workerGroupSpecs": [{"replicas": 3}]}},
        "status": {"jobStatus": job, "jobDeploymentStatus": deployment, **status},
    }


def view(job: str = "", deployment: str = "", *, pods: tuple[Json, ...] = (), **more: Any) -> JobView:
    report, hindrance = more.pop("report", None), more.pop("hindrance", "")
    made = ray_job(job, deployment, **more)
    return ray_job_view(made, known(made), report=report, pods=pods, hindrance=hindrance)


def known(made: Json) -> JobView:
    return object_view(made, RayJobExecutor.traits, owner_uid="me", indexes=UNITS, plan="p")


def pod(node: str, *, ready: bool = False, phase: str = "Running", **metadata: str) -> Json:
    labels = {"finetune.dev/role": "train", "finetune.dev/ray-job": "exp-12345678", "ray.io/node-type": node}
    conditions = [{"type": "Ready", "status": "True" if ready else "False"}]
    return {
        "metadata": {"name": f"{node}-1", "uid": "u", "labels": labels, **metadata},
        "status": {"phase": phase, "conditions": conditions},
    }


def report(**fields: Any) -> DriverReport:
    return DriverReport(time=NOW, **fields)


@pytest.mark.parametrize(("job", "deployment"), list(product(JOB, (*LIVING, *ENDED_BADLY, "Complete"))))
@pytest.mark.parametrize("suspend", [False, True], ids=["", "suspended"])
def test_every_state_of_kuberay_is_living_complete_or_failed(job: str, deployment: str, *, suspend: bool) -> None:
    seen = view(job, deployment, suspend=suspend)
    succeeded = (deployment, job) == ("Complete", "SUCCEEDED")
    taken_away = (deployment, job, suspend) == ("Complete", "STOPPED", True)
    assert seen.complete == succeeded
    assert (seen.failed_for is None) == (deployment in LIVING or succeeded or taken_away)
    assert seen.finished == (not is_living(ray_job(job, deployment, suspend=suspend)))


def test_a_ray_job_that_kuberay_has_not_seen_yet_is_living() -> None:
    made = ray_job()
    del made["status"]
    assert not ray_job_view(made, known(made)).finished


def test_a_failure_is_told_in_kuberays_words() -> None:
    assert view("FAILED", "Failed", reason="AppFailed", message="exit code 1").failed_for == "AppFailed: exit code 1"


def test_of_a_long_log_the_beginning_and_the_end_are_told() -> None:
    message = "Job entrypoint command failed with exit code 1, last available logs: " + "x" * 9000 + "KeyError: 'label'"
    told = view("FAILED", "Failed", reason="AppFailed", message=message).failed_for or ""
    assert len(told) < 500
    assert "exit code 1" in told
    assert told.endswith("KeyError: 'label'")


def test_a_job_that_was_stopped_says_so_although_kuberay_gives_no_reason() -> None:
    assert (view("STOPPED", "Complete").failed_for or "").startswith("Stopped: ")


def test_what_the_operator_wrote_is_found_again() -> None:
    seen = view()
    assert (seen.kind, seen.name, seen.revision, seen.round) == ("RayJob", "exp-12345678", "r", 2)
    assert (seen.plan, seen.sequence, seen.parallelism, seen.owned) == ("p", "c1", 3, True)


def test_the_drivers_report_says_which_units_are_done_failed_and_running() -> None:
    why = DriverFailure(reason="UserError", message="no column named sentence")
    seen = view("RUNNING", "Running", report=report(done=("a",), failed={"b": why}, running=("c",)))
    assert (seen.completed, seen.failed, seen.running) == ({0}, {1}, {2})
    assert seen.errors == (("b", FailureCause("UserError", "no column named sentence")),)


def test_a_unit_that_is_done_is_not_failed_as_well() -> None:
    why = DriverFailure(reason="UserError", message="m")
    assert view(report=report(done=("a",), failed={"a": why})).failed == frozenset()


def test_nothing_runs_when_the_cluster_is_gone_whatever_the_driver_wrote_last() -> None:
    assert view("", "Suspended", suspend=True, report=report(running=("a",))).running == frozenset()


@pytest.mark.parametrize("reason", ["PreRunningDeadlineExceeded", "ValidationFailed"])
def test_what_would_end_in_the_same_way_again_fails_every_unit_that_is_left(reason: str) -> None:
    seen = view(
        "", "Failed", reason=reason, message="it says", report=report(done=("a",)), hindrance="ErrImagePull: no such"
    )
    assert seen.failed == {1, 2}
    told = dict(seen.errors)["b"]
    assert told.reason == reason
    assert "it says" in told.message
    assert "Last seen: ErrImagePull: no such." in told.message
    assert "To do: " in told.message


@pytest.mark.parametrize(("code", "failed"), [(64, {0, 1, 2}), (1, set()), (65, set()), (640, set())])
def test_a_driver_that_ends_by_the_users_mistake_is_not_begun_anew(code: int, failed: set[int]) -> None:
    message = f"Job entrypoint command failed with exit code {code}, last available logs: no plan"
    assert view("FAILED", "Failed", reason="AppFailed", message=message).failed == failed


def test_workers_count_and_the_head_does_not() -> None:
    pods = (pod("head", ready=True), pod("worker", ready=True), pod("worker"), pod("worker", phase="Failed"))
    seen = view("RUNNING", "Running", pods=pods)
    assert (seen.active, seen.ready, seen.terminating) == (2, 1, 0)


def test_no_worker_is_at_work_before_all_of_the_cluster_is_there() -> None:
    seen = view("", "Initializing", pods=(pod("head"), pod("worker", ready=True)))
    assert (seen.active, seen.ready) == (1, 0)


def test_pods_that_are_being_deleted_are_waited_for() -> None:
    pods = (pod("head", deletionTimestamp=NOW), pod("worker", deletionTimestamp=NOW))
    seen = view("", "Suspending", suspend=True, pods=pods)
    assert (seen.active, seen.terminating) == (0, 2)


def test_pods_that_a_quota_forbids_are_shown_as_one_that_cannot_start() -> None:
    condition = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreateHeadPod", "message": "over quota"}
    seen = refused_pods(ray_job("", "Initializing", rayClusterStatus={"conditions": [condition]}))
    assert seen is not None
    assert (seen.job, seen.blocked, seen.blocked_message) == ("exp-12345678", "FailedCreateHeadPod", "over quota")
    assert refused_pods(ray_job("", "Initializing")) is None


def test_a_pod_of_a_ray_cluster_is_its_ray_jobs() -> None:
    assert pod_view(pod("worker"), job_labels=EXECUTORS.pod_labels).job == "exp-12345678"
