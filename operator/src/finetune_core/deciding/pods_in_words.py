"""What the pods of a Job do, in words: `1 running, 1 waiting: insufficient cpu`. Pure."""

import re

from finetune_core.deciding.observation import JobView, PodView

UNSCHEDULABLE = "Unschedulable"
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
