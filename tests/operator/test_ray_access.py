"""Ray clusters are closed: a token, a NetworkPolicy, and words where KubeRay is too old for the token.

That a real head refuses strangers is seen by tests/e2e/test_ray_cluster.py.
"""

from collections.abc import Iterator
from typing import Any

import pytest
from kubernetes import client

from finetune_kube.errors import RejectedError
from finetune_operator.children.writer import ChildWriter
from finetune_operator.cluster import Cluster
from finetune_operator.executors import EXECUTORS
from finetune_operator.executors.ray_access import network_policy
from finetune_operator.manifests import Owner
from finetune_operator.problems import WaitingError
from support.ray_world import RayWorld, old_ray_jobs_served, ray_jobs_served
from support.seaweed import SeaweedS3
from support.world import create_secret, spec_of

pytestmark = [pytest.mark.apiserver, pytest.mark.s3]

RAY = {"mode": "RayCluster"}


@pytest.fixture
def world(api_client: client.ApiClient, namespace: str, s3: SeaweedS3) -> Iterator[RayWorld]:
    """A fresh namespace with the store's Secret and the operator; no KubeRay yet."""
    create_secret(api_client, namespace, s3)
    world = RayWorld(api_client, namespace, s3)
    yield world
    world.close()


@pytest.fixture
def kuberay(api_client: client.ApiClient) -> Iterator[None]:
    """The API server knows RayJobs."""
    with ray_jobs_served(api_client):
        yield


def apply(world: RayWorld, runs: int = 2, **execution: Any) -> None:
    world.apply("exp", spec_of(world.server, {"rte": runs}, execution={**RAY, **execution}))


def policies(world: RayWorld) -> list[Any]:
    found: list[Any] = client.NetworkingV1Api(world.api).list_namespaced_network_policy(world.namespace).items
    return found


def groups(ray_job: dict[str, Any]) -> list[dict[str, Any]]:
    cluster = ray_job["spec"]["rayClusterSpec"]
    return [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]


@pytest.mark.usefixtures("kuberay")
def test_a_cluster_asks_for_a_token_whatever_kuberay_makes_of_it(world: RayWorld) -> None:
    apply(world, podTemplate={"env": [{"name": "OMP_NUM_THREADS", "value": "1"}]})
    world.look("exp")
    job = world.ray_job("exp")
    assert job["spec"]["rayClusterSpec"]["authOptions"] == {"mode": "token"}
    for group in groups(job):
        environment = group["template"]["spec"]["containers"][0]["env"]
        modes = [variable["value"] for variable in environment if variable["name"] == "RAY_AUTH_MODE"]
        assert modes == ["token"]


@pytest.mark.usefixtures("kuberay")
def test_only_its_own_pods_and_kuberay_reach_a_cluster(world: RayWorld) -> None:
    apply(world)
    world.look("exp")
    (policy,) = policies(world)
    job = world.ray_job("exp")
    own = policy.spec.pod_selector
    assert own.match_labels == {"finetune.dev/ray-job": job["metadata"]["name"]}
    for group in groups(job):
        assert own.match_labels.items() <= group["template"]["metadata"]["labels"].items()
    assert policy.spec.policy_types == ["Ingress"]
    among, kuberay = policy.spec.ingress
    # No namespace selector: pods of this namespace.
    assert [(peer.pod_selector, peer.namespace_selector, peer.ip_block) for peer in among._from] == [(own, None, None)]
    assert [(port.protocol, port.port) for port in kuberay.ports] == [("TCP", 8265)]
    (peer,) = kuberay._from
    assert peer.pod_selector.match_labels == {"app.kubernetes.io/component": "kuberay-operator"}


@pytest.mark.usefixtures("kuberay")
def test_the_policy_is_the_experiments_and_goes_with_its_ray_job(world: RayWorld) -> None:
    apply(world, parallelism=1)
    world.look("exp")
    (first,) = policies(world)
    (owner,) = first.metadata.owner_references
    assert (owner.kind, owner.name, owner.controller) == ("FinetuneExperiment", "exp", True)
    old = world.ray_job("exp")
    apply(world, parallelism=2)
    world.look("exp", times=4)
    assert [policy.metadata.name for policy in policies(world)] == [world.ray_job("exp")["metadata"]["name"]]
    assert world.ray_job("exp")["metadata"]["name"] != old["metadata"]["name"]


def test_a_policy_of_somebody_elses_is_left_alone_and_nothing_starts(
    api_client: client.ApiClient, namespace: str
) -> None:
    api = client.NetworkingV1Api(api_client)
    theirs = {"metadata": {"name": "exp-12345678"}, "spec": {"podSelector": {}, "ingress": [{}]}}
    api.create_namespaced_network_policy(namespace, theirs)
    owner = Owner(namespace, "exp", "uid-1")
    children = ChildWriter(Cluster(api_client), owner)
    with pytest.raises(WaitingError, match="NetworkPolicy exp-12345678 exists and is not of this experiment"):
        children.create_network_policy(network_policy(owner, "exp-12345678"))
    children.delete_network_policy("exp-12345678")
    assert api.read_namespaced_network_policy("exp-12345678", namespace).spec.pod_selector.match_labels is None


@pytest.mark.parametrize("field", ["authOptions", "preRunningDeadlineSeconds"])
def test_a_kuberay_that_does_not_know_a_field_is_told_of_and_gets_no_ray_job(
    world: RayWorld, api_client: client.ApiClient, field: str
) -> None:
    apply(world)
    with old_ray_jobs_served(api_client, without=field):
        assert world.look("exp") == 30
        assert world.ray_jobs("exp") == []
    valid = world.condition("exp", "Valid")
    assert (valid["status"], valid["reason"]) == ("False", "KubeRayTooOld")
    assert valid["message"].startswith("spec.execution.mode: mode RayCluster needs KubeRay 1.6 or later")
    assert f".{field} of a RayJob" in valid["message"]
    assert "upgrade KubeRay with its CRDs" in valid["message"]
    assert world.condition("exp", "Succeeded")["status"] == "Unknown"


def test_it_goes_on_when_kuberay_is_upgraded(world: RayWorld, api_client: client.ApiClient) -> None:
    apply(world)
    with old_ray_jobs_served(api_client, without="authOptions"):
        world.look("exp")
    with ray_jobs_served(api_client):
        world.look("exp", times=2)
        assert world.ray_job("exp")["spec"]["rayClusterSpec"]["authOptions"] == {"mode": "token"}
        assert world.condition("exp", "Valid")["status"] == "True"


@pytest.mark.usefixtures("kuberay")
@pytest.mark.parametrize(("token", "reason"), [(False, "Blocked"), (True, "Running")])
def test_an_operator_of_kuberay_that_is_older_than_its_crds_is_told_of_by_its_pods(
    world: RayWorld, token: bool, reason: str
) -> None:
    apply(world)
    world.look("exp")
    job = world.ray_job("exp")
    pod = world.ray_pod(job, "head", token=token)
    world.play_ray(job, "Initializing")
    world.look("exp")
    assert world.reason("exp") == reason
    said = world.condition("exp", "Succeeded")["message"]
    assert (f"Pod {pod} cannot start: NoToken" in said) is not token
    assert ("upgrade KubeRay's operator" in said) is not token


def test_a_field_of_a_pod_that_does_not_exist_is_the_users_and_not_kuberays() -> None:
    path = "/apis/ray.io/v1/namespaces/team/rayjobs"
    unknown = 'strict decoding error: unknown field "spec.rayClusterSpec.headGroupSpec.template.spec.volumes[2].nfss"'
    assert EXECUTORS.outdated(RejectedError("", reason=unknown, path=path)) is None


@pytest.mark.usefixtures("kuberay")
def test_a_spec_cannot_open_its_cluster_by_a_variable(world: RayWorld) -> None:
    apply(world, podTemplate={"env": [{"name": "RAY_AUTH_MODE", "value": "disabled"}]})
    world.look("exp")
    valid = world.condition("exp", "Valid")
    assert (valid["status"], valid["reason"]) == ("False", "InvalidSpec")
    assert "spec.execution.podTemplate.env: RAY_AUTH_MODE is set for each Ray cluster" in valid["message"]
    assert world.ray_jobs("exp") == []
