"""KubeRay in the cluster in use: its own manifests, from the module that its operator is built from."""

import json
import os
import tempfile
from pathlib import Path

from finetune_dev import binaries
from finetune_dev.catalogue import KUBERAY
from finetune_dev.kubectl import kubectl
from finetune_dev.shell import run, step

NAMESPACE = "kuberay-system"
_DEPLOYMENT = "deployment/kuberay-operator"


def install(program: Path) -> None:
    """Install or upgrade KubeRay, whose image is in the cluster, and wait until it is ready.

    `program` is what the image was made of: another one replaces the pod.
    """
    with step("KubeRay: custom resources and operator"):
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
        kubectl("apply", "--filename", "-", stdin=json.dumps(namespace))
        # Server-side: the CRDs are larger than the annotation that a client-side apply would leave.
        kubectl("apply", "--server-side", "--force-conflicts", "--filename", "-", stdin=manifests(program))
    with step("waiting for KubeRay's operator"):
        kubectl("--namespace", NAMESPACE, "rollout", "status", _DEPLOYMENT, "--timeout=120s")


def manifests(program: Path) -> str:
    """KubeRay's `config/default` in our namespace, with our image and without its CPU limit, as YAML."""
    with tempfile.TemporaryDirectory(prefix="kuberay-") as folder:
        (Path(folder) / "kustomization.yaml").write_text(
            json.dumps(_overlay(os.path.relpath(_module(), folder), program))
        )
        return kubectl("kustomize", folder)


def _overlay(module: str, program: Path) -> dict[str, object]:
    pod = "/spec/template"
    changes = [
        {"op": "replace", "path": f"{pod}/spec/containers/0/image", "value": KUBERAY.reference},
        # A tenth of a core would make every reconcile wait.
        {"op": "remove", "path": f"{pod}/spec/containers/0/resources"},
        {"op": "add", "path": f"{pod}/metadata/annotations", "value": {"finetune.dev/program": program.parent.name}},
    ]
    return {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "namespace": NAMESPACE,
        "resources": [f"{module}/config/default"],
        "patches": [{"target": {"kind": "Deployment"}, "patch": json.dumps(changes)}],
    }


def _module() -> Path:
    """The folder of the module's source, fetched where Go does not have it."""
    run("go", "mod", "download", binaries.KUBERAY_PACKAGE, folder=binaries.KUBERAY_MODULE)
    listed = run("go", "list", "-m", "-f", "{{.Dir}}", binaries.KUBERAY_PACKAGE, folder=binaries.KUBERAY_MODULE)
    return Path(listed.strip())
