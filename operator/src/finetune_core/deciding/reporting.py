"""The last step of an experiment or search: a report Job, until what lies in the store is the report of what is there.

One writer at a time: a report Job that is out of date is removed before the next one starts.
"""

from dataclasses import dataclass, replace

from finetune_core.api.status import Reason
from finetune_core.canonical import short_hash
from finetune_core.deciding.actions import Action, CreateReportJob, DeleteJob
from finetune_core.deciding.job_sequence import MAX_ROUNDS, delete_jobs
from finetune_core.deciding.observation import JobRole, JobView, PodView, Stall
from finetune_core.deciding.pods_in_words import blocked_pod, without_store
from finetune_core.deciding.stalls import pod_told
from finetune_core.results.run import FailureReason

_WRITING = "Writing tables and what is best."


@dataclass(frozen=True)
class Reporting:
    """What a report is to be made from (`digest`) and what there is: the report in the store, and Jobs of that role.

    `template` (the fingerprint of the pods) and `retry_token` are what else has a failed report tried again. `stall` is
    a pod at work that gives no sign of life; after `stall_timeout` seconds it is ended.
    """

    owner: str
    digest: str
    current: str | None
    template: str
    retry_token: str | None
    jobs: tuple[JobView, ...]
    pods: tuple[PodView, ...]
    failed: tuple[str, ...] = ()
    stall: Stall | None = None
    stall_timeout: int = 3600

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
    step = _step(seen)
    if seen.stall is None or step.reason != Reason.REPORTING or step.done:
        return step
    text, ends = pod_told(seen.stall, seen.stall_timeout)
    return replace(step, reason=Reason.STALLED, message=f"{step.message} {text}", actions=(*step.actions, *ends))


def _step(seen: Reporting) -> ReportStep:
    mine = [job for job in seen.jobs if seen.wants(job)]
    job = max(mine, key=lambda job: job.round, default=None)
    others = [other for other in seen.jobs if other is not job]
    if seen.current == seen.digest:
        return _up_to_date(seen, job, others)
    stale = delete_jobs(others)
    if job is None:
        return _order(seen, others, stale)
    if not job.finished or job.deleting:
        return _at_work(seen, job, stale)
    return _again(seen, job, stale)


def report_job_name(owner: str, revision: str, round_: int = 0) -> str:
    """Name of a report Job."""
    return f"{owner}-report-{revision[:8]}" + (f"-r{round_}" if round_ else "")


def _up_to_date(seen: Reporting, job: JobView | None, others: list[JobView]) -> ReportStep:
    """What another report Job, or its pod, writes now would be an older report than the one that is there."""
    stale = delete_jobs(other for other in others if not other.finished)
    writing = [*others] if job is None or job.finished else [job, *others]
    waiting = stale or any(not each.finished for each in writing) or _writers(seen, job)
    message = "The report is written; waiting for its pod to end." if waiting else "The report is up to date."
    return ReportStep(Reason.REPORTING, message, stale, current=not waiting, done=not waiting)


def _order(seen: Reporting, others: list[JobView], stale: tuple[Action, ...]) -> ReportStep:
    if any(not other.finished for other in others) or _writers(seen, None):
        return ReportStep(Reason.REPORTING, "Waiting for an earlier report to end.", stale)
    return ReportStep(Reason.REPORTING, _WRITING, (*stale, _create(seen, 0)))


def _at_work(seen: Reporting, job: JobView, stale: tuple[Action, ...]) -> ReportStep:
    blocked = blocked_pod(seen.pods, job.name)
    if blocked is not None:
        if job.outdated and not job.ready and not job.deleting:
            stale = (*stale, DeleteJob.of(job))
        return ReportStep(Reason.BLOCKED, f"{_WRITING} {blocked.why_blocked}", stale)
    if job.suspended and job.queued:
        # By Kueue: in a namespace with a default queue every Job waits there.
        return ReportStep(Reason.QUEUED, f"{_WRITING} Waiting for queue {job.queue} to admit Job {job.name}.", stale)
    away = None if job.active else without_store(seen.pods, job.name)
    if away is not None:
        return ReportStep(
            Reason.STORAGE_UNAVAILABLE, f"{away} The report is tried again by itself, a few minutes apart.", stale
        )
    return ReportStep(Reason.REPORTING, _WRITING, stale)


def _again(seen: Reporting, job: JobView, stale: tuple[Action, ...]) -> ReportStep:
    """A report that was not of these results is ordered again, as often as a lost run: others may write there too."""
    changed = any(pod.failure_reason == FailureReason.RESULTS_CHANGED for pod in seen.pods if pod.job == job.name)
    if (changed or job.complete) and job.round < MAX_ROUNDS:
        actions = (*stale, *delete_jobs([job]), _create(seen, job.round + 1))
        return ReportStep(Reason.REPORTING, f"{_WRITING} The results had changed meanwhile.", actions)
    why = _error(seen, job) or job.failed_for or "it ended well, but the report is not the one it should have written"
    message = f"Report Job {job.name} failed: {why}. Set execution.retryToken to try again."
    return ReportStep(Reason.REPORT_FAILED, message, stale, done=not stale)


def _create(seen: Reporting, round_: int) -> CreateReportJob:
    name = report_job_name(seen.owner, seen.revision, round_)
    return CreateReportJob(name, seen.revision, seen.digest, seen.failed, round=round_)


def _writers(seen: Reporting, job: JobView | None) -> bool:
    """Whether a pod may still write a report of another Job."""
    own = "" if job is None else job.name
    return any(pod.role == JobRole.REPORT and not pod.ended and pod.job != own for pod in seen.pods)


def _error(seen: Reporting, job: JobView) -> str | None:
    messages = sorted(
        (pod.name, pod.failure_message) for pod in seen.pods if pod.job == job.name and pod.failure_message
    )
    return messages[-1][1] if messages else None
