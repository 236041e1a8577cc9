"""What the pods of a Job do, in words: `1 running, 1 waiting: insufficient cpu`. Pure."""

import re

from finetune_core.deciding.observation import JobView, PodView
from finetune_core.results.run import FailureReason

UNSCHEDULABLE = "Unschedulable"
TRIED_AGAIN = "It is tried again by itself, a few minutes apart."
"""Kubernetes makes the next pod after 10 seconds, then ever later, up to 10 minutes (the Job controller's back-off)."""
_LACKING = re.compile(r"Insufficient ([\w/-]+(?:\.[\w/-]+)*)")


def pods_in_words(job: JobView, blocked: PodView | None) -> str:
    """How many pods run, and what the others do; `blocked` is one that cannot start."""
    others = max(job.active - job.ready, 0)
    running = f"{job.ready} running"
    if not others:
        return running
    if blocked is None:
        return f"{running}, {others} starting"
    lacking = lacking_resources(blocked)
    return f"{running}, {others} waiting" + (f": insufficient {lacking}" if lacking else "")


def waits_its_turn(job: JobView, blocked: PodView) -> bool:
    """Whether others run and this one waits for their room: nothing that anybody has to do something about."""
    return job.ready > 0 and bool(lacking_resources(blocked))


def lacking_resources(blocked: PodView) -> str:
    """What no node has enough of, as the scheduler says it: `cpu, nvidia.com/gpu`; empty for other causes."""
    if blocked.blocked != UNSCHEDULABLE:
        return ""
    return ", ".join(dict.fromkeys(_LACKING.findall(blocked.blocked_message)))


def blocked_pod(pods: tuple[PodView, ...], job: str) -> PodView | None:
    """A pod of the Job that cannot start, the first by name."""
    stuck = (pod for pod in pods if pod.job == job and pod.blocked and not pod.ended)
    return min(stuck, key=lambda pod: pod.name, default=None)


def without_store(pods: tuple[PodView, ...], job: str) -> str | None:
    """What the pods of a Job said of the store that they could not use; None if none of them did."""
    gave_up = (pod for pod in pods if pod.job == job and pod.failure_reason == FailureReason.STORE)
    last = max(gave_up, key=lambda pod: pod.name, default=None)
    return None if last is None else f"Pod {last.name} cannot use the store: {last.failure_message}."
