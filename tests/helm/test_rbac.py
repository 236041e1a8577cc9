"""The operator's rights: those that it uses, and none beyond."""

import inspect
from collections.abc import Callable
from itertools import product
from typing import Any

import pytest
from kubernetes import client, utils

from finetune_core.json_types import Json
from finetune_dev.apiserver import ApiServer
from finetune_kube.errors import ClusterError, ForbiddenError
from finetune_kube.kinds import Kind
from finetune_operator.cluster import Cluster
from finetune_operator.executors import EXECUTORS
from support.apiserver import client_of
from support.helm import NAMESPACE, of_kind, render, the

pytestmark = pytest.mark.apiserver

NAME = "ft-finetune-operator"
OWN = {"userRoles": {"create": False}}
"""Without the roles for people, which nothing of the operator is bound to."""

KINDS = ("ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding")
IN_A_NAMESPACE = {
    ("finetune.dev", "finetuneexperiments"): {"get", "list", "watch"},
    ("finetune.dev", "finetuneexperiments/status"): {"patch"},
    ("finetune.dev", "hpsearches"): {"get", "list", "watch"},
    ("finetune.dev", "hpsearches/status"): {"patch"},
    ("batch", "jobs"): {"list", "watch", "create", "patch", "delete"},
    ("ray.io", "rayjobs"): {"list", "watch", "create", "patch", "delete"},
    ("networking.k8s.io", "networkpolicies"): {"get", "create", "delete"},
    ("", "configmaps"): {"get", "create", "update", "delete"},
    ("", "pods"): {"list"},
    ("", "pods/eviction"): {"create"},
    ("kueue.x-k8s.io", "localqueues"): {"get"},
    ("kueue.x-k8s.io", "workloads"): {"list"},
    ("", "secrets"): {"get"},
    ("", "events"): {"list", "create"},
    ("coordination.k8s.io", "leases"): {"create"},
    ("coordination.k8s.io", "leases:finetune-claim"): {"get", "update"},
}
LEADER = {
    ("coordination.k8s.io", "leases"): {"create"},
    ("coordination.k8s.io", f"leases:{NAME}"): {"get", "update"},
}
OF_THE_CLUSTER = {
    ("", "namespaces"): {"list", "watch"},
    ("apiextensions.k8s.io", "customresourcedefinitions"): {"list", "watch"},
    ("coordination.k8s.io", "leases"): {"create", "get"},
}


def calls_of(kind: Kind) -> dict[str, Callable[[Cluster, str], Any]]:
    """A call of each method that is about an executor's objects."""
    return {
        f"list_work {kind.kind}": lambda cluster, where: cluster.list_work(kind, where, {"a": "b"}),
        f"create_work {kind.kind}": lambda cluster, where: cluster.create_work(kind, where, {}),
        f"patch_work {kind.kind}": lambda cluster, where: cluster.patch_work(kind, where, "x", {}, uid="x"),
        f"delete_work {kind.kind}": lambda cluster, where: cluster.delete_work(kind, where, "x", uid="x"),
    }


# A call of each method of the operator's only client. New methods must be entered here.
CALLS: dict[str, Callable[[Cluster, str], Any]] = {
    "get_experiment": lambda cluster, where: cluster.get_experiment(where, "x"),
    "patch_experiment_status": lambda cluster, where: cluster.patch_experiment_status(where, "x", {}, version="1"),
    "get_search": lambda cluster, where: cluster.get_search(where, "x"),
    "patch_search_status": lambda cluster, where: cluster.patch_search_status(where, "x", {}, version="1"),
    **{name: call for executor in EXECUTORS.all for name, call in calls_of(executor.kind).items()},
    "list_pods": lambda cluster, where: cluster.list_pods(where, {"a": "b"}),
    "evict_pod": lambda cluster, where: cluster.evict_pod(where, "x", uid="x"),
    "get_local_queue": lambda cluster, where: cluster.get_local_queue(where, "x"),
    "list_workloads": lambda cluster, where: cluster.list_workloads(where, {"a": "b"}),
    "list_events": lambda cluster, where: cluster.list_events(where, "uid"),
    "get_config_map": lambda cluster, where: cluster.get_config_map(where, "x"),
    "create_config_map": lambda cluster, where: cluster.create_config_map(where, {}),
    "replace_config_map": lambda cluster, where: cluster.replace_config_map(where, {"metadata": {"name": "x"}}),
    "delete_config_map": lambda cluster, where: cluster.delete_config_map(where, "x", uid="x"),
    "get_network_policy": lambda cluster, where: cluster.get_network_policy(where, "x"),
    "create_network_policy": lambda cluster, where: cluster.create_network_policy(where, {}),
    "delete_network_policy": lambda cluster, where: cluster.delete_network_policy(where, "x", uid="x"),
    "get_secret": lambda cluster, where: cluster.get_secret(where, "x"),
    "get_lease": lambda cluster, where: cluster.get_lease(where, "finetune-claim"),
    "create_lease": lambda cluster, where: cluster.create_lease(where, {}),
    "replace_lease": lambda cluster, where: cluster.replace_lease(where, {"metadata": {"name": "finetune-claim"}}),
    "create_event": lambda cluster, where: cluster.create_event(where, {}),
}


def rights(role: Json) -> dict[tuple[str, str], set[str]]:
    found: dict[tuple[str, str], set[str]] = {}
    for rule in role["rules"]:
        assert rule.keys() - {"resourceNames"} == {"apiGroups", "resources", "verbs"}
        only = [f":{name}" for name in rule.get("resourceNames", ())] or [""]
        for group, resource, name in product(rule["apiGroups"], rule["resources"], only):
            found.setdefault((group, resource + name), set()).update(rule["verbs"])
    return found


def as_operator(server: ApiServer, call: Callable[[Cluster, str], Any], namespace: str) -> None:
    """The call in the operator's name; ForbiddenError if its rights do not cover it, whatever else happens."""
    with client_of(server) as api:
        api.set_default_header("Impersonate-User", f"system:serviceaccount:{NAMESPACE}:{NAME}")
        try:
            call(Cluster(api), namespace)
        except ForbiddenError:
            raise
        except ClusterError:
            pass  # the call was allowed and its made-up object refused


@pytest.fixture(scope="module")
def installed(api_server: ApiServer, api_client: client.ApiClient) -> ApiServer:
    """A server with the rights of an operator of the whole cluster."""
    client.CoreV1Api(api_client).create_namespace({"metadata": {"name": NAMESPACE}})
    for kind in KINDS:
        for manifest in of_kind(render(), kind):
            utils.create_from_dict(api_client, manifest)
    return api_server


def test_the_operator_of_the_cluster_has_exactly_these_rights() -> None:
    assert rights(the(render(**OWN), "ClusterRole")) == IN_A_NAMESPACE | OF_THE_CLUSTER


def test_the_operator_of_some_namespaces_has_rights_in_these_only() -> None:
    manifests = render(watchNamespaces=["a", "b"], **OWN)

    assert {role["metadata"]["namespace"]: rights(role) for role in of_kind(manifests, "Role")} == {
        "a": IN_A_NAMESPACE,
        "b": IN_A_NAMESPACE,
        NAMESPACE: LEADER,
    }
    assert of_kind(manifests, "ClusterRole") == []
    assert of_kind(manifests, "ClusterRoleBinding") == []


@pytest.mark.parametrize("values", [{}, {"watchNamespaces": ["a"]}], ids=["cluster", "namespaces"])
def test_rights_are_given_to_the_operators_account_alone(values: dict[str, Any]) -> None:
    manifests = render(**values)
    bindings = of_kind(manifests, "ClusterRoleBinding") + of_kind(manifests, "RoleBinding")

    account = {"kind": "ServiceAccount", "name": NAME, "namespace": NAMESPACE}
    assert [binding["subjects"] for binding in bindings] == [[account], [account]]
    assert {binding["roleRef"]["name"] for binding in bindings} == {NAME, f"{NAME}-leader"}
    assert the(manifests, "Deployment")["spec"]["template"]["spec"]["serviceAccountName"] == NAME


def test_every_call_of_the_operator_is_listed_here() -> None:
    methods = {name for name, _ in inspect.getmembers(Cluster, inspect.isfunction) if not name.startswith("_")}

    assert {name.partition(" ")[0] for name in CALLS} == methods


@pytest.mark.parametrize("name", CALLS)
def test_the_operator_may_do_what_it_does(installed: ApiServer, namespace: str, name: str) -> None:
    as_operator(installed, CALLS[name], namespace)


def test_the_operator_may_renew_its_own_lease_and_look_at_those_of_other_releases(
    installed: ApiServer, namespace: str
) -> None:
    own = {"metadata": {"name": NAME}}
    as_operator(installed, lambda cluster, _: cluster.replace_lease(NAMESPACE, own), NAMESPACE)
    as_operator(installed, lambda cluster, where: cluster.get_lease(where, "another-release"), namespace)
    with pytest.raises(ForbiddenError):
        as_operator(installed, lambda cluster, where: cluster.replace_lease(where, own), namespace)


@pytest.mark.parametrize(
    ("verb", "resource"),
    [
        ("list", "leases.coordination.k8s.io"),
        ("update", "leases.coordination.k8s.io"),
        ("delete", "leases.coordination.k8s.io"),
        ("list", "secrets"),
        ("create", "secrets"),
        ("list", "configmaps"),
        ("patch", "configmaps"),
        ("list", "networkpolicies.networking.k8s.io"),
        ("patch", "networkpolicies.networking.k8s.io"),
        ("create", "pods"),
        ("delete", "pods"),
        ("patch", "finetuneexperiments.finetune.dev"),
        ("patch", "hpsearches.finetune.dev"),
        ("delete", "finetuneexperiments.finetune.dev"),
        ("create", "rayclusters.ray.io"),
        ("delete", "namespaces"),
        ("create", "roles.rbac.authorization.k8s.io"),
    ],
)
def test_the_operator_may_not_do_more(installed: ApiServer, namespace: str, verb: str, resource: str) -> None:
    name, _, group = resource.partition(".")
    review = {
        "spec": {
            "user": f"system:serviceaccount:{NAMESPACE}:{NAME}",
            "resourceAttributes": {"namespace": namespace, "verb": verb, "group": group, "resource": name},
        }
    }
    with client_of(installed) as api:
        answer = client.AuthorizationV1Api(api).create_subject_access_review(review)

    assert answer.status.allowed is False
