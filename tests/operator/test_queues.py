"""What a waiting experiment says: that nobody serves its queue, or Kueue's own words.

Kueue's kinds are played: no Kueue runs here.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from kubernetes import client

from finetune_core.json_types import Json
from finetune_kube.errors import ApiUnavailableError, ClusterError, ForbiddenError, WebhookError, error_of
from finetune_operator.kinds.queues import workload_in_words
from support.apiserver import served, until
from support.search_world import SearchWorld, search_spec
from support.world import World, spec_of

pytestmark = [pytest.mark.apiserver, pytest.mark.s3]

QUEUED = {"queueName": "team"}
KUEUE = ("kueue.x-k8s.io", "v1beta1")


def kueue_crd(version: str, kind: str = "LocalQueue") -> Json:
    """As much of a CRD of Kueue's as is asked for."""
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    served_version = {"name": version, "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    names = {"kind": kind, "plural": f"{kind.lower()}s", "singular": kind.lower()}
    spec = {"group": KUEUE[0], "scope": "Namespaced", "names": names, "versions": [served_version]}
    return {"metadata": {"name": f"{kind.lower()}s.kueue.x-k8s.io"}, "spec": spec}


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
    with served(api_client, kueue_crd(version)):
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


def workload(version: str, uid: str, conditions: list[Json], checks: tuple[Json, ...] = ()) -> Json:
    """What Kueue says of the Job of that uid."""
    return {
        "apiVersion": f"{KUEUE[0]}/{version}",
        "kind": "Workload",
        "metadata": {"name": "job-exp-1", "labels": {"kueue.x-k8s.io/job-uid": uid}},
        "status": {"conditions": conditions, "admissionChecks": [*checks]},
    }


def condition(type_: str, status: str, reason: str, message: str) -> Json:
    return {"type": type_, "status": status, "reason": reason, "message": message}


SHORT = condition("QuotaReserved", "False", "Pending", "insufficient unused quota for cpu in flavor a, 1 more needed")
PREEMPTED = condition("Evicted", "True", "Preempted", "Preempted to accommodate a workload (UID: 1)")


@pytest.mark.parametrize("version", ["v1beta1", "v1beta2"])
def test_a_waiting_experiment_repeats_kueues_words_and_asks_for_them_once_a_minute(
    world: World, api_client: client.ApiClient, version: str
) -> None:
    with served(api_client, kueue_crd(version)), served(api_client, kueue_crd(version, "Workload")):
        queue = {"apiVersion": f"{KUEUE[0]}/{version}", "kind": "LocalQueue", "metadata": {"name": "team"}}
        where = (KUEUE[0], version, world.namespace)
        world.custom.create_namespaced_custom_object(*where, "localqueues", queue)
        world.apply("exp", spec_of(world.server, {"rte": 1}, execution=QUEUED))
        world.look("exp", times=2)
        assert world.condition("exp", "Succeeded")["message"].endswith("Waiting for queue team to admit the Job.")

        uid = world.job("exp")["metadata"]["uid"]
        world.custom.create_namespaced_custom_object(*where, "workloads", workload(version, "another", [PREEMPTED]))
        world.look("exp")
        assert "Kueue" not in world.condition("exp", "Succeeded")["message"], "those are another's words"
        world.custom.replace_namespaced_custom_object(
            *where,
            "workloads",
            "job-exp-1",
            {
                **workload(version, uid, [SHORT]),
                "metadata": {
                    **world.custom.get_namespaced_custom_object(*where, "workloads", "job-exp-1")["metadata"],
                    "labels": {"kueue.x-k8s.io/job-uid": uid},
                },
            },
        )
        world.look("exp")
        assert world.reason("exp") == "Queued"
        words = f"Waiting for queue team to admit the Job. Kueue (Workload job-exp-1): {SHORT['message']}."
        assert world.condition("exp", "Succeeded")["message"].endswith(words)

        asked = sum(count for (_, what), count in world.requests.items() if what == "workloads")
        world.look("exp", times=3)
        assert sum(count for (_, what), count in world.requests.items() if what == "workloads") == asked
        assert world.condition("exp", "Succeeded")["message"].endswith(words)


@pytest.mark.parametrize(
    ("conditions", "checks", "words"),
    [
        ([], (), ""),
        ([SHORT], (), f"{SHORT['message']}."),
        ([PREEMPTED], (), f"evicted it (Preempted): {PREEMPTED['message']}."),
        (
            [PREEMPTED, {**SHORT, "message": PREEMPTED["message"]}],
            (),
            f"evicted it (Preempted): {PREEMPTED['message']}.",
        ),
        ([PREEMPTED, SHORT], (), f"evicted it (Preempted): {PREEMPTED['message']}; {SHORT['message']}."),
        ([{**PREEMPTED, "status": "False"}, SHORT], (), f"{SHORT['message']}."),
        (
            [condition("QuotaReserved", "True", "QuotaReserved", "in team")],
            ({"name": "nodes", "state": "Pending", "message": "asked for"}, {"name": "ok", "state": "Ready"}),
            "waits for admission check nodes (Pending): asked for.",
        ),
    ],
    ids=["nothing yet", "short", "preempted", "just preempted", "preempted and short", "long ago", "checks"],
)
def test_kueues_words(conditions: list[Json], checks: tuple[Json, ...], words: str) -> None:
    said = workload_in_words(workload("v1beta2", "uid", conditions, checks))
    assert said == (f"Kueue (Workload job-exp-1): {words}" if words else "")


@contextmanager
def webhook_down(api: client.ApiClient, namespace: str) -> Iterator[None]:
    """As while Kueue's pod starts: every Job of the namespace must be asked about at a Service that is not there."""
    rule = {"apiGroups": ["batch"], "apiVersions": ["v1"], "resources": ["jobs"], "operations": ["CREATE", "UPDATE"]}
    hook = {
        "name": "vjob.kb.io",
        "rules": [rule],
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
        "clientConfig": {"service": {"namespace": "default", "name": f"gone-{namespace}"}},
        "failurePolicy": "Fail",
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
    }
    registration = client.AdmissionregistrationV1Api(api)
    registration.create_validating_webhook_configuration({"metadata": {"name": namespace}, "webhooks": [hook]})
    until(lambda: _refuses_jobs(api, namespace), "the webhook to be asked")
    yield
    registration.delete_validating_webhook_configuration(namespace)
    until(lambda: not _refuses_jobs(api, namespace), "the webhook to be forgotten")


def _refuses_jobs(api: client.ApiClient, namespace: str) -> bool:
    pod = {"restartPolicy": "Never", "containers": [{"name": "c", "image": "c"}]}
    job = {"metadata": {"name": "probe"}, "spec": {"template": {"spec": pod}}}
    try:
        client.BatchV1Api(api).create_namespaced_job(namespace, job, dry_run="All")
    except client.ApiException as error:
        if error.status != 500:
            raise
        return True
    return False


@pytest.mark.parametrize(
    ("status", "reason", "kind"),
    [
        (500, 'Internal error occurred: failed calling webhook "vjob.kb.io": service "a" not found', WebhookError),
        (500, "conversion webhook for kueue.x-k8s.io/v1beta2, Kind=LocalQueue failed: no endpoints", WebhookError),
        (500, "etcdserver: request timed out", ApiUnavailableError),
        (429, "too many requests", ApiUnavailableError),
        (403, 'admission webhook "vjob.kb.io" denied the request: no', ForbiddenError),
    ],
)
def test_a_webhook_that_does_not_answer_is_told_from_an_api_server_that_does_not(
    status: int, reason: str, kind: type[ClusterError]
) -> None:
    body = json.dumps({"message": reason}).encode()
    assert type(error_of(status, "POST", "/apis/batch/v1/namespaces/n/jobs", body)) is kind


def test_a_webhook_that_does_not_answer_is_said_and_waited_for(world: World, api_client: client.ApiClient) -> None:
    with webhook_down(api_client, world.namespace):
        world.apply("exp", spec_of(world.server, {"rte": 1}))
        assert world.look("exp") is not None
        assert world.reason("exp") == "Blocked"
        message = world.condition("exp", "Succeeded")["message"]
        assert 'failed calling webhook "vjob.kb.io"' in message
        assert world.jobs("exp") == []
    world.look("exp", times=2)
    assert world.job("exp")
    with webhook_down(api_client, world.namespace):
        world.apply("exp", spec_of(world.server, {"rte": 1}, execution={"suspend": True}))
        world.look("exp")
        assert 'failed calling webhook "vjob.kb.io"' in world.condition("exp", "Succeeded")["message"]
    world.look("exp", times=2)
    assert world.reason("exp") == "Suspended"
