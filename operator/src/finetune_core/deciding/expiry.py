"""When Kubernetes may delete finished Jobs by itself: not before the experiment or search has ended.

A Job that is gone while its owner lives is one whose work was never begun, for all that can be seen: it would be made
again, and fail again, for ever.
"""

from collections.abc import Iterable

from finetune_core.deciding.actions import ExpireJob
from finetune_core.deciding.executor import JOB
from finetune_core.deciding.observation import JobView

LEAST_SECONDS = 60
"""Time to write the status that says that all has ended, which is written after this."""


def expiring(jobs: Iterable[JobView], ttl: int) -> tuple[ExpireJob, ...]:
    """Give the finished Jobs of what has ended their time to live; those that have it are left alone."""
    seconds = max(ttl, LEAST_SECONDS)
    finished = (job for job in jobs if job.kind == JOB.kind and job.owned and job.finished and not job.deleting)
    wanting = (job for job in finished if job.ttl != seconds)
    return tuple(ExpireJob(job.name, seconds, job.uid) for job in sorted(wanting, key=lambda job: job.name))
