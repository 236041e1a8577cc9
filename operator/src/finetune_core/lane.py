"""One sequence of Jobs (or RayJobs) that does units of work: at most one of them lives at a time.

    units pending ── no Job of this revision ──> create it (when no other Job or pod of the lane is left)
          │          Job of another revision ──> suspend it, wait until nothing runs, delete it
          │          Job at work             ──> keep its parallelism and suspend as in the spec
          │          Job ended               ──> failed units stay failed; those it lost are done again
          ▼
    nothing left to do ── wait for the last pod ──> idle

An experiment is one lane whose units are runs; a search has one (Jobs) or one a cluster (RayCluster), whose units are
tasks. Kubernetes' rules behind it: templates are immutable, and a Job is deleted only when nothing of it is active or
terminating, so that two pods never do the same work.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from finetune_core.actions import Action, CreateTrainJob, DeleteJob, PatchJob
from finetune_core.canonical import short_hash
from finetune_core.observation import JobView, PodView, RunError, WorkKind
from finetune_core.plan import JobPlan
from finetune_core.search.plan import SearchJobPlan
from finetune_core.spec import Execution
from finetune_core.status import Reason

MAX_ROUNDS = 3
"""How often work that a Job lost is planned again before it counts as failed."""

MAX_RAY_JOB_NAME = 47
"""KubeRay appends to a RayJob's name (https://github.com/ray-project/kuberay, ValidateRayJobMetadata)."""


@dataclass(frozen=True)
class Lane:
    """What a lane has to do and what there is of it; `jobs` and `pods` are only its own, of role train.

    `name` is what Jobs' names begin with; `noun` is what a unit is called in messages; `errors` tell why units failed.
    """

    name: str
    revision: str
    units: tuple[str, ...]
    pending: frozenset[str]
    jobs: tuple[JobView, ...]
    pods: tuple[PodView, ...]
    errors: Mapping[str, RunError]
    execution: Execution
    make_plan: Callable[[frozenset[str]], JobPlan | SearchJobPlan]
    kind: WorkKind = WorkKind.JOB
    lane: str = ""
    noun: str = "runs"

    @property
    def max_rounds(self) -> int:
        """A RayJob is lost as a whole with its head, so it is begun anew more often than a Job."""
        return MAX_ROUNDS if self.kind == WorkKind.JOB else MAX_ROUNDS + self.execution.retries


@dataclass(frozen=True)
class LaneState:
    """What to do, and what to say. `failed` are units that will not be tried again, with why.

    `idle`: nothing is left to do and nothing of it runs.
    """

    reason: Reason
    message: str
    actions: tuple[Action, ...] = ()
    failed: Mapping[str, RunError] = field(default_factory=dict)
    current: JobView | None = None
    idle: bool = False


def advance(lane: Lane) -> LaneState:
    """The next actions of a lane: a fixpoint once they are done, independent of the order of what is observed."""
    current = _current(lane)
    others = tuple(sorted((job for job in lane.jobs if job is not current), key=lambda job: job.name))
    if not lane.pending:
        return _after_work(current, others, {})
    if any(not job.finished or job.deleting for job in others):
        return _retire(others, current)
    if current is None:
        return _create(lane, others, round_=0, units=lane.pending)
    if not current.finished:
        return _at_work(lane, current, others)
    return _ended(lane, current, others)


def job_name(prefix: str, revision: str, round_: int, kind: WorkKind = WorkKind.JOB) -> str:
    """Name of a Job (at most 53 characters for a prefix of 40) or RayJob (at most 47, beginning with a letter)."""
    ending = f"-{revision[:8]}" + (f"-r{round_}" if round_ else "")
    if kind == WorkKind.RAY_JOB:
        prefix = _ray_label(prefix, MAX_RAY_JOB_NAME - len(ending))
    return prefix + ending


def _ray_label(text: str, room: int) -> str:
    """A DNS-1035 label, which KubeRay asks for; the hash tells apart what was cut or replaced."""
    label = re.sub("[^a-z0-9-]", "-", text)
    label = label if label[0].isalpha() else f"x-{label}"
    if label == text and len(text) <= room:
        return text
    return f"{label[: room - 7].rstrip('-')}-{short_hash(text, 6)}"


def blocked_pod(pods: tuple[PodView, ...], job: str) -> PodView | None:
    """A pod of the Job that cannot start, the first by name."""
    stuck = (pod for pod in pods if pod.job == job and pod.blocked and not pod.ended)
    return min(stuck, key=lambda pod: pod.name, default=None)


def retire_job(job: JobView) -> tuple[Action, ...]:
    """The next step of getting rid of a Job without cutting off its pods."""
    if job.deleting or not job.owned:
        return ()
    if job.finished or job.queued or (job.suspended and job.active == 0 and job.terminating == 0):
        return (DeleteJob.of(job),)
    return () if job.suspended else (PatchJob(job.name, suspend=True, kind=job.kind, uid=job.uid),)


def delete_jobs(jobs: Iterable[JobView]) -> tuple[DeleteJob, ...]:
    """The deletion of all that are ours to delete: Kubernetes deletes those of an earlier owner."""
    return tuple(DeleteJob.of(job) for job in jobs if job.owned)


def _current(lane: Lane) -> JobView | None:
    mine = [
        job
        for job in lane.jobs
        if job.revision == lane.revision and job.kind == lane.kind and job.owned and not job.deleting
    ]
    return max(mine, key=lambda job: job.round, default=None)


def _retire(others: tuple[JobView, ...], current: JobView | None) -> LaneState:
    actions = tuple(action for job in others for action in retire_job(job))
    names = ", ".join(job.name for job in others)
    message = f"Waiting until the pods of {names} have saved their state and ended; what is finished is kept."
    return LaneState(Reason.REPLACING_JOB, message, actions, current=current)


def _create(lane: Lane, others: tuple[JobView, ...], *, round_: int, units: frozenset[str]) -> LaneState:
    alive = sorted(pod.name for pod in lane.pods if not pod.ended)
    if alive:
        return LaneState(Reason.REPLACING_JOB, f"Waiting for pods of an earlier Job to end: {', '.join(alive[:3])}")
    execution = lane.execution
    action = CreateTrainJob(
        name=job_name(lane.name, lane.revision, round_, lane.kind),
        revision=lane.revision,
        round=round_,
        job_plan=lane.make_plan(units),
        parallelism=execution.parallelism,
        suspend=execution.suspend or execution.queue_name is not None,
        kind=lane.kind,
        lane=lane.lane,
    )
    reason = Reason.SUSPENDED if execution.suspend else Reason.PENDING
    message = f"Starting {len(units)} {lane.noun} in {lane.kind.value} {action.name}."
    return LaneState(reason, message, (action, *delete_jobs(others)))


def _at_work(lane: Lane, current: JobView, others: tuple[JobView, ...]) -> LaneState:
    execution = lane.execution
    # A Ray cluster's size is part of its revision: KubeRay ignores changes to a RayJob's cluster.
    resizable = lane.kind == WorkKind.JOB and current.parallelism != execution.parallelism
    # Kueue decides about suspend where there is a queue: writing it back would fight with it.
    suspend = execution.suspend if current.suspended != execution.suspend and not current.queued else None
    actions: tuple[Action, ...] = delete_jobs(others)
    if resizable or suspend is not None:
        parallelism = execution.parallelism if resizable else None
        actions = (PatchJob(current.name, parallelism, suspend, current.kind, current.uid), *actions)
    failed = _failed_units(lane, current)
    reason, message = _working_phase(lane, current, len(failed))
    return LaneState(reason, message, actions, failed, current)


def _working_phase(lane: Lane, current: JobView, failed: int) -> tuple[Reason, str]:
    ended = len(lane.units) - len(lane.pending) + failed
    pods = "1 pod" if current.active == 1 else f"{current.active} pods"
    counted = f"{ended} of {len(lane.units)} {lane.noun} ended, {pods} at work"
    if lane.execution.suspend:
        return Reason.SUSPENDED, f"{counted}. Set execution.suspend: false to go on."
    if current.suspended and current.queued:
        return Reason.QUEUED, f"{counted}. Waiting for queue {lane.execution.queue_name} to admit the Job."
    if lane.execution.parallelism == 0:
        return Reason.SUSPENDED, f"{counted}. execution.parallelism is 0: raise it to go on."
    blocked = blocked_pod(lane.pods, current.name)
    if blocked is None:
        return Reason.RUNNING, f"{counted}."
    problem = f"Pod {blocked.name} cannot start: {blocked.blocked}: {blocked.blocked_message}"
    return (Reason.RUNNING if current.ready else Reason.BLOCKED), f"{counted}. {problem}"


def _failed_units(lane: Lane, job: JobView) -> dict[str, RunError]:
    """Pending units that this Job will not try again."""
    failed = {}
    for unit in sorted(lane.pending):
        index = job.index_of(unit)
        if index is None or index in job.failed:
            failed[unit] = _why(lane, job, unit, index)
    return failed


def _why(lane: Lane, job: JobView, unit: str, index: int | None) -> RunError:
    if unit in lane.errors:
        return lane.errors[unit]
    of_index = [pod for pod in lane.pods if pod.job == job.name and pod.index == index and pod.failure_reason]
    own = [pod for pod in of_index if pod.failed_run in (unit, None)]
    last = max(own or of_index, key=lambda pod: pod.name, default=None)
    if last is not None:
        return RunError(last.failure_reason or "", last.failure_message)
    return RunError("Unknown", "It failed and left no reason; see the logs of its pods.")


def _ended(lane: Lane, current: JobView, others: tuple[JobView, ...]) -> LaneState:
    lost = _lost_units(lane, current)
    if lost and current.round < lane.max_rounds:
        return _create(lane, (*others, current), round_=current.round + 1, units=lost)
    failed = _failed_units(lane, current)
    for unit in lane.pending - failed.keys():
        why = (
            f"{current.kind.value} {current.name} ended without it: {current.failed_for}"
            if current.failed_for
            else f"The pod ended well but left no result, {lane.max_rounds + 1} times; see its logs."
        )
        failed[unit] = lane.errors.get(unit, RunError("ResultMissing", why))
    return _after_work(current, others, failed)


def _lost_units(lane: Lane, current: JobView) -> frozenset[str]:
    """Pending units that are worth another round.

    Of a Job those that it counts as completed: it retries failures by itself. Of a RayJob all that its driver has not
    given up: a lost head takes everything in flight with it.
    """
    if current.kind == WorkKind.RAY_JOB:
        return frozenset(unit for unit in lane.pending if current.index_of(unit) not in current.failed | {None})
    return frozenset(unit for unit in lane.pending if current.index_of(unit) in current.completed - current.failed)


def _after_work(current: JobView | None, others: tuple[JobView, ...], failed: dict[str, RunError]) -> LaneState:
    cleanup = tuple(action for job in others for action in retire_job(job))
    if current is None or current.finished:
        return LaneState(Reason.RUNNING, "All ended.", cleanup, failed, current, idle=True)
    # Every result is there; the Job controller has only not counted the last pod yet.
    waiting = PatchJob(current.name, suspend=False, kind=current.kind, uid=current.uid)
    actions = (*cleanup, waiting) if current.suspended and not current.queued else cleanup
    message = "Every result is there; waiting for the last pod to end."
    return LaneState(Reason.RUNNING, message, actions, failed, current)
