"""One sequence of Jobs (or objects of another executor) that does units of work: at most one of them lives at a time.

    units pending ── no Job of this revision ──> create it (when no other Job or pod of the sequence is left)
          │          Job of another revision ──> suspend it, wait until nothing runs, delete it
          │          Job at work             ──> keep its parallelism and suspend as in the spec
          │          Job ended               ──> failed units stay failed; those it lost are done again
          ▼
    nothing left to do ── wait for the last pod ──> idle

An experiment is one sequence whose units are runs; a search has one, or with drivers one a cluster, whose units are
tasks. Kubernetes' rules behind it: templates are immutable, and a Job is deleted only when nothing of it is active or
terminating, so that two pods never do the same work.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

from finetune_core.api import Execution
from finetune_core.api.status import Reason
from finetune_core.deciding.actions import Action, CreateTrainJob, DeleteJob, PatchJob
from finetune_core.deciding.executor import ExecutorTraits
from finetune_core.deciding.job_names import job_name
from finetune_core.deciding.observation import FailureCause, JobView, PodView
from finetune_core.deciding.pods_in_words import TRIED_AGAIN, blocked_pod, pods_in_words, waits_its_turn, without_store
from finetune_core.planning.plan import JobPlan
from finetune_core.planning.search.plan import SearchJobPlan

MAX_ROUNDS = 3
"""How often work that a Job lost is planned again before it counts as failed."""


@dataclass(frozen=True)
class JobSequence:
    """What a sequence has to do and what there is of it; `jobs` and `pods` are only its own, of role train.

    `name` is what Jobs' names begin with; `noun` is what a unit is called in messages; `errors` tell why units failed;
    `ident` tells the sequences of a search apart. `is_current` says whether a Job is of `revision`, or of one that an
    earlier release would give what is asked for today. `given_up` are units that failed for good in a Job of this
    revision that is gone. `hold`: nothing new is to begin; `held`: pods were told so, and left units undone for it.
    """

    name: str
    revision: str
    units: tuple[str, ...]
    pending: frozenset[str]
    jobs: tuple[JobView, ...]
    pods: tuple[PodView, ...]
    errors: Mapping[str, FailureCause]
    execution: Execution
    make_plan: Callable[[frozenset[str]], JobPlan | SearchJobPlan]
    executor: ExecutorTraits
    is_current: Callable[[JobView], bool]
    given_up: Mapping[str, FailureCause] = field(default_factory=dict)
    ident: str = ""
    noun: str = "runs"
    hold: bool = False
    held: bool = False

    @property
    def max_rounds(self) -> int:
        """An object that is lost as a whole is begun anew more often than one that retries units by itself."""
        return MAX_ROUNDS if self.executor.retries_units else MAX_ROUNDS + self.execution.retries


@dataclass(frozen=True)
class SequenceState:
    """What to do, and what to say. `failed` are units that will not be tried again, with why.

    `idle`: nothing is left to do and nothing of it runs.
    """

    reason: Reason
    message: str
    actions: tuple[Action, ...] = ()
    failed: Mapping[str, FailureCause] = field(default_factory=dict)
    current: JobView | None = None
    idle: bool = False


def advance(sequence: JobSequence) -> SequenceState:
    """The next actions of a sequence: a fixpoint once they are done, independent of the order of what is observed."""
    current = _current(sequence)
    others = tuple(sorted((job for job in sequence.jobs if job is not current), key=lambda job: job.name))
    if not sequence.pending:
        return _after_work(sequence, current, others, {})
    if any(not job.finished or job.deleting for job in others):
        return _retire(others, current)
    if current is None:
        return _begin(sequence, others)
    if not current.finished and sequence.hold and _only_waits(sequence, current):
        failed, message = _failed_units(sequence, current), f"{current.kind} {current.name} is taken back."
        return SequenceState(Reason.RUNNING, message, (*retire_job(current), *delete_jobs(others)), failed, current)
    if not current.finished:
        return _made_anew(sequence, current, others) or _at_work(sequence, current, others)
    return _ended(sequence, current, others)


def without_job(sequences: Iterable[JobSequence]) -> dict[str, str]:
    """Units to do of sequences that have no Job of their revision, not even one that goes; with that revision."""
    waiting = (one for one in sequences if not any(one.is_current(job) for job in one.jobs))
    return {unit: sequence.revision for sequence in waiting for unit in sequence.pending}


def retire_job(job: JobView) -> tuple[Action, ...]:
    """The next step of getting rid of a Job without cutting off its pods."""
    if job.deleting or not job.owned:
        return ()
    if job.finished or job.queued or (job.suspended and job.active == 0 and job.terminating == 0):
        return (DeleteJob.of(job),)
    return () if job.suspended else (PatchJob(job.name, suspend=True, kind=job.kind, uid=job.uid),)


def delete_jobs(jobs: Iterable[JobView]) -> tuple[DeleteJob, ...]:
    """The deletion of all that are ours to delete: Kubernetes deletes those of an earlier owner."""
    return tuple(DeleteJob.of(job) for job in jobs if job.owned and not job.deleting)


def end_resolvers(jobs: Iterable[JobView]) -> tuple[Action, ...]:
    """Delete Jobs that still look at inputs: these are resolved by now, so they look for nobody."""
    return delete_jobs(job for job in jobs if not job.finished)


def _current(sequence: JobSequence) -> JobView | None:
    mine = [
        job
        for job in sequence.jobs
        if sequence.is_current(job) and job.kind == sequence.executor.kind and job.owned and not job.deleting
    ]
    return max(mine, key=lambda job: job.round, default=None)


def _retire(others: tuple[JobView, ...], current: JobView | None) -> SequenceState:
    actions = tuple(action for job in others for action in retire_job(job))
    names = ", ".join(job.name for job in others)
    message = f"Waiting until the pods of {names} have saved their state and ended; what is finished is kept."
    return SequenceState(Reason.REPLACING_JOB, message, actions, current=current)


def _begin(sequence: JobSequence, others: tuple[JobView, ...]) -> SequenceState:
    failed = {unit: why for unit, why in sequence.given_up.items() if unit in sequence.pending}
    left = sequence.pending - failed.keys()
    alive = any(not pod.ended for pod in sequence.pods)
    if not left or (sequence.hold and not alive):
        return _after_work(sequence, None, others, failed)
    return replace(_create(sequence, others, round_=0, units=left), failed=failed)


def _only_waits(sequence: JobSequence, current: JobView) -> bool:
    """Whether a Job has no pod that runs, or will by itself."""
    if current.ready or current.terminating:
        return False
    return not current.active or blocked_pod(sequence.pods, current.name) is not None


def _create(sequence: JobSequence, others: tuple[JobView, ...], *, round_: int, units: frozenset[str]) -> SequenceState:
    execution = sequence.execution
    if execution.suspend and execution.queue_name:
        return SequenceState(Reason.SUSPENDED, "It stays out of its queue. Set execution.suspend: false to go on.")
    alive = sorted(pod.name for pod in sequence.pods if not pod.ended)
    if alive:
        return SequenceState(Reason.REPLACING_JOB, f"Waiting for pods of an earlier Job to end: {', '.join(alive[:3])}")
    action = CreateTrainJob(
        name=job_name(sequence.name, sequence.revision, round_, sequence.executor),
        revision=sequence.revision,
        round=round_,
        job_plan=sequence.make_plan(units),
        parallelism=execution.parallelism,
        suspend=execution.suspend or execution.queue_name is not None,
        kind=sequence.executor.kind,
        sequence=sequence.ident,
    )
    reason = Reason.SUSPENDED if execution.suspend else Reason.PENDING
    message = f"Starting {len(units)} {sequence.noun} in {sequence.executor.kind} {action.name}."
    return SequenceState(reason, message, (action, *delete_jobs(others)))


def _made_anew(sequence: JobSequence, current: JobView, others: tuple[JobView, ...]) -> SequenceState | None:
    """Nothing of it runs, and the operator's settings have changed since: they may be what kept its pods from starting.

    What runs is never interrupted for these settings.
    """
    blocked = blocked_pod(sequence.pods, current.name)
    if blocked is None or not current.outdated or current.ready or current.suspended:
        return None
    message = f"{current.kind} {current.name} is made anew with the operator's settings of today: {_stuck(blocked)}"
    return SequenceState(Reason.REPLACING_JOB, message, delete_jobs((current, *others)), current=current)


def _stuck(pod: PodView) -> str:
    return f"pod {pod.name} cannot start: {pod.blocked}: {pod.blocked_message}"


def _at_work(sequence: JobSequence, current: JobView, others: tuple[JobView, ...]) -> SequenceState:
    execution, failed = sequence.execution, _failed_units(sequence, current)
    if execution.suspend and execution.queue_name and current.queued:
        message = f"It leaves queue {current.queue}; what is finished is kept."
        return SequenceState(Reason.SUSPENDED, message, delete_jobs((current, *others)), failed, current)
    resizable = sequence.executor.resizable and current.parallelism != execution.parallelism
    # Kueue decides about suspend where there is a queue: writing it back would fight with it.
    suspend = execution.suspend if current.suspended != execution.suspend and not current.queued else None
    actions: tuple[Action, ...] = delete_jobs(others)
    if resizable or suspend is not None:
        parallelism = execution.parallelism if resizable else None
        actions = (PatchJob(current.name, parallelism, suspend, current.kind, current.uid), *actions)
    reason, message = _working_phase(sequence, current, len(failed))
    return SequenceState(reason, message, actions, failed, current)


def _working_phase(sequence: JobSequence, current: JobView, failed: int) -> tuple[Reason, str]:
    ended = len(sequence.units) - len(sequence.pending) + failed
    blocked = blocked_pod(sequence.pods, current.name)
    pods = pods_in_words(current, blocked)
    counted = f"{ended} of {len(sequence.units)} {sequence.noun} ended; pods: {pods}"
    if sequence.execution.suspend and current.queued:
        counted += f". execution.suspend does nothing in {current.queue}, the namespace's default queue"
    elif sequence.execution.suspend:
        return Reason.SUSPENDED, f"{counted}. Set execution.suspend: false to go on."
    if current.suspended and current.queued:
        return Reason.QUEUED, f"{counted}. Waiting for queue {current.queue} to admit the {current.kind}."
    if sequence.execution.parallelism == 0:
        return Reason.SUSPENDED, f"{counted}. execution.parallelism is 0: raise it to go on."
    away = None if current.active else without_store(sequence.pods, current.name)
    if blocked is None and away is not None:
        return Reason.STORAGE_UNAVAILABLE, f"{counted}. {away} {TRIED_AGAIN}"
    if blocked is None or waits_its_turn(current, blocked):
        return Reason.RUNNING, f"{counted}."
    return (Reason.RUNNING if current.ready else Reason.BLOCKED), f"{counted}. {blocked.why_blocked}"


def _failed_units(sequence: JobSequence, job: JobView) -> dict[str, FailureCause]:
    """Pending units that this Job will not try again."""
    failed = {}
    for unit in sorted(sequence.pending):
        index = job.index_of(unit)
        if index is None or index in job.failed:
            failed[unit] = _why(sequence, job, unit, index)
    return failed


def _why(sequence: JobSequence, job: JobView, unit: str, index: int | None) -> FailureCause:
    if unit in sequence.errors:
        return sequence.errors[unit]
    of_index = [pod for pod in sequence.pods if pod.job == job.name and pod.index == index and pod.failure_reason]
    own = [pod for pod in of_index if pod.failed_run in (unit, None)]
    last = max(own or of_index, key=lambda pod: pod.name, default=None)
    if last is not None:
        return FailureCause(last.failure_reason or "", last.failure_message)
    return FailureCause("Unknown", "It failed and left no reason; see the logs of its pods.")


def _ended(sequence: JobSequence, current: JobView, others: tuple[JobView, ...]) -> SequenceState:
    lost = _lost_units(sequence, current)
    if lost and not sequence.hold and (sequence.held or current.round < sequence.max_rounds):
        return _create(sequence, (*others, current), round_=current.round + 1, units=lost)
    failed = _failed_units(sequence, current)
    for unit in () if sequence.hold else sequence.pending - failed.keys():
        why = (
            f"{current.kind} {current.name} ended without it: {current.failed_for}"
            if current.failed_for
            else f"The pod ended well but left no result, {sequence.max_rounds + 1} times; see its logs."
        )
        failed[unit] = sequence.errors.get(unit, FailureCause("ResultMissing", why))
    return _after_work(sequence, current, others, failed)


def _lost_units(sequence: JobSequence, current: JobView) -> frozenset[str]:
    """Pending units that are worth another round.

    Where it retries units by itself, those that it counts as completed. Otherwise all that it has not given up: a
    lost head of a Ray cluster, say, takes everything in flight with it.
    """
    if sequence.executor.retries_units:
        return frozenset(
            unit for unit in sequence.pending if current.index_of(unit) in current.completed - current.failed
        )
    return frozenset(unit for unit in sequence.pending if current.index_of(unit) not in current.failed | {None})


def _after_work(
    sequence: JobSequence, current: JobView | None, others: tuple[JobView, ...], failed: dict[str, FailureCause]
) -> SequenceState:
    if any(not job.finished for job in others):
        # Nothing has ended while a Job of another revision may still work, or waits for ever.
        return replace(_retire(others, current), failed=failed)
    cleanup = tuple(action for job in others for action in retire_job(job))
    if current is None or current.finished:
        return SequenceState(Reason.RUNNING, "All ended.", cleanup, failed, current, idle=True)
    # The Job controller has only not counted the last pod yet; a queue might not admit that for long.
    resumed = PatchJob(current.name, suspend=False, kind=current.kind, uid=current.uid)
    actions = (*cleanup, DeleteJob.of(current) if current.queued else resumed) if current.suspended else cleanup
    message = "Every result is there; waiting for the last pod to end."
    blocked = blocked_pod(sequence.pods, current.name)
    if blocked is None:
        return SequenceState(Reason.RUNNING, message, actions, failed, current)
    return SequenceState(Reason.BLOCKED, f"{message} {blocked.why_blocked}", actions, failed, current)
