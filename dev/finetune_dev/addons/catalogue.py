"""The controllers of others that the local cluster can have."""

import json

from finetune_core.json_types import Json
from finetune_dev import binaries
from finetune_dev.addons.install import Addon
from finetune_dev.image.catalogue import KUBERAY as KUBERAY_IMAGE
from finetune_dev.image.catalogue import KUEUE as KUEUE_IMAGE

_NOT_OURS = ("pod", "deployment", "statefulset")
"""Kinds that Kueue manages by default and nobody queues here: while it starts, its webhooks would refuse them all."""

KUEUE_SETTINGS: Json = {
    "apiVersion": "config.kueue.x-k8s.io/v1beta2",
    "kind": "Configuration",
    "health": {"healthProbeBindAddress": ":8081"},
    "metrics": {"bindAddress": ":8443"},
    "webhook": {"port": 9443},
    "leaderElection": {"leaderElect": True, "resourceName": "c1f6bfd2.kueue.x-k8s.io"},
    "clientConnection": {"qps": 50, "burst": 100},
    "integrations": {"frameworks": ["batch/job", "ray.io/rayjob", "ray.io/raycluster"]},
    # Its API server needs the aggregation layer, which the local cluster has not.
    "featureGates": {"VisibilityOnDemand": False},
}
"""Kueue's own defaults but for the last two."""


def _without_webhooks(kind: str, initial: str) -> Json:
    gone = [{"name": f"{initial}{name}.kb.io", "$patch": "delete"} for name in _NOT_OURS]
    verb = kind.removesuffix("WebhookConfiguration").lower()
    return _merge(kind, f"kueue-{verb}-webhook-configuration", webhooks=gone)


def _merge(kind: str, name: str, *, group: str = "admissionregistration.k8s.io/v1", **fields: object) -> Json:
    patch = {"apiVersion": group, "kind": kind, "metadata": {"name": name}, **fields}
    # By target: without one, kustomize looks for the object in the namespace `default`.
    return {"target": {"kind": kind, "name": name}, "patch": json.dumps(patch)}


def _without_api(version: str) -> Json:
    name = f"{version}.visibility.kueue.x-k8s.io"
    return _merge("APIService", name, group="apiregistration.k8s.io/v1", **{"$patch": "delete"})


KUBERAY = Addon(
    title="KubeRay",
    program="kuberay-operator",
    module=binaries.KUBERAY_PACKAGE,
    image=KUBERAY_IMAGE,
    namespace="kuberay-system",
    deployment="kuberay-operator",
    crds=tuple(f"ray{kind}.ray.io" for kind in ("clusters", "cronjobs", "jobs", "services")),
    requirement="1.6 or later",
)
KUEUE = Addon(
    title="Kueue",
    program="kueue",
    module=binaries.KUEUE_PACKAGE,
    image=KUEUE_IMAGE,
    namespace="kueue-system",
    deployment="kueue-controller-manager",
    crds=tuple(f"{kind}.kueue.x-k8s.io" for kind in ("localqueues", "clusterqueues", "workloads", "resourceflavors")),
    requirement="0.17 or later",
    patches=(
        _merge(
            "ConfigMap",
            "kueue-manager-config",
            group="v1",
            data={"controller_manager_config.yaml": json.dumps(KUEUE_SETTINGS)},
        ),
        _without_webhooks("MutatingWebhookConfiguration", "m"),
        _without_webhooks("ValidatingWebhookConfiguration", "v"),
        _without_api("v1beta1"),
        _without_api("v1beta2"),
    ),
)
ADDONS = {"kuberay": KUBERAY, "kueue": KUEUE}
"""By the command that installs each."""
