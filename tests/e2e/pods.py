"""A server that a test brings along: a pod with a service, and what its processes take of the memory."""

from pathlib import Path
from typing import Any

from kubernetes import client

from e2e.harness import K8S, processes_of
from finetune_core.json_types import Json

PORT = 8333


def server_manifests(namespace: str, name: str, image: str, command: list[str], files: dict[str, str]) -> list[Json]:
    """A ConfigMap of files at /files, the pod, and a service of its name at PORT."""
    metadata = {"namespace": namespace, "name": name, "labels": {"app": name}}
    container = {
        "name": "server",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": command,
        "volumeMounts": [{"name": "files", "mountPath": "/files"}, {"name": "data", "mountPath": "/data"}],
        "readinessProbe": {"tcpSocket": {"port": PORT}, "periodSeconds": 1},
        "resources": {"requests": {"cpu": "100m"}},
    }
    spec = {
        "containers": [container],
        "securityContext": {"fsGroup": 65532},
        "terminationGracePeriodSeconds": 1,
        "automountServiceAccountToken": False,
        "volumes": [{"name": "files", "configMap": {"name": name}}, {"name": "data", "emptyDir": {}}],
    }
    return [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": files},
        {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec},
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": metadata,
            "spec": {"selector": {"app": name}, "ports": [{"port": PORT}]},
        },
    ]


def is_ready(namespace: str, name: str) -> bool:
    """Whether a pod answers its probe."""
    try:
        pod = K8S.core.read_namespaced_pod(name, namespace)
    except client.ApiException as error:
        if error.status == 404:
            return False
        raise
    return any(one.type == "Ready" and one.status == "True" for one in pod.status.conditions or ())


def peak_mib(pod: Any) -> int:
    """The most memory that any process of a pod has held since it started (VmHWM), in MiB."""
    return max((_peak_kib(process) for process in processes_of(pod)), default=0) // 1024


def _peak_kib(process: Path) -> int:
    lines = (process / "status").read_text().splitlines()
    return next((int(line.split()[1]) for line in lines if line.startswith("VmHWM")), 0)
