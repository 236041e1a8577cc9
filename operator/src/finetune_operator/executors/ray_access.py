"""Who reaches a Ray cluster: who has its token, from its own pods and KubeRay's. Pure.

KubeRay makes a token for each cluster (`authOptions`), in a Secret that goes with the cluster. We tell each pod, too,
that a token is asked for: where KubeRay gives it none, Ray does not start.
Why so: docs/decisions/0027-ray-clusters-are-closed.md.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from finetune_core.deciding.observation import JobRole, PodView
from finetune_core.json_types import Json
from finetune_kube import names
from finetune_operator.manifests.owners import Owner, metadata_of

AUTH_OPTIONS: Json = {"mode": "token"}
"""Said in full, though it is the default: KubeRay's own client sends its token only where it is said."""

ASK_FOR_TOKEN = {"RAY_AUTH_MODE": "token"}
TOKEN = "RAY_AUTH_TOKEN"
"""The variable that KubeRay adds to its pods."""

_NO_TOKEN = (
    "KubeRay's operator gave it no token, without which Ray does not start: mode RayCluster needs KubeRay 1.6 or "
    "later, the operator and not only its CRDs. To do: upgrade KubeRay's operator, or use mode Jobs"
)
_DASHBOARD_PORT = 8265
_KUBERAY = {"app.kubernetes.io/component": "kuberay-operator"}
"""The label of its pod in KubeRay's chart and in its manifests."""


def network_policy(owner: Owner, ray_job_name: str) -> Json:
    """Has a RayJob's pods reached by each other alone, and by KubeRay at the dashboard's port, where it submits."""
    pods = {"matchLabels": {names.RAY_JOB_LABEL: ray_job_name}}
    kuberay = {"namespaceSelector": {}, "podSelector": {"matchLabels": _KUBERAY}}
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": metadata_of(owner, ray_job_name, JobRole.TRAIN),
        "spec": {
            "podSelector": pods,
            "policyTypes": ["Ingress"],
            "ingress": [
                {"from": [{"podSelector": pods}]},
                {"from": [kuberay], "ports": [{"protocol": "TCP", "port": _DASHBOARD_PORT}]},
            ],
        },
    }


def pods_without_token(ray_job: Mapping[str, Any], pods: Iterable[Mapping[str, Any]]) -> PodView | None:
    """Pods of a RayJob that KubeRay gave no token, as one that cannot start; None if each has one.

    So it is where KubeRay's CRDs are newer than its operator. RayJobs of earlier versions of ours ask for none.
    """
    if "authOptions" not in ray_job["spec"]["rayClusterSpec"]:
        return None
    without = (pod for pod in pods if not _has_token(pod))
    return next((_blocked(ray_job["metadata"]["name"], pod["metadata"]["name"]) for pod in without), None)


def _blocked(ray_job_name: str, pod: str) -> PodView:
    return PodView(
        name=pod,
        job=ray_job_name,
        role=JobRole.TRAIN,
        index=None,
        ended=False,
        blocked="NoToken",
        blocked_message=_NO_TOKEN,
    )


def _has_token(pod: Mapping[str, Any]) -> bool:
    containers = (pod.get("spec") or {}).get("containers") or ()
    return any(variable.get("name") == TOKEN for container in containers for variable in container.get("env") or ())
