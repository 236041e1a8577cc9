"""The last step of an experiment that has `publish`: Jobs that publish, one an entry, until what is wanted lies there.

Entries have nothing to do with each other, so their Jobs work beside each other; of one entry only one pod writes at a
time. Each is done once what is wanted is in its record in the store, or its Job has failed for good.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from finetune_core.api.status import ConditionStatus, Reason
from finetune_core.canonical import short_hash
from finetune_core.deciding.actions import Action, CreatePublishJob
from finetune_core.deciding.job_sequence import MAX_ROUNDS, delete_jobs
from finetune_core.deciding.observation import JobRole, JobView, PodView, Stall
from finetune_core.deciding.pods_in_words import blocked_pod, without_store
from finetune_core.deciding.stalls import pod_told
from finetune_core.publishing.orders import OrderedModel, Publications, Wanted
from finetune_core.results.run import FailureReason

_TRY_AGAIN = "Set execution.retryToken to try again."
_HELD = "execution.suspend holds it back."
_MOST_HELD_BACK = (
    Reason.BLOCKED,
    Reason.STALLED,
    Reason.STORAGE_UNAVAILABLE,
    Reason.QUEUED,
    Reason.SUSPENDED,
    Reason.PUBLISHING,
)
"""Of entries that wait, the one that somebody has to do something about is told of first."""


@dataclass(frozen=True)
class Publishing:
    """What is to be published (`wanted`), and what there is: records by the name of their entry, Jobs of that role.

    `report` is the digest of the report that says which runs are the best. `template`, `retry_token`, `stall` and
    `stall_timeout`: see `Reporting`.
    """

    owner: str
    wanted: tuple[Wanted, ...]
    records: Mapping[str, Publications]
    report: str
    template: str
    retry_token: str | None
    suspended: bool
    jobs: tuple[JobView, ...]
    pods: tuple[PodView, ...]
    stall: Stall | None = None
    stall_timeout: int = 3600

    def missing(self, one: Wanted) -> tuple[OrderedModel, ...]:
        """The models of an entry that do not lie there yet."""
        record = self.records.get(one.entry.name, Publications())
        return tuple(model for model in one.models if not record.has(model))

    def revision(self, one: Wanted, template: str) -> str:
        """The revision of an entry's Job by the fingerprint of pods."""
        entry = one.entry.model_dump(mode="json", by_alias=True, exclude_none=True)
        models = [model.digest for model in one.models]
        return short_hash(["publish", entry, models, self.report, template, self.retry_token])

    def job_of(self, one: Wanted) -> JobView | None:
        """The Job that is wanted for an entry; the latest round of it."""
        mine = (job for job in self.jobs if job.owned and job.is_of(lambda by: self.revision(one, by), self.template))
        return max(mine, key=lambda job: job.round, default=None)


@dataclass(frozen=True)
class PublishState:
    """What to do, and what the condition `Published` says. `done`: nothing more will happen by itself."""

    status: ConditionStatus
    reason: Reason
    message: str
    actions: tuple[Action, ...] = ()
    done: bool = False


@dataclass(frozen=True)
class _Step:
    """Of one entry. `failed`: it is done, and not all of it is published."""

    reason: Reason
    message: str
    actions: tuple[Action, ...] = ()
    done: bool = False
    failed: bool = False


def publish_state(seen: Publishing) -> PublishState:
    """The next step towards all that is wanted; of results that are reported."""
    current = {job.name: job for one in seen.wanted if (job := seen.job_of(one)) is not None}
    others = [job for job in seen.jobs if job.name not in current]
    # An earlier order would publish what is not the best any more; an earlier failure would count for one of its name.
    open_ = any(seen.missing(one) for one in seen.wanted)
    stale = delete_jobs(job for job in others if open_ or not job.finished)
    writing = any(not job.finished for job in others) or any(
        pod.role == JobRole.PUBLISH and not pod.ended and pod.job not in current for pod in seen.pods
    )
    steps = [_step(seen, one, waits=writing) for one in seen.wanted]
    actions = (*stale, *(action for step in steps for action in step.actions))
    done = all(step.done for step in steps) and not actions and not writing
    return _told(seen, steps, actions, done=done)


def _told(seen: Publishing, steps: list[_Step], actions: tuple[Action, ...], *, done: bool) -> PublishState:
    total = sum(len(one.models) for one in seen.wanted)
    there = total - sum(len(seen.missing(one)) for one in seen.wanted)
    counted = f"Models published: {there} of {total}."
    if not done:
        reasons = {step.reason for step in steps if not step.done} or {Reason.PUBLISHING}
        reason = min(reasons, key=_MOST_HELD_BACK.index)
        texts = [step.message for step in steps if not step.done and step.message]
        return PublishState(ConditionStatus.UNKNOWN, reason, " ".join([counted, *texts]), actions)
    failed = [step.message for step in steps if step.failed]
    if failed:
        message = " ".join([*failed, counted])
        return PublishState(ConditionStatus.FALSE, Reason.PUBLISH_FAILED, message, done=True)
    return PublishState(ConditionStatus.TRUE, Reason.PUBLISHED, counted, done=True)


def _step(seen: Publishing, one: Wanted, *, waits: bool) -> _Step:
    name, job, missing = one.entry.name, seen.job_of(one), seen.missing(one)
    if not missing:
        return _published(one, job)
    if job is not None and (not job.finished or job.deleting):
        return _with_stall(seen, job, _at_work(seen, name, job))
    step = _again(seen, one, job) if job is not None else _begin(seen, one, waits=waits)
    # What has failed stays so.
    return step if step.done or not seen.suspended else _Step(Reason.SUSPENDED, f"{name}: {_HELD}")


def _begin(seen: Publishing, one: Wanted, *, waits: bool) -> _Step:
    if waits:
        name = one.entry.name
        return _Step(Reason.PUBLISHING, f"{name}: waiting for an earlier pod that publishes to end.")
    return _Step(Reason.PUBLISHING, "", (_create(seen, one, 0),))


def _published(one: Wanted, job: JobView | None) -> _Step:
    name = one.entry.name
    if job is not None and not job.finished:
        return _Step(Reason.PUBLISHING, f"{name}: published; waiting for its pod to end.")
    if one.lacking:
        what = "no such run has a result" if one.entry.runs else "no best run"
        message = f"{name}: {what}: {', '.join(one.lacking)}; nothing of it can be published."
        return _Step(Reason.PUBLISH_FAILED, message, done=True, failed=True)
    return _Step(Reason.PUBLISHED, "", done=True)


def _at_work(seen: Publishing, name: str, job: JobView) -> _Step:
    if seen.suspended:
        # What it has not pushed yet is pushed when it may: each place is of the old model or of the new one.
        return _Step(Reason.SUSPENDED, f"{name}: {_HELD}", delete_jobs([job]))
    blocked = blocked_pod(seen.pods, job.name)
    if blocked is not None:
        stuck = delete_jobs([job]) if job.outdated and not job.ready else ()
        return _Step(Reason.BLOCKED, f"{name}: {blocked.why_blocked}", stuck)
    if job.suspended and job.queued:
        return _Step(Reason.QUEUED, f"{name}: waiting for queue {job.queue} to admit Job {job.name}.")
    away = None if job.active else without_store(seen.pods, job.name)
    if away is not None:
        return _Step(Reason.STORAGE_UNAVAILABLE, f"{name}: {away} It is tried again by itself, a few minutes apart.")
    failed = None if job.ready else _error(seen.pods, job)
    text = f"{name}: {failed} It is tried again, ever later, for about ten minutes." if failed else ""
    return _Step(Reason.PUBLISHING, text)


def _with_stall(seen: Publishing, job: JobView, step: _Step) -> _Step:
    stall = seen.stall
    if stall is None or stall.pod is None or stall.pod.job != job.name or step.reason != Reason.PUBLISHING:
        return step
    text, ends = pod_told(stall, seen.stall_timeout)
    return replace(step, reason=Reason.STALLED, message=text, actions=(*step.actions, *ends))


def _again(seen: Publishing, one: Wanted, job: JobView) -> _Step:
    """One whose results had changed, or that ended well without its record, is ordered again, a few times."""
    name = one.entry.name
    changed = any(pod.failure_reason == FailureReason.RESULTS_CHANGED for pod in seen.pods if pod.job == job.name)
    if (changed or job.complete) and job.round < MAX_ROUNDS:
        return _Step(Reason.PUBLISHING, "", (*delete_jobs([job]), _create(seen, one, job.round + 1)))
    why = _error(seen.pods, job) or job.failed_for or "it ended well, but its record is not in the store"
    message = f"{name}: Job {job.name} failed: {why.rstrip('.')}. {_TRY_AGAIN}"
    return _Step(Reason.PUBLISH_FAILED, message, done=True, failed=True)


def _create(seen: Publishing, one: Wanted, round_: int) -> CreatePublishJob:
    revision = seen.revision(one, seen.template)
    return CreatePublishJob(
        name=publish_job_name(seen.owner, revision, round_),
        revision=revision,
        report=seen.report,
        entry=one.entry,
        models=one.models,
        round=round_,
    )


def publish_job_name(owner: str, revision: str, round_: int = 0) -> str:
    """Name of a Job that publishes."""
    return f"{owner}-publish-{revision[:8]}" + (f"-r{round_}" if round_ else "")


def _error(pods: Iterable[PodView], job: JobView) -> str | None:
    told = [(pod.name, pod.failure_message) for pod in pods if pod.job == job.name and pod.failure_message]
    return max(told)[1] if told else None
