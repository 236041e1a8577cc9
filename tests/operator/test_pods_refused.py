"""Jobs that cannot create their pods, and pods whose containers cannot be made: said in the cluster's own words."""

from collections.abc import Callable

import pytest
from kubernetes import client

from finetune_core.json_types import Json
from support.apiserver import until
from support.search_world import SearchWorld, search_spec
from support.world import World, spec_of

pytestmark = [pytest.mark.apiserver, pytest.mark.s3]

TOO_MUCH = {"spec": {"limits": [{"type": "Pod", "min": {"memory": "1Ti"}}]}}
"""A LimitRange that no pod of ours keeps to."""
WORDS = "minimum memory usage per Pod is 1Ti"


def refuse_pods(world: World) -> None:
    world.core.create_namespaced_limit_range(world.namespace, {"metadata": {"name": "much"}, **TOO_MUCH})
    until(lambda: not is_allowed(world), "the API server knows the LimitRange")


def allow_pods(world: World) -> None:
    world.core.delete_namespaced_limit_range("much", world.namespace)
    until(lambda: is_allowed(world), "the API server has forgotten the LimitRange")


def is_allowed(world: World) -> bool:
    pod = {"metadata": {"name": "tried"}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    try:
        world.core.create_namespaced_pod(world.namespace, pod, dry_run="All")
    except client.ApiException:
        return False
    return True


def look_twice(world: World, look: Callable[[], float | None]) -> float | None:
    """Two looks, some seconds apart."""
    look()
    world.pass_time(6)
    return look()


def assert_blocked(condition: Json, *words: str) -> None:
    assert (condition["status"], condition["reason"]) == ("Unknown", "Blocked")
    for word in words:
        assert word in condition["message"]


def started(world: World, **fields: object) -> Json:
    world.apply("exp", spec_of(world.server, {"rte": 1}, **fields))
    world.look("exp")
    return world.job("exp")


def test_an_experiments_job_that_may_create_no_pods_is_blocked_in_the_clusters_words(world: World) -> None:
    refuse_pods(world)
    job = started(world)
    assert world.create_pod(job) is None
    delay = look_twice(world, lambda: world.look("exp"))
    assert_blocked(world.condition("exp", "Succeeded"), "0 of 1 runs ended", "FailedCreate: Error creating: ", WORDS)
    assert delay is not None
    assert delay <= 10
    assert ("Warning", "Blocked") in world.events("exp")


def test_it_goes_on_when_the_pods_may_be_created(world: World) -> None:
    refuse_pods(world)
    job = started(world)
    world.create_pod(job)
    look_twice(world, lambda: world.look("exp"))
    allow_pods(world)
    assert world.create_pod(job)
    world.look("exp")
    assert world.reason("exp") == "Running"
    world.play(job, active=1, ready=1)
    world.look("exp")
    assert world.condition("exp", "Succeeded")["message"] == "0 of 1 runs ended; pods: 1 running."


def test_a_pod_made_since_counts_where_kubernetes_left_the_event_of_its_success_out(world: World) -> None:
    job = started(world)
    world.tell(job, "FailedCreate", "Error creating: old news", at="2026-01-01T00:00:00Z")
    world.pod(job, status={"phase": "Failed"})
    look_twice(world, lambda: world.look("exp"))
    assert world.reason("exp") == "Running"


@pytest.mark.parametrize(
    "refusal",
    [
        'pods "exp-0-abcde" is forbidden: exceeded quota: small, requested: limits.cpu=4, used: limits.cpu=0, limited: '
        "limits.cpu=2",
        'pods "exp-0-abcde" is forbidden: no PriorityClass with name urgent was found',
        'pods "exp-0-abcde" is forbidden: error looking up service account a/b: serviceaccount "b" not found',
        'pods "exp-0-abcde" is forbidden: pod rejected: RuntimeClass "kata" not found',
        'admission webhook "policy.example.test" denied the request: no',
    ],
)
def test_whatever_refuses_the_pods_is_quoted(world: World, refusal: str) -> None:
    job = started(world)
    world.tell(job, "FailedCreate", f"Error creating: {refusal}")
    look_twice(world, lambda: world.look("exp"))
    assert_blocked(world.condition("exp", "Succeeded"), refusal.partition(" is ")[2] or refusal)


def test_each_try_has_another_pod_name_and_the_status_stays_as_it_is(world: World) -> None:
    refuse_pods(world)
    job = started(world)
    world.create_pod(job)
    look_twice(world, lambda: world.look("exp"))
    version = world.resource("exp")["metadata"]["resourceVersion"]
    world.create_pod(job)
    world.look("exp")
    assert world.resource("exp")["metadata"]["resourceVersion"] == version


def test_events_are_asked_for_only_when_a_job_has_been_short_of_pods_for_some_seconds(world: World) -> None:
    job = started(world)
    world.look("exp")
    assert world.requests["GET", "events"] == 0
    world.play(job, active=1, ready=1)
    world.pass_time(60)
    world.look("exp", times=2)
    assert world.requests["GET", "events"] == 0


def test_a_quota_that_refuses_the_pods_is_quoted_by_the_api_servers_own_words(world: World) -> None:
    quota = {"metadata": {"name": "small"}, "spec": {"hard": {"limits.cpu": "1"}}}
    world.core.create_namespaced_resource_quota(world.namespace, quota)
    world.core.patch_namespaced_resource_quota_status(
        "small", world.namespace, {"status": {"hard": {"limits.cpu": "1"}, "used": {"limits.cpu": "0"}}}
    )
    until(lambda: not is_allowed(world), "the API server knows the quota")
    resources = {"requests": {"cpu": "2"}, "limits": {"cpu": "2", "memory": "1Gi"}}
    job = started(world, execution={"resources": resources})
    assert world.create_pod(job) is None
    look_twice(world, lambda: world.look("exp"))
    assert_blocked(world.condition("exp", "Succeeded"), "exceeded quota: small", "requested: limits.cpu=2")


def test_pod_security_that_refuses_the_pods_is_quoted_by_the_api_servers_own_words(world: World) -> None:
    level = {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "restricted"}}}
    world.core.patch_namespace(world.namespace, level)
    until(lambda: not is_allowed(world), "the API server knows the level")
    job = started(world, execution={"podTemplate": {"securityContext": {"runAsNonRoot": False}}})
    assert world.create_pod(job) is None
    look_twice(world, lambda: world.look("exp"))
    assert_blocked(world.condition("exp", "Succeeded"), 'violates PodSecurity "restricted', "runAsNonRoot != true")


def test_some_pods_that_are_refused_are_told_while_the_others_work(world: World) -> None:
    world.apply("exp", spec_of(world.server, {"rte": 3}, execution={"parallelism": 3}))
    world.look("exp")
    job = world.job("exp")
    world.play(job, active=1, ready=1)
    world.tell(job, "FailedCreate", "Error creating: exceeded quota: small")
    look_twice(world, lambda: world.look("exp"))
    assert world.reason("exp") == "Running"
    assert "pods: 1 running. Pod of exp-" in world.condition("exp", "Succeeded")["message"]
    assert "exceeded quota: small" in world.condition("exp", "Succeeded")["message"]


def test_a_report_whose_pod_is_refused_is_blocked(world: World) -> None:
    job = started(world)
    world.finish(job)
    world.look("exp", times=2)
    refuse_pods(world)
    world.create_pod(world.job("exp", "report"))
    look_twice(world, lambda: world.look("exp"))
    assert_blocked(world.condition("exp", "Succeeded"), "Writing tables", WORDS)
    allow_pods(world)
    world.to_the_end("exp")
    assert world.reason("exp") == "AllRunsSucceeded"


def test_a_look_at_volumes_whose_pod_is_refused_is_blocked(world: World) -> None:
    refuse_pods(world)
    world.apply("exp", spec_of(world.server, {"rte": 1}, model={"uri": "pvc://models/bert"}))
    world.look("exp")
    world.create_pod(world.job("exp", "resolve"))
    look_twice(world, lambda: world.look("exp"))
    assert_blocked(world.condition("exp", "Succeeded"), "a pod looks at pvc://models/bert", WORDS)


def test_a_search_whose_pods_are_refused_is_blocked(searching: SearchWorld) -> None:
    refuse_pods(searching)
    searching.apply_search("hunt", search_spec(searching.server))
    searching.look_at_search("hunt")
    searching.create_pod(searching.search_job("hunt"))
    look_twice(searching, lambda: searching.look_at_search("hunt"))
    assert_blocked(searching.search_condition("hunt", "Succeeded"), WORDS)


def test_a_search_whose_reports_pod_is_refused_is_blocked(searching: SearchWorld) -> None:
    searching.apply_search("hunt", search_spec(searching.server))
    searching.look_at_search("hunt", times=2)
    searching.drive(searching.search_job("hunt"), "hunt")
    searching.look_at_search("hunt", times=2)
    refuse_pods(searching)
    searching.create_pod(searching.search_job("hunt", "report"))
    look_twice(searching, lambda: searching.look_at_search("hunt"))
    assert_blocked(searching.search_condition("hunt", "Succeeded"), WORDS)


SCHEDULED = [{"type": "PodScheduled", "status": "True"}]
SANDBOX = (
    "Failed to create pod sandbox: rpc error: code = Unknown desc = failed to get sandbox runtime: no runtime for "
    '"kata" is configured'
)


def waiting(reason: str, message: str = "", *, init: bool = False) -> Json:
    state = [{"name": "c", "image": "i", "imageID": "", "ready": False, "restartCount": 0}]
    state[0]["state"] = {"waiting": {"reason": reason, "message": message}}
    return {
        "phase": "Pending",
        "conditions": SCHEDULED,
        "initContainerStatuses" if init else "containerStatuses": state,
    }


@pytest.mark.parametrize(
    ("reason", "message"),
    [
        ("FailedCreatePodSandBox", SANDBOX),
        ("FailedPrepareDynamicResources", "Failed to prepare dynamic resources: no driver"),
        ("NetworkNotReady", "network is not ready: container runtime network not ready"),
    ],
)
def test_a_pod_whose_sandbox_cannot_be_made_is_blocked_in_the_kubelets_words(
    world: World, reason: str, message: str
) -> None:
    job = started(world)
    name = world.pod(job, status=waiting("ContainerCreating"))
    world.play(job, active=1, ready=0)
    pod = {"metadata": world.core.read_namespaced_pod(name, world.namespace).metadata.to_dict()}
    world.tell(pod, reason, message, kind="Pod")
    world.tell(pod, "SandboxChanged", "Pod sandbox changed, it will be killed and re-created.", type_="Normal")
    world.look("exp")
    assert_blocked(world.condition("exp", "Succeeded"), f"Pod {name} cannot start: {reason}: {message}")
    world.tell(pod, "Pulling", 'Pulling image "example.test/trainer:1"', type_="Normal", kind="Pod")
    world.look("exp")
    assert world.reason("exp") == "Running"


def has_no_sandbox(world: World, job: Json) -> str:
    name = world.pod(job, status=waiting("ContainerCreating"))
    world.play(job, active=1, ready=0)
    pod = {"metadata": world.core.read_namespaced_pod(name, world.namespace).metadata.to_dict()}
    world.tell(pod, "FailedCreatePodSandBox", SANDBOX, kind="Pod")
    return f"Pod {name} cannot start: FailedCreatePodSandBox: {SANDBOX}"


def test_so_is_the_pod_of_a_report(world: World) -> None:
    world.finish(started(world))
    world.look("exp", times=2)
    words = has_no_sandbox(world, world.job("exp", "report"))
    world.look("exp")
    assert_blocked(world.condition("exp", "Succeeded"), "Writing tables", words)


def test_so_is_the_pod_of_a_look_at_volumes(world: World) -> None:
    world.apply("exp", spec_of(world.server, {"rte": 1}, model={"uri": "pvc://models/bert"}))
    world.look("exp")
    words = has_no_sandbox(world, world.job("exp", "resolve"))
    world.look("exp")
    assert_blocked(world.condition("exp", "Succeeded"), "a pod looks at pvc://models/bert", words)


def test_so_is_the_pod_of_a_search(searching: SearchWorld) -> None:
    searching.apply_search("hunt", search_spec(searching.server))
    searching.look_at_search("hunt")
    words = has_no_sandbox(searching, searching.search_job("hunt"))
    searching.look_at_search("hunt")
    assert_blocked(searching.search_condition("hunt", "Succeeded"), words)


@pytest.mark.parametrize("init", [False, True], ids=["container", "init container"])
@pytest.mark.parametrize(
    "reason",
    [
        "ImagePullBackOff",
        "ImageInspectError",
        "CreateContainerError",
        "RunContainerError",
        "CreatePodSandboxError",
        "CrashLoopBackOff",
    ],
)
def test_an_error_of_a_container_is_blocked_also_one_of_an_init_container(
    world: World, reason: str, *, init: bool
) -> None:
    job = started(world)
    name = world.pod(job, status=waiting(reason, "why", init=init))
    world.play(job, active=1, ready=0)
    world.look("exp")
    assert_blocked(world.condition("exp", "Succeeded"), f"Pod {name} cannot start: {reason}: why")
