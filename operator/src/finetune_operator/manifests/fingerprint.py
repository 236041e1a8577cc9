"""What the children of an owner cannot change in place, as one hash."""

from finetune_core.canonical import short_hash
from finetune_core.spec import ExecutionMode
from finetune_operator.executors.ray_cluster import ray_fingerprint
from finetune_operator.manifests.jobs import job_fingerprint
from finetune_operator.manifests.pods import PodSettings


def template_fingerprint(settings: PodSettings) -> str:
    """Hash of all that a live Job or RayJob cannot change: pod template, queue, of a RayJob its cluster's size too."""
    ray = settings.execution.mode == ExecutionMode.RAY_CLUSTER
    return short_hash(ray_fingerprint(settings) if ray else job_fingerprint(settings), 12)
