"""Jobs and pods as the API server gives them, to what decisions look at."""

from typing import Any, cast

import pytest

from finetune_core.deciding.observation import FailureCause, JobRole
from finetune_operator.children.views import hangs_silently, object_view, pod_view
from finetune_operator.executors import EXECUTORS, Look
from finetune_operator.executors.job import JobExecutor, parse_indexes

OWNER = {"apiVersion": "finetune.dev/v1alpha1", "kind": "FinetuneExperiment", "uid": "me", "controller": True}
LABELS = {
    "app.kubernetes.io/managed-by": "finetune-operator",
    "finetune.dev/experiment": "exp",
    "finetune.dev/role": "train",
}


def job(status: dict[str, Any] | None = None, **metadata: Any) -> dict[str, Any]:
    return {
        "metadata": {
            "name": "exp-1234",
            "labels": LABELS,
            "annotations": {"finetune.dev/revision": "r", "finetune.dev/round": "2", "finetune.dev/plan": "p"},
            "ownerReferences": [OWNER],
            "creationTimestamp": "2026-01-01T00:00:00Z",
            **metadata,
        },
        "spec": {"parallelism": 4, "suspend": False},
        **({"status": status} if status is not None else {}),
    }


def view(status: dict[str, Any] | None = None, **metadata: Any) -> Any:
    made = job(status, **metadata)
    seen = object_view(made, JobExecutor.traits, owner_uid="me", indexes=(("a",), ("b",)), plan="p")
    return JobExecutor().view(made, seen, cast("Look", None))


def condition(type_: str, status: str = "True", **more: str) -> dict[str, str]:
    return {"type": type_, "status": status, **more}


@pytest.mark.parametrize(
    ("text", "indexes"),
    [("", set()), ("0", {0}), ("1,3-5", {1, 3, 4, 5}), ("0-2,7,9-10", {0, 1, 2, 7, 9, 10})],
)
def test_indexes_are_read_in_the_job_controllers_notation(text: str, indexes: set[int]) -> None:
    assert parse_indexes(text) == indexes


def test_a_job_without_status_has_not_begun() -> None:
    seen = view()
    assert (seen.active, seen.ready, seen.terminating, seen.completed, seen.failed) == (0, 0, 0, set(), set())
    assert not seen.finished


def test_names_of_a_job_come_from_its_labels_and_annotations() -> None:
    seen = view()
    assert (seen.name, seen.role, seen.revision, seen.round, seen.plan) == ("exp-1234", JobRole.TRAIN, "r", 2, "p")
    assert seen.owned
    assert seen.parallelism == 4


def test_counts_and_indexes_of_a_job_at_work() -> None:
    seen = view({"active": 3, "ready": 2, "terminating": 1, "completedIndexes": "0,2-3", "failedIndexes": "1"})
    assert (seen.active, seen.ready, seen.terminating) == (3, 2, 1)
    assert (seen.completed, seen.failed) == ({0, 2, 3}, {1})


@pytest.mark.parametrize("interim", ["FailureTarget", "SuccessCriteriaMet"])
def test_interim_conditions_do_not_end_a_job(interim: str) -> None:
    assert not view({"conditions": [condition(interim)]}).finished


def test_a_complete_job() -> None:
    seen = view({"conditions": [condition("SuccessCriteriaMet"), condition("Complete")]})
    assert (seen.complete, seen.failed_for) == (True, None)


def test_a_failed_job_says_why() -> None:
    failed = condition("Failed", reason="FailedIndexes", message="Job has failed indexes")
    assert view({"conditions": [failed]}).failed_for == "FailedIndexes: Job has failed indexes"


def test_a_condition_that_is_false_says_nothing() -> None:
    assert not view({"conditions": [condition("Failed", "False")]}).finished


def test_a_job_of_another_object_of_the_same_name_is_not_ours() -> None:
    assert not view(ownerReferences=[{**OWNER, "uid": "the one before"}]).owned


def test_a_job_that_kueue_holds_is_queued() -> None:
    assert view(labels={**LABELS, "kueue.x-k8s.io/queue-name": "team"}).queued


def test_a_job_with_a_deletion_timestamp_is_being_deleted() -> None:
    assert view(deletionTimestamp="2026-01-01T00:00:00Z").deleting


def pod(phase: str, *, state: dict[str, Any] | None = None, **status: Any) -> dict[str, Any]:
    containers = [{"name": "trainer", "state": state}] if state else []
    return {
        "metadata": {
            "name": "exp-1234-0-abcde",
            "labels": {**LABELS, "batch.kubernetes.io/job-name": "exp-1234"},
            "annotations": {"batch.kubernetes.io/job-completion-index": "3"},
        },
        "status": {"phase": phase, **({"containerStatuses": containers} if containers else {}), **status},
    }


SCHEDULED = {"conditions": [condition("PodScheduled")]}


def waiting(reason: str, message: str = "") -> dict[str, Any]:
    return {"waiting": {"reason": reason, "message": message}}


def terminated(code: int, **more: Any) -> dict[str, Any]:
    return {"terminated": {"exitCode": code, **more}}


def test_a_running_pod_is_neither_blocked_nor_failed() -> None:
    seen = pod_view(pod("Running", state={"running": {}}), job_labels=EXECUTORS.pod_labels)
    assert (seen.job, seen.index, seen.ended, seen.blocked, seen.failure_reason) == ("exp-1234", 3, False, None, None)


@pytest.mark.parametrize(
    "reason", ["ImagePullBackOff", "ErrImagePull", "InvalidImageName", "CreateContainerConfigError"]
)
def test_a_pod_whose_container_cannot_start_is_blocked_in_the_kubelets_words(reason: str) -> None:
    seen = pod_view(pod("Pending", state=waiting(reason, "no such image")))
    assert (seen.blocked, seen.blocked_message) == (reason, "no such image")


def test_a_pod_that_fits_on_no_node_is_blocked_in_the_schedulers_words() -> None:
    unschedulable = condition("PodScheduled", "False", reason="Unschedulable", message="0/3 nodes are available")
    seen = pod_view(pod("Pending", conditions=[unschedulable]))
    assert (seen.blocked, seen.blocked_message) == ("Unschedulable", "0/3 nodes are available")


def test_a_pod_that_creates_its_container_is_not_blocked_unless_an_event_says_why() -> None:
    creating = pod("Pending", state=waiting("ContainerCreating"), **SCHEDULED)
    assert pod_view(creating).blocked is None
    seen = pod_view(creating, FailureCause("VolumeNotReady", 'MountVolume.SetUp failed: configmap "ca" not found'))
    assert seen.blocked == "VolumeNotReady"
    assert "configmap" in seen.blocked_message


@pytest.mark.parametrize(
    ("seen", "silent"),
    [
        (pod("Pending", state=waiting("ContainerCreating"), **SCHEDULED), True),
        (pod("Pending", **SCHEDULED), True),
        (pod("Pending", state=waiting("ImagePullBackOff"), **SCHEDULED), False),
        (pod("Pending", conditions=[condition("PodScheduled", "False")]), False),
        (pod("Running", state={"running": {}}, **SCHEDULED), False),
    ],
)
def test_a_pod_hangs_silently_when_it_is_scheduled_and_gives_no_reason(seen: dict[str, Any], silent: bool) -> None:
    assert hangs_silently(seen) is silent


def test_a_termination_message_of_the_trainer_is_the_reason() -> None:
    message = '{"reason": "UserError", "message": "labels out of range", "runId": "abc"}'
    seen = pod_view(pod("Failed", state=terminated(64, message=message, reason="Error")))
    assert (seen.failure_reason, seen.failure_message, seen.failed_run) == ("UserError", "labels out of range", "abc")
    assert seen.ended


def test_a_killed_container_says_that_memory_ran_out_and_what_to_raise() -> None:
    seen = pod_view(pod("Failed", state=terminated(137, reason="OOMKilled")))
    assert seen.failure_reason == "OOMKilled"
    assert "execution.resources.limits.memory" in seen.failure_message


@pytest.mark.parametrize("message", ["Traceback: boom", '"a string"', "[1, 2]", '{"reason": "only"}', "{"])
def test_other_last_words_are_quoted_with_the_exit_code(message: str) -> None:
    seen = pod_view(pod("Failed", state=terminated(1, message=message, reason="Error")))
    assert seen.failure_reason == "Error"
    assert seen.failure_message == f"exit code 1: {message}"


@pytest.mark.parametrize(
    "message",
    [
        'Usage of EmptyDir volume "work" exceeds the limit "100Gi". ',
        "Pod ephemeral local storage usage exceeds the total limit of containers 100Gi. ",
        'Container trainer exceeded its local ephemeral storage limit "100Gi". ',
    ],
)
def test_a_pod_that_outgrew_its_own_disk_says_what_to_raise(message: str) -> None:
    """https://github.com/kubernetes/kubernetes/blob/v1.35.0/pkg/kubelet/eviction/helpers.go"""
    state = terminated(137, message="{}")
    evicted = pod("Failed", state=state)
    evicted["status"] |= {"reason": "Evicted", "message": message}
    seen = pod_view(evicted)
    assert seen.failure_reason == "DiskFull"
    assert seen.failure_message.startswith(message.strip())
    assert "raise execution.resources.limits.ephemeral-storage" in seen.failure_message


def test_an_evicted_pod_says_why_by_its_status() -> None:
    seen = pod_view(pod("Failed", reason="Evicted", message="The node was low on resource: memory."))
    assert (seen.failure_reason, seen.failure_message) == ("Evicted", "The node was low on resource: memory.")


def test_a_pod_that_succeeded_has_no_failure() -> None:
    seen = pod_view(pod("Succeeded", state=terminated(0)))
    assert (seen.ended, seen.failure_reason) == (True, None)
