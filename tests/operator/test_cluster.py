"""The Kubernetes client against a real API server: errors by name, and rights that are enough and no more."""

import uuid
from collections.abc import Iterator

import pytest
from kubernetes import client

from finetune_dev.apiserver import ApiServer
from finetune_kube.errors import ApiUnavailableError, ConflictError, ForbiddenError, RejectedError
from finetune_operator.cluster import Cluster
from support.apiserver import client_of, until
from support.helm import of_kind, render
from support.world import World, spec_of

pytestmark = pytest.mark.apiserver


@pytest.fixture
def cluster(api_client: client.ApiClient) -> Cluster:
    return Cluster(api_client)


@pytest.fixture
def somebody(api_server: ApiServer) -> Iterator[client.ApiClient]:
    """A client of a user without any rights; its name is in `default_headers`."""
    with client_of(api_server) as api:
        api.set_default_header("Impersonate-User", f"user-{uuid.uuid4().hex[:8]}")
        yield api


def config_map(name: str) -> dict:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}}


def test_what_is_not_there_is_none_and_deleting_it_is_fine(cluster: Cluster, namespace: str) -> None:
    assert cluster.get_config_map(namespace, "none") is None
    assert cluster.get_experiment(namespace, "none") is None
    assert cluster.get_secret(namespace, "none") is None
    cluster.delete_config_map(namespace, "none", uid="none")
    cluster.delete_job(namespace, "none", uid="none")
    cluster.patch_job(namespace, "none", {"spec": {"suspend": True}}, uid="none")
    cluster.patch_experiment_status(namespace, "none", {"eta": "~2m"}, version="1")


def test_what_is_there_already_is_a_conflict(cluster: Cluster, namespace: str) -> None:
    cluster.create_config_map(namespace, config_map("one"))
    with pytest.raises(ConflictError, match="already exists"):
        cluster.create_config_map(namespace, config_map("one"))


def test_what_the_api_server_refuses_is_rejected_in_its_words(cluster: Cluster, namespace: str) -> None:
    with pytest.raises(RejectedError, match="NOT A NAME"):
        cluster.create_config_map(namespace, config_map("NOT A NAME"))


def test_what_rbac_forbids_is_named(somebody: client.ApiClient, namespace: str) -> None:
    with pytest.raises(ForbiddenError, match=r"cannot create resource.*does the operator's RBAC allow it"):
        Cluster(somebody).create_config_map(namespace, config_map("one"))


def test_a_namespace_that_terminates_refuses_and_is_no_matter_of_rights(
    cluster: Cluster, api_client: client.ApiClient, namespace: str
) -> None:
    client.CoreV1Api(api_client).delete_namespace(namespace)
    with pytest.raises(RejectedError, match="being terminated"):
        cluster.create_config_map(namespace, config_map("one"))


def test_a_server_that_does_not_answer_is_unavailable() -> None:
    with client.ApiClient(client.Configuration(host="http://127.0.0.1:1")) as api, pytest.raises(ApiUnavailableError):
        Cluster(api).get_config_map("default", "one")


def test_every_request_is_told_by_verb_and_resource(api_client: client.ApiClient, namespace: str) -> None:
    told: list[tuple[str, str]] = []
    cluster = Cluster(api_client, on_request=lambda verb, resource: told.append((verb, resource)))
    cluster.list_jobs(namespace, {"a": "b"})
    cluster.patch_experiment_status(namespace, "none", {}, version="1")
    assert told == [("GET", "jobs"), ("PATCH", "finetuneexperiments/status")]


@pytest.mark.s3
def test_the_charts_rights_are_enough_for_a_whole_life(world: World, somebody: client.ApiClient) -> None:
    user = somebody.default_headers["Impersonate-User"]
    (role,) = of_kind(render(userRoles={"create": False}), "ClusterRole")
    role["metadata"] = {"name": user}
    rbac = client.RbacAuthorizationV1Api(world.api)
    rbac.create_cluster_role(role)
    rbac.create_cluster_role_binding(
        {
            "metadata": {"name": user},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": user},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}],
        }
    )
    until(lambda: _may_read(somebody, world.namespace), "the rights to be in force")
    world.restart(Cluster(somebody))
    world.apply("exp", spec_of(world.server, {"rte": 2}))
    world.look("exp")
    world.apply("exp", spec_of(world.server, {"rte": 2}, execution={"image": "example.test/trainer:2"}))
    world.look("exp", times=4)
    job = world.jobs("exp")[0]
    if job["spec"]["suspend"]:
        world.play(job)
    world.to_the_end("exp")
    assert world.reason("exp") == "AllRunsSucceeded"


def _may_read(api: client.ApiClient, namespace: str) -> bool:
    try:
        Cluster(api).get_secret(namespace, "none")
    except ForbiddenError:
        return False
    return True
