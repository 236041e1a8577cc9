"""Kubernetes objects (plain JSON) to what decisions look at. Pure."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from finetune_core.observation import JobRole, JobView, PodView
from finetune_kube import names
from finetune_kube.ownership import is_owned_by

_NUMBER = re.compile("[0-9]{1,9}")
_STUCK = frozenset(
    {
        "ImagePullBackOff",
        "ErrImagePull",
        "InvalidImageName",
        "ErrImageNeverPull",
        "CreateContainerConfigError",
        "CreateContainerError",
        "RunContainerError",
    }
)


def job_view(
    job: Mapping[str, Any], *, owner_uid: str, indexes: tuple[tuple[str, ...], ...], plan: str = ""
) -> JobView:
    """A Job of ours; `indexes` comes from its ConfigMap `plan`."""
    metadata, spec, status = job["metadata"], job["spec"], job.get("status") or {}
    annotations = metadata.get("annotations") or {}
    conditions = {c["type"]: c for c in status.get("conditions") or () if c["status"] == "True"}
    labels = metadata.get("labels") or {}
    return JobView(
        name=metadata["name"],
        role=role_of(metadata) or JobRole.TRAIN,
        revision=annotations.get(names.REVISION_ANNOTATION, ""),
        round=number(annotations.get(names.ROUND_ANNOTATION)) or 0,
        owned=is_owned_by(job, owner_uid),
        deleting="deletionTimestamp" in metadata,
        suspended=bool(spec.get("suspend")),
        queued=names.QUEUE_LABEL in labels,
        parallelism=spec.get("parallelism", 1),
        active=status.get("active") or 0,
        ready=status.get("ready") or 0,
        terminating=status.get("terminating") or 0,
        completed=parse_indexes(status.get("completedIndexes") or ""),
        failed=parse_indexes(status.get("failedIndexes") or ""),
        complete="Complete" in conditions,
        failed_for=_failed_for(conditions.get("Failed")),
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


def parse_indexes(text: str) -> frozenset[int]:
    """`1,3-5` -> {1, 3, 4, 5}, the format of `status.completedIndexes`."""
    return frozenset(index for part in text.split(",") if part for index in _range(part))


def _range(part: str) -> range:
    first, _, last = part.partition("-")
    return range(int(first), int(last or first) + 1)


def _failed_for(condition: Mapping[str, Any] | None) -> str | None:
    return None if condition is None else f"{condition.get('reason', 'Failed')}: {condition.get('message', '')}"


def pod_view(pod: Mapping[str, Any], warning: str | None = None) -> PodView:
    """A pod of ours; `warning` is what events say about a pod that hangs without a reason of its own."""
    metadata, status = pod["metadata"], pod.get("status") or {}
    labels = metadata.get("labels") or {}
    reason, message, run = _failure(status)
    blocked = _blocked(status) or (("VolumeNotReady", warning) if warning else None)
    return PodView(
        name=metadata["name"],
        job=labels.get(names.JOB_NAME_LABEL) or labels.get(names.RAY_JOB_LABEL, ""),
        role=role_of(metadata) or JobRole.TRAIN,
        index=number((metadata.get("annotations") or {}).get(names.INDEX_ANNOTATION)),
        ended=status.get("phase") in {"Succeeded", "Failed"},
        blocked=blocked[0] if blocked else None,
        blocked_message=blocked[1] if blocked else "",
        failure_reason=reason,
        failure_message=message,
        failed_run=run,
    )


def hangs_silently(pod: Mapping[str, Any]) -> bool:
    """Whether a scheduled pod creates its containers and gives no reason why that takes so long."""
    status = pod.get("status") or {}
    scheduled = any(c["type"] == "PodScheduled" and c["status"] == "True" for c in status.get("conditions") or ())
    # KubeRay's workers wait for their head in an init container.
    starting = any("running" in (one.get("state") or {}) for one in status.get("initContainerStatuses") or ())
    waiting = {reason for reason, _ in _waiting(status)}
    silent = not starting and waiting <= {"ContainerCreating", "PodInitializing"}
    return status.get("phase") == "Pending" and scheduled and silent


def _blocked(status: Mapping[str, Any]) -> tuple[str, str] | None:
    for condition in status.get("conditions") or ():
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            return condition.get("reason", "Unschedulable"), condition.get("message", "")
    return next(((reason, message) for reason, message in _waiting(status) if reason in _STUCK), None)


def _waiting(status: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for container in (*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())):
        waiting = (container.get("state") or {}).get("waiting")
        if waiting:
            yield waiting.get("reason", ""), waiting.get("message", "")


def _failure(status: Mapping[str, Any]) -> tuple[str | None, str, str | None]:
    if status.get("phase") != "Failed":
        return None, "", None
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
