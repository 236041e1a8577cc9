"""What the events about a Job or a pod (plain JSON) say of what keeps it from starting. Pure."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from finetune_core.deciding.observation import FailureCause

Event = Mapping[str, Any]

_VOLUMES = frozenset({"FailedMount", "FailedAttachVolume", "FailedMapVolume"})
_POD_HINDRANCES = _VOLUMES | {
    "FailedCreatePodSandBox",
    "FailedPodSandBoxStatus",
    "FailedCreatePodContainer",
    "FailedPrepareDynamicResources",
    "NetworkNotReady",
}
_POD_STEPS = frozenset({"Pulling", "Pulled", "Created", "Started"})
_JOB_HINDRANCES = frozenset({"FailedCreate"})
_JOB_STEPS = frozenset({"SuccessfulCreate", "Suspended", "Resumed"})
_COMBINED = "(combined from similar events): "
_RANDOM_NAME = re.compile('(pods? "[^"]*-)[a-z0-9]{5}"')


def pod_hindrance(events: Iterable[Event]) -> FailureCause | None:
    """Why the containers of a scheduled pod are not made (volumes, sandbox, devices), where nothing else says it."""
    last = _last(events, _POD_HINDRANCES | _POD_STEPS)
    if last is None or last["reason"] in _POD_STEPS:
        return None
    reason = "VolumeNotReady" if last["reason"] in _VOLUMES else str(last["reason"])
    return FailureCause(reason, _words(last))


def job_hindrance(events: Iterable[Event], pods_created: Iterable[str]) -> FailureCause | None:
    """Why a Job cannot create pods (quota, admission, what a pod refers to), unless it has created one since."""
    last = _last(events, _JOB_HINDRANCES | _JOB_STEPS)
    if last is None or last["reason"] in _JOB_STEPS:
        return None
    # Kubernetes leaves out events of a Job that has had many: its pods may be all that tells of the success.
    since = last.get("lastTimestamp") or ""
    return None if any(created > since for created in pods_created) else FailureCause(last["reason"], _words(last))


def _last(events: Iterable[Event], telling: frozenset[str]) -> Event | None:
    """The one that was written last; resourceVersions are numbers that grow (Kubernetes 1.35 promises it)."""
    told = (event for event in events if event.get("reason") in telling)
    return max(told, key=lambda event: int(event["metadata"]["resourceVersion"]), default=None)


def _words(event: Event) -> str:
    # Each try has another name: the status would change at each look.
    return _RANDOM_NAME.sub(r'\1…"', str(event.get("message") or "").removeprefix(_COMBINED))
