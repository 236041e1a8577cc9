"""What to do next about an experiment: a pure function of what is observed.

    runs without result ── no Job of this revision ──> create it (when no other Job or pod of ours is left)
            │              Job of another revision ──> suspend it, wait until nothing runs, delete it
            │              Job at work             ──> keep its parallelism and suspend as in the spec
            │              Job ended               ──> failed runs stay failed; completed ones without result again
            ▼
    nothing left to run ── report not current ──> report Job ──> done

`decide` is a fixpoint (its actions done, it asks for no other until the world moves) and does not depend on the order
of what is observed. Kubernetes' rules behind it: at most one live Job, template immutable, deletion only when nothing
is active or terminating, so that two pods never do the same run.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from finetune_core.actions import Action, CreateReportJob, CreateTrainJob, DeleteJob, PatchJob
from finetune_core.canonical import short_hash
from finetune_core.observation import JobRole, JobView, Observation, PodView, RunError
from finetune_core.plan import ExecutionLimits, JobPlan, job_plan
from finetune_core.report import report_digest
from finetune_core.status import Reason

MAX_ROUNDS = 3
"""How often completed indexes without a result are planned again before they count as failed."""

ATTEMPT_ALLOWANCE = 50
"""Attempts of a run beyond its retries (evictions, suspensions) before the trainer gives it up."""


@dataclass(frozen=True)
class Decision:
    """What to do, and what to say: the reason and message of the `Succeeded` condition.

    `failed` holds the runs that will not be tried again, with why; `current` is the Job that does the runs.
    """

    reason: Reason
    message: str
    actions: tuple[Action, ...] = ()
    failed: Mapping[str, RunError] = field(default_factory=dict)
    current: JobView | None = None
    done: bool = False


def decide(seen: Observation) -> Decision:
    """The next actions and the phase of an experiment whose spec is valid and whose inputs are resolved."""
    current = _current(seen)
    others = tuple(job for job in seen.of_role(JobRole.TRAIN) if job is not current)
    if not seen.pending:
        return _after_runs(seen, current, others, {})
    if any(not job.finished or job.deleting for job in others):
        return _retire(others, current)
    if current is None:
        return _create(seen, others, round_=0, runs=seen.pending)
    if not current.finished:
        return _at_work(seen, current, others)
    return _ended(seen, current, others)


def job_name(experiment: str, revision: str, round_: int) -> str:
    """Name of a training Job; at most 53 characters for an experiment name of 40."""
    return f"{experiment}-{revision[:8]}" + (f"-r{round_}" if round_ else "")


def report_job_name(experiment: str, revision: str) -> str:
    """Name of a report Job."""
    return f"{experiment}-report-{revision[:8]}"


def _current(seen: Observation) -> JobView | None:
    mine = [
        job for job in seen.of_role(JobRole.TRAIN) if job.revision == seen.revision and job.owned and not job.deleting
    ]
    return max(mine, key=lambda job: job.round, default=None)


def _retire(others: tuple[JobView, ...], current: JobView | None) -> Decision:
    actions = tuple(action for job in others for action in _retire_job(job))
    names = ", ".join(job.name for job in others)
    message = f"Waiting until the pods of {names} have saved their state and ended; finished runs are kept."
    return Decision(Reason.REPLACING_JOB, message, actions, current=current)


def _retire_job(job: JobView) -> tuple[Action, ...]:
    if job.deleting:
        return ()
    if job.finished or job.queued or (job.suspended and job.active == 0 and job.terminating == 0):
        return (DeleteJob(job.name, job.plan),)
    return () if job.suspended else (PatchJob(job.name, suspend=True),)


def _create(seen: Observation, others: tuple[JobView, ...], *, round_: int, runs: frozenset[str]) -> Decision:
    alive = sorted(pod.name for pod in seen.pods if pod.role == JobRole.TRAIN and not pod.ended)
    if alive:
        message = f"Waiting for pods of an earlier Job to end: {', '.join(alive[:3])}"
        return Decision(Reason.REPLACING_JOB, message)
    execution = seen.execution
    action = CreateTrainJob(
        name=job_name(seen.plan.experiment, seen.revision, round_),
        revision=seen.revision,
        round=round_,
        job_plan=plan_job(seen, runs),
        parallelism=execution.parallelism,
        suspend=execution.suspend or execution.queue_name is not None,
    )
    reason = Reason.SUSPENDED if execution.suspend else Reason.PENDING
    message = f"Starting {len(runs)} runs in Job {action.name}."
    return Decision(reason, message, (action, *(DeleteJob(job.name, job.plan) for job in others)))


def plan_job(seen: Observation, runs: frozenset[str]) -> JobPlan:
    """The Job plan for some of the runs, with the limits of the spec."""
    execution = seen.execution
    limits = ExecutionLimits(
        run_timeout_seconds=execution.run_timeout_seconds,
        checkpoint_interval_seconds=execution.checkpoint_interval_seconds,
        max_attempts=execution.retries + ATTEMPT_ALLOWANCE,
    )
    return job_plan(seen.plan, runs, runs_per_pod=execution.runs_per_pod, limits=limits)


def _at_work(seen: Observation, current: JobView, others: tuple[JobView, ...]) -> Decision:
    execution = seen.execution
    parallelism = execution.parallelism if current.parallelism != execution.parallelism else None
    # Kueue decides about suspend where there is a queue: writing it back would fight with it.
    suspend = execution.suspend if current.suspended != execution.suspend and not current.queued else None
    actions: tuple[Action, ...] = tuple(DeleteJob(job.name, job.plan) for job in others)
    if parallelism is not None or suspend is not None:
        actions = (PatchJob(current.name, parallelism, suspend), *actions)
    failed = _failed_runs(seen, current)
    reason, message = _working_phase(seen, current, len(failed))
    return Decision(reason, message, actions, failed, current)


def _working_phase(seen: Observation, current: JobView, failed: int) -> tuple[Reason, str]:
    ended = len(seen.plan.runs) - len(seen.pending) + failed
    counted = f"{ended} of {len(seen.plan.runs)} runs ended, {current.active} pods at work"
    if seen.execution.suspend:
        return Reason.SUSPENDED, f"{counted}. Set execution.suspend: false to go on."
    if current.suspended and current.queued:
        return Reason.QUEUED, f"{counted}. Waiting for queue {seen.execution.queue_name} to admit the Job."
    if seen.execution.parallelism == 0:
        return Reason.SUSPENDED, f"{counted}. execution.parallelism is 0: raise it to go on."
    blocked = _blocked(seen, current)
    if blocked is None:
        return Reason.RUNNING, f"{counted}."
    problem = f"Pod {blocked.name} cannot start: {blocked.blocked}: {blocked.blocked_message}"
    return (Reason.RUNNING if current.ready else Reason.BLOCKED), f"{counted}. {problem}"


def _blocked(seen: Observation, job: JobView) -> PodView | None:
    stuck = (pod for pod in seen.pods if pod.job == job.name and pod.blocked and not pod.ended)
    return min(stuck, key=lambda pod: pod.name, default=None)


def _failed_runs(seen: Observation, job: JobView) -> dict[str, RunError]:
    """Runs without result that this Job will not try again."""
    failed = {}
    for run_id in sorted(seen.pending):
        index = job.index_of(run_id)
        if index is None or index in job.failed:
            failed[run_id] = _why(seen, job, run_id, index)
    return failed


def _why(seen: Observation, job: JobView, run_id: str, index: int | None) -> RunError:
    if run_id in seen.errors:
        return seen.errors[run_id]
    of_index = [pod for pod in seen.pods if pod.job == job.name and pod.index == index and pod.failure_reason]
    own = [pod for pod in of_index if pod.failed_run in (run_id, None)]
    last = max(own or of_index, key=lambda pod: pod.name, default=None)
    if last is not None:
        return RunError(last.failure_reason or "", last.failure_message)
    return RunError("Unknown", "The run failed and left no reason; see the logs of its pods.")


def _ended(seen: Observation, current: JobView, others: tuple[JobView, ...]) -> Decision:
    lost = frozenset(
        run_id for run_id in seen.pending if current.index_of(run_id) in current.completed - current.failed
    )
    if lost and current.round < MAX_ROUNDS:
        return _create(seen, (*others, current), round_=current.round + 1, runs=lost)
    failed = _failed_runs(seen, current)
    for run_id in seen.pending - failed.keys():
        why = (
            f"Job {current.name} ended without it: {current.failed_for}"
            if run_id not in lost
            else (f"The pod ended well but left no result.json, {MAX_ROUNDS + 1} times; see its logs.")
        )
        failed[run_id] = seen.errors.get(run_id, RunError("ResultMissing", why))
    return _after_runs(seen, current, others, failed)


def _after_runs(
    seen: Observation, current: JobView | None, others: tuple[JobView, ...], failed: dict[str, RunError]
) -> Decision:
    cleanup = tuple(action for job in others for action in _retire_job(job))
    if current is not None and not current.finished:
        # Every result is there; the Job controller has only not counted the last pod yet.
        suspend = PatchJob(current.name, suspend=False) if current.suspended and not current.queued else None
        actions = (*cleanup, suspend) if suspend else cleanup
        return Decision(
            Reason.RUNNING, "All runs have a result; waiting for the last pod to end.", actions, failed, current
        )
    digest = report_digest(seen.plan, seen.outcomes.values(), failed)
    if seen.report is not None and seen.report.digest == digest:
        reason, message = _verdict(seen, failed)
        return Decision(reason, message, (*cleanup, *_stale_reports(seen, None)), failed, current, done=not cleanup)
    return _report(seen, digest, cleanup, failed, current)


def _report(
    seen: Observation, digest: str, cleanup: tuple[Action, ...], failed: dict[str, RunError], current: JobView | None
) -> Decision:
    revision = short_hash([digest, seen.template, seen.execution.retry_token])
    stale = _stale_reports(seen, revision)
    job = next((job for job in seen.of_role(JobRole.REPORT) if job.revision == revision and job.owned), None)
    if job is None and any(not other.finished for other in seen.of_role(JobRole.REPORT)):
        # One writer at a time: the new report starts when the old one is gone.
        return Decision(Reason.REPORTING, "Waiting for an earlier report to end.", (*cleanup, *stale), failed, current)
    if job is None:
        create = CreateReportJob(
            report_job_name(seen.plan.experiment, revision), revision, digest, tuple(sorted(failed))
        )
        return Decision(
            Reason.REPORTING, "Writing tables and best predictions.", (*cleanup, *stale, create), failed, current
        )
    if not job.finished or job.deleting:
        blocked = _blocked(seen, job)
        problem = f" Pod {blocked.name} cannot start: {blocked.blocked}: {blocked.blocked_message}" if blocked else ""
        return Decision(
            Reason.REPORTING, f"Writing tables and best predictions.{problem}", (*cleanup, *stale), failed, current
        )
    why = job.failed_for or "it ended well, but results.json is not the one it should have written"
    message = f"Report Job {job.name} failed: {_report_error(seen, job) or why}. Set execution.retryToken to try again."
    return Decision(Reason.REPORT_FAILED, message, (*cleanup, *stale), failed, current, done=not cleanup)


def _report_error(seen: Observation, job: JobView) -> str | None:
    messages = sorted(
        (pod.name, pod.failure_message) for pod in seen.pods if pod.job == job.name and pod.failure_message
    )
    return messages[-1][1] if messages else None


def _stale_reports(seen: Observation, revision: str | None) -> tuple[Action, ...]:
    reports = seen.of_role(JobRole.REPORT)
    return tuple(
        DeleteJob(job.name, job.plan)
        for job in reports
        if not job.deleting and (not job.owned or (revision is not None and job.revision != revision))
    )


def _verdict(seen: Observation, failed: Mapping[str, RunError]) -> tuple[Reason, str]:
    total = len(seen.plan.runs)
    with_best = {outcome.task for outcome in seen.outcomes.values() if outcome.value is not None}
    lacking = ", ".join(task for task in seen.plan.task_names if task not in with_best)
    if lacking:
        message = f"No best run for {lacking}; {len(failed)} of {total} runs failed. See status.failures."
        return Reason.TASK_FAILED, message
    if failed:
        message = f"{len(failed)} of {total} runs failed; every task has a best run. See status.failures."
        return Reason.SOME_RUNS_FAILED, message
    return Reason.ALL_RUNS_SUCCEEDED, f"All {total} runs succeeded."
