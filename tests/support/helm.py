"""The chart, rendered by Helm."""

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from finetune_core.json_types import Json
from finetune_dev import binaries

CHART = Path(__file__).resolve().parents[2] / "helm/finetune-operator"
RELEASE, NAMESPACE = "ft", "system"


def helm(*arguments: str, kubeconfig: Path | None = None, values: Mapping[str, Any] | None = None) -> str:
    """Run Helm; what it prints. CalledProcessError where it fails, with `stderr`."""
    given = ("--values", "-") if values is not None else ()
    access = ("--kubeconfig", str(kubeconfig)) if kubeconfig else ()
    command = [str(binaries.ensure("helm")), *arguments, *given, *access]
    text = json.dumps(values) if values is not None else None
    return subprocess.run(command, input=text, capture_output=True, text=True, check=True).stdout


def template(**values: Any) -> str:
    """The chart's manifests with these values, as text."""
    return helm("template", RELEASE, str(CHART), "--namespace", NAMESPACE, values=values)


def render(**values: Any) -> list[Json]:
    """The chart's manifests with these values."""
    return [manifest for manifest in yaml.safe_load_all(template(**values)) if manifest]


def of_kind(manifests: list[Json], kind: str) -> list[Json]:
    """The manifests of a kind."""
    return [manifest for manifest in manifests if manifest["kind"] == kind]


def the(manifests: list[Json], kind: str) -> Json:
    """The only manifest of a kind."""
    (manifest,) = of_kind(manifests, kind)
    return manifest


def pods(manifests: list[Json]) -> dict[str, Json]:
    """Pod specs by the name of what makes them."""
    return {
        manifest["metadata"]["name"]: manifest["spec"]["template"]["spec"]
        for manifest in manifests
        if "template" in manifest.get("spec", {})
    }


def environment(pod: Json) -> dict[str, str]:
    """Plain variables of a pod's only container."""
    (container,) = pod["containers"]
    return {entry["name"]: entry["value"] for entry in container["env"] if "value" in entry}
