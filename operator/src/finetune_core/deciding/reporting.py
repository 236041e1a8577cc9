"""The last step of an experiment or search: a report Job, until what lies in the store is the report of what is there.

One writer at a time: a report Job that is out of date is removed before the next one starts.
"""

from dataclasses import dataclass

from finetune_core.api.status import Reason
from finetune_core.canonical import short_hash
from finetune_core.deciding.actions import Action, CreateReportJob, DeleteJob
from finetune_core.deciding.job_sequence import blocked_pod, delete_jobs
from finetune_core.deciding.observation import JobView, PodView


@dataclass(frozen=True)
class Reporting:
    """What a report is to be made from (`digest`) and what there is: the report in the store, and Jobs of that role.

    `template` (the fingerprint of the pods) and `retry_token` are what else has a failed report tried again.
    """

    owner: str
    digest: str
    current: str | None
    template: str
    retry_token: str | None
    jobs: tuple[JobView, ...]
    pods: tuple[PodView, ...]
    failed: tuple[str, ...] = ()

    @property
    def revision(self) -> str:
        """The revision of the report Job that is wanted."""
        return self.revision_with(self.template)

    def revision_with(self, template: str) -> str:
        """The revision with another fingerprint of the pods."""
        return short_hash([self.digest, template, self.retry_token])

    def wants(self, job: JobView) -> bool:
        """Whether a report Job is the one that is wanted."""
        return job.owned and job.is_of(self.revision_with, self.template)


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
        return ReportStep(Reason.REPORTING, "The report is up to date.", current=True, done=True)
    stale = delete_jobs(job for job in seen.jobs if not job.deleting and not seen.wants(job))
    job = next((job for job in seen.jobs if seen.wants(job)), None)
    if job is None and any(not other.finished for other in seen.jobs):
        return ReportStep(Reason.REPORTING, "Waiting for an earlier report to end.", stale)
    if job is None:
        name = report_job_name(seen.owner, seen.revision)
        create = CreateReportJob(name, seen.revision, seen.digest, seen.failed)
        return ReportStep(Reason.REPORTING, "Writing tables and what is best.", (*stale, create))
    if not job.finished or job.deleting:
        blocked = blocked_pod(seen.pods, job.name)
        if blocked and job.outdated and not job.ready and not job.deleting:
            stale = (*stale, DeleteJob.of(job))
        problem = f" Pod {blocked.name} cannot start: {blocked.blocked}: {blocked.blocked_message}" if blocked else ""
        return ReportStep(Reason.REPORTING, f"Writing tables and what is best.{problem}", stale)
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
