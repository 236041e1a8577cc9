"""Others' controllers in the cluster in use: their own manifests, from the Go module that each is built from."""

import hashlib
import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from finetune_core.json_types import Json
from finetune_dev import binaries
from finetune_dev.errors import CommandError
from finetune_dev.image.catalogue import Image
from finetune_dev.kubectl import kubectl
from finetune_dev.shell import run, step

_INSTALLED = "finetune.dev/installed"


@dataclass(frozen=True)
class Addon:
    """A controller that is installed from its module's `config/default`.

    `program` names the recipe, `module` the Go module that holds the manifests. `crds` are those that say by being
    there that it is installed, `requirement` what a cluster that was not started from here must have. `patches` are
    kustomize's, beside those that run our image.
    """

    title: str
    program: str
    module: str
    image: Image
    namespace: str
    deployment: str
    crds: tuple[str, ...]
    requirement: str
    patches: tuple[Json, ...] = ()

    def overlay(self, source: str, program: Path) -> Json:
        """The kustomization of its `config/default` with our image and without limits; `source` is the module."""
        pod = "/spec/template"
        changes = [
            {"op": "replace", "path": f"{pod}/spec/containers/0/image", "value": self.image.reference},
            {"op": "add", "path": f"{pod}/spec/containers/0/imagePullPolicy", "value": "IfNotPresent"},
            # A part of a core would make every reconcile wait.
            {"op": "remove", "path": f"{pod}/spec/containers/0/resources"},
            {
                "op": "add",
                "path": f"{pod}/metadata/annotations",
                "value": {"finetune.dev/program": program.parent.name},
            },
        ]
        return {
            "apiVersion": "kustomize.config.k8s.io/v1beta1",
            "kind": "Kustomization",
            "namespace": self.namespace,
            "resources": [f"{source}/config/default"],
            "patches": [{"target": {"kind": "Deployment"}, "patch": json.dumps(changes)}, *self.patches],
        }

    def stamp(self, program: Path) -> str:
        """What decides the manifests (megabytes of CRDs, many seconds to apply): the build and what is changed."""
        decides = json.dumps(self.overlay("", program)).encode() + Path(__file__).read_bytes()
        return hashlib.sha256(decides).hexdigest()[:16]


def install(addon: Addon, program: Path) -> None:
    """Install or upgrade it, whose image is in the cluster, and wait until it is ready.

    `program` is what the image was made of: another one replaces the pod. Raises `CommandError` where the cluster
    refuses something or the controller is not ready in time.
    """
    deployment, wanted = f"deployment/{addon.deployment}", addon.stamp(program)
    current = _installed(addon) == wanted
    if not current:
        _apply(addon, program)
    with step(f"waiting for {addon.title}'s controller"):
        kubectl("--namespace", addon.namespace, "rollout", "status", deployment, "--timeout=300s")
    if not current:
        # Last, so that what was cut off is done again.
        kubectl("--namespace", addon.namespace, "annotate", "--overwrite", deployment, f"{_INSTALLED}={wanted}")


def remove(addon: Addon, program: Path) -> None:
    """Take it away with every object of its kinds, which go first: it must let go of them itself."""
    with step(f"{addon.title}: taking it away"):
        kubectl("delete", "--ignore-not-found", "--timeout=120s", *(f"crd/{name}" for name in addon.crds))
        kubectl("delete", "--ignore-not-found", "--timeout=120s", "--filename", "-", stdin=manifests(addon, program))


def manifests(addon: Addon, program: Path) -> str:
    """What is applied, as YAML."""
    with tempfile.TemporaryDirectory(prefix=f"{addon.program}-") as folder:
        source = os.path.relpath(_source(addon), folder)
        (Path(folder) / "kustomization.yaml").write_text(json.dumps(addon.overlay(source, program)))
        return kubectl("kustomize", folder)


def _apply(addon: Addon, program: Path) -> None:
    with step(f"{addon.title}: custom resources and controller"):
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": addon.namespace}}
        kubectl("apply", "--filename", "-", stdin=json.dumps(namespace))
        # Server-side: the CRDs are larger than the annotation that a client-side apply would leave.
        kubectl("apply", "--server-side", "--force-conflicts", "--filename", "-", stdin=manifests(addon, program))


def _installed(addon: Addon) -> str | None:
    """The stamp of what was installed here to its end and is still there."""
    path = "jsonpath={.metadata.annotations." + _INSTALLED.replace(".", r"\.") + "}"
    try:
        kubectl("get", *(f"crd/{name}" for name in addon.crds), "--output", "name")
        return kubectl("--namespace", addon.namespace, "get", f"deployment/{addon.deployment}", "--output", path)
    except CommandError:
        return None


def _source(addon: Addon) -> Path:
    """The folder of the module's source, fetched where Go does not have it."""
    pinned_in = binaries.recipes()[addon.program].module
    run("go", "mod", "download", addon.module, folder=pinned_in)
    return Path(run("go", "list", "-m", "-f", "{{.Dir}}", addon.module, folder=pinned_in).strip())
