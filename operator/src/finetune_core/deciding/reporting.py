"""The last step of an experiment or search: a report Job, until what lies in the store is the report of what is there.

One writer at a time: a report Job that is out of date is removed before the next one starts.
"""

from dataclasses import dataclass

from finetune_core.api.status import Reason
from finetune_core.canonical import short_hash
from finetune_core.deciding.actions import Action, CreateReportJob
from finetune_core.deciding.job_sequence import blocked_pod, delete_jobs
from finetune_core.deciding.observation import JobView, PodView


@dataclass(frozen=True)
class Reporting:
    """What a report is to be made from (`digest`) and what there is: the report in the store, and Jobs of that role.

    `revision_of` holds what else has a failed report tried again: pod template and retry token.
    """

    owner: str
    digest: str
    current: str | None
    revision_of: tuple[str | None, ...]
    jobs: tuple[JobView, ...]
    pods: tuple[PodView, ...]
    failed: tuple[str, ...] = ()


@dataclass(frozen=True)
class ReportStep:
    """What to do and to say. `current`: the report is up to date. `done`: nothing more will happen by itself."""

    reason: Reason
    message: str
    actions: tuple[Action, ...] = ()
    current: bool = False
    done: bool = False


def report_step(seen: Reporting) -> ReportStep:
    """The next step towards a report that is up to date."""
    if seen.current == seen.digest:
        return ReportStep(Reason.REPORTING, "The report is up to date.", _stale(seen, None), current=True, done=True)
    revision = short_hash([seen.digest, *seen.revision_of])
    stale = _stale(seen, revision)
    job = next((job for job in seen.jobs if job.revision == revision and job.owned), None)
    if job is None and any(not other.finished for other in seen.jobs):
        return ReportStep(Reason.REPORTING, "Waiting for an earlier report to end.", stale)
    if job is None:
        create = CreateReportJob(report_job_name(seen.owner, revision), revision, seen.digest, seen.failed)
        return ReportStep(Reason.REPORTING, "Writing tables and what is best.", (*stale, create))
    if not job.finished or job.deleting:
        blocked = blocked_pod(seen.pods, job.name)
        problem = f" {blocked.why_blocked}" if blocked else ""
        reason = Reason.BLOCKED if blocked else Reason.REPORTING
        return ReportStep(reason, f"Writing tables and what is best.{problem}", stale)
    why = _error(seen, job) or job.failed_for or "it ended well, but the report is not the one it should have written"
    message = f"Report Job {job.name} failed: {why}. Set execution.retryToken to try again."
    return ReportStep(Reason.REPORT_FAILED, message, stale, done=True)


def report_job_name(owner: str, revision: str) -> str:
    """Name of a report Job."""
    return f"{owner}-report-{revision[:8]}"


def _error(seen: Reporting, job: JobView) -> str | None:
    messages = sorted(
        (pod.name, pod.failure_message) for pod in seen.pods if pod.job == job.name and pod.failure_message
    )
    return messages[-1][1] if messages else None


def _stale(seen: Reporting, revision: str | None) -> tuple[Action, ...]:
    return delete_jobs(
        job for job in seen.jobs if not job.deleting and revision is not None and job.revision != revision
    )
