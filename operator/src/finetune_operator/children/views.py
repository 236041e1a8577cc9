"""Pods, and the metadata of what they work for (plain JSON), to what decisions look at. Pure."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from finetune_core.deciding.executor import ExecutorTraits
from finetune_core.deciding.observation import FailureCause, JobRole, JobView, PodView
from finetune_kube import names
from finetune_kube.ownership import is_owned_by

_NUMBER = re.compile("[0-9]{1,9}")
# Of a pod's own limit: a node that is short of disk evicts pods too, which is no fault of theirs.
_FULL = re.compile("(EmptyDir|ephemeral).* exceed|exceed.* ephemeral")
_STARTING = frozenset({"", "ContainerCreating", "PodInitializing"})
"""Reasons of a container that waits for nothing but its turn: each other one is an error of image or runtime."""


def object_view(
    item: Mapping[str, Any],
    executor: ExecutorTraits,
    *,
    owner_uid: str,
    indexes: tuple[tuple[str, ...], ...],
    plan: str = "",
) -> JobView:
    """What metadata says of an object that does work; `indexes` comes from its ConfigMap `plan`."""
    metadata = item["metadata"]
    annotations = metadata.get("annotations") or {}
    return JobView(
        name=metadata["name"],
        role=role_of(metadata) or JobRole.TRAIN,
        executor=executor,
        revision=annotations.get(names.REVISION_ANNOTATION, ""),
        round=number(annotations.get(names.ROUND_ANNOTATION)) or 0,
        owned=is_owned_by(item, owner_uid),
        deleting="deletionTimestamp" in metadata,
        queue=(metadata.get("labels") or {}).get(names.QUEUE_LABEL, ""),
        indexes=indexes,
        plan=plan,
        created=metadata.get("creationTimestamp", ""),
        uid=metadata.get("uid", ""),
        version=metadata.get("resourceVersion", ""),
    )


def role_of(metadata: Mapping[str, Any]) -> JobRole | None:
    """The role that its label says; None for a label that is none of ours: anybody may edit it."""
    role = (metadata.get("labels") or {}).get(names.ROLE_LABEL)
    return JobRole(role) if role in {known.value for known in JobRole} else None


def number(text: str | None) -> int | None:
    """The number that an annotation holds; None if it holds none: anybody may edit it."""
    return int(text) if text is not None and _NUMBER.fullmatch(text) else None


def pod_view(
    pod: Mapping[str, Any], hindrance: FailureCause | None = None, *, job_labels: Iterable[str] = ()
) -> PodView:
    """A pod of ours; `hindrance` is what events say about a pod that hangs without a reason of its own.

    The first of `job_labels` that it carries names the object that it works for.
    """
    metadata, status = pod["metadata"], pod.get("status") or {}
    labels = metadata.get("labels") or {}
    reason, message, run = _failure(status)
    lingering = _lingering(status)
    blocked = _blocked(status) or hindrance or (_goes_on(lingering) if lingering else None)
    return PodView(
        name=metadata["name"],
        job=next((labels[label] for label in job_labels if labels.get(label)), ""),
        role=role_of(metadata) or JobRole.TRAIN,
        index=number((metadata.get("annotations") or {}).get(names.INDEX_ANNOTATION)),
        ended=status.get("phase") in {"Succeeded", "Failed"},
        blocked=blocked.reason if blocked else None,
        blocked_message=blocked.message if blocked else "",
        failure_reason=reason,
        failure_message=message,
        failed_run=run,
        lingering=lingering,
        uid=metadata.get("uid", ""),
        node=(pod.get("spec") or {}).get("nodeName", ""),
        running=status.get("phase") == "Running" and "deletionTimestamp" not in metadata,
    )


def hangs_silently(pod: Mapping[str, Any]) -> bool:
    """Whether a scheduled pod creates its containers and gives no reason why that takes so long."""
    status = pod.get("status") or {}
    scheduled = any(c["type"] == "PodScheduled" and c["status"] == "True" for c in status.get("conditions") or ())
    # KubeRay's workers wait for their head in an init container.
    starting = any("running" in (init.get("state") or {}) for init in status.get("initContainerStatuses") or ())
    silent = not starting and all(waiting.reason in _STARTING for waiting in _waiting(status))
    return status.get("phase") == "Pending" and scheduled and silent


def _blocked(status: Mapping[str, Any]) -> FailureCause | None:
    for condition in status.get("conditions") or ():
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            return FailureCause(condition.get("reason", "Unschedulable"), condition.get("message", ""))
    return next((waiting for waiting in _waiting(status) if waiting.reason not in _STARTING), None)


def _lingering(status: Mapping[str, Any]) -> str | None:
    """A container that runs on after ours has ended; native sidecars are init containers, and end by themselves."""
    containers = status.get("containerStatuses") or ()
    states = {container["name"]: container.get("state") or {} for container in containers}
    if status.get("phase") != "Running" or "terminated" not in states.get(names.CONTAINER, {}):
        return None
    return next((name for name, state in states.items() if "running" in state), None)


def _goes_on(container: str) -> FailureCause:
    message = (
        f"its work is done, and its container {container}, which is not ours, goes on. Have whoever adds it make it a "
        "native sidecar (an init container with restartPolicy: Always), or leave these pods out (for Istio: "
        'execution.podTemplate.labels: {sidecar.istio.io/inject: "false"})'
    )
    return FailureCause("SidecarGoesOn", message)


def _waiting(status: Mapping[str, Any]) -> Iterator[FailureCause]:
    for container in (*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())):
        waiting = (container.get("state") or {}).get("waiting")
        if waiting:
            yield FailureCause(waiting.get("reason", ""), waiting.get("message", ""))


def _failure(status: Mapping[str, Any]) -> tuple[str | None, str, str | None]:
    if status.get("phase") != "Failed":
        return None, "", None
    evicted = str(status.get("message", "")) if status.get("reason") == "Evicted" else ""
    if _FULL.search(evicted):
        return "DiskFull", f"{evicted.strip()} To do: raise execution.resources.limits.ephemeral-storage", None
    for container in status.get("containerStatuses") or ():
        ended = (container.get("state") or {}).get("terminated")
        if ended and ended.get("exitCode"):
            return _termination(ended)
    return status.get("reason") or "PodFailed", status.get("message") or "the pod failed without a message", None


def _termination(ended: Mapping[str, Any]) -> tuple[str, str, str | None]:
    text = ended.get("message") or ""
    try:
        failure = json.loads(text)
        return str(failure["reason"]), str(failure["message"]), failure.get("runId")
    except (ValueError, KeyError, TypeError, RecursionError):
        reason = ended.get("reason") or "Error"
        if reason == "OOMKilled":
            text = "the container exceeded its memory limit: raise execution.resources.limits.memory"
        return reason, f"exit code {ended['exitCode']}" + (f": {text.strip()[-400:]}" if text else ""), None
