"""What looks at either kind do about report Jobs: when the store is to be read again because of one."""

from collections.abc import Iterable

from finetune_core.deciding.observation import JobRole, JobView, PodView
from finetune_operator.memory import LookMemory


def reports_under_way(jobs: Iterable[JobView], pods: Iterable[PodView]) -> frozenset[str]:
    """What may write a report: when one of them has come or ended, the report in the store may be another."""
    written = {f"{job.uid}/{job.name}/{job.finished}" for job in jobs if job.role == JobRole.REPORT}
    return frozenset(written | {pod.name for pod in pods if pod.role == JobRole.REPORT and not pod.ended})


def look_again_after_failed_reports(memory: LookMemory, jobs: Iterable[JobView]) -> None:
    """A report fails where results are not what was counted: deleted, say, or damaged. Once for each that failed."""
    failed = frozenset(f"{job.uid}/{job.name}" for job in jobs if job.role == JobRole.REPORT and job.failed_for)
    if not failed <= memory.reports_failed:
        memory.forget_results()
    memory.reports_failed = failed
