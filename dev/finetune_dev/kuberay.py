"""KubeRay in the cluster in use: its own manifests, from the module that its operator is built from."""

import hashlib
import json
import os
import tempfile
from pathlib import Path

from finetune_dev import binaries
from finetune_dev.catalogue import KUBERAY
from finetune_dev.errors import CommandError
from finetune_dev.kubectl import kubectl
from finetune_dev.shell import run, step

NAMESPACE = "kuberay-system"
_DEPLOYMENT = "deployment/kuberay-operator"
_CRDS = tuple(f"crd/ray{kind}.ray.io" for kind in ("clusters", "cronjobs", "jobs", "services"))
_INSTALLED = "finetune.dev/installed"


def install(program: Path) -> None:
    """Install or upgrade KubeRay, whose image is in the cluster, and wait until it is ready.

    `program` is what the image was made of: another one replaces the pod. Raises `CommandError` where the cluster
    refuses something or the operator is not ready in time.
    """
    wanted = _stamp(program)
    current = _installed() == wanted
    if not current:
        _apply(program)
    with step("waiting for KubeRay's operator"):
        kubectl("--namespace", NAMESPACE, "rollout", "status", _DEPLOYMENT, "--timeout=120s")
    if not current:
        # Last, so that what was cut off is done again.
        kubectl("--namespace", NAMESPACE, "annotate", "--overwrite", _DEPLOYMENT, f"{_INSTALLED}={wanted}")


def _apply(program: Path) -> None:
    with step("KubeRay: custom resources and operator"):
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
        kubectl("apply", "--filename", "-", stdin=json.dumps(namespace))
        # Server-side: the CRDs are larger than the annotation that a client-side apply would leave.
        kubectl("apply", "--server-side", "--force-conflicts", "--filename", "-", stdin=manifests(program))


def _stamp(program: Path) -> str:
    """What decides the manifests (4 MB of CRDs, many seconds to apply): KubeRay's build and this module."""
    return hashlib.sha256(program.parent.name.encode() + Path(__file__).read_bytes()).hexdigest()[:16]


def _installed() -> str | None:
    """The stamp of what was installed here to its end and is still there."""
    path = "jsonpath={.metadata.annotations." + _INSTALLED.replace(".", r"\.") + "}"
    try:
        kubectl("get", *_CRDS, "--output", "name")
        return kubectl("--namespace", NAMESPACE, "get", _DEPLOYMENT, "--output", path)
    except CommandError:
        return None


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
    run("go", "mod", "download", binaries.KUBERAY_PACKAGE, folder=binaries.KUBERNETES_MODULE)
    listed = run("go", "list", "-m", "-f", "{{.Dir}}", binaries.KUBERAY_PACKAGE, folder=binaries.KUBERNETES_MODULE)
    return Path(listed.strip())
