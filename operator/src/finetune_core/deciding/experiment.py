"""What to do next about an experiment: a pure function of what is observed.

    runs without result ──> their jobs (see `job_sequence.py`) ──> nothing left to run ──> report Job ──> done

`decide` is a fixpoint (its actions done, it asks for no other until the world moves) and does not depend on the order
of what is observed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from finetune_core.api import Execution
from finetune_core.api.status import Reason
from finetune_core.deciding.actions import Action
from finetune_core.deciding.job_sequence import (
    JobSequence,
    SequenceState,
    advance,
    delete_jobs,
    end_resolvers,
    without_job,
)
from finetune_core.deciding.observation import FailureCause, JobRole, JobView, Observation
from finetune_core.deciding.report_digest import report_digest
from finetune_core.deciding.reporting import Reporting, report_step
from finetune_core.deciding.stalls import told
from finetune_core.planning.plan import ExecutionLimits, JobPlan, job_plan

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
    failed: Mapping[str, FailureCause] = field(default_factory=dict)
    current: JobView | None = None
    done: bool = False


def decide(seen: Observation) -> Decision:
    """The next actions and the phase of an experiment whose spec is valid and whose inputs are resolved."""
    state = advance(_sequence(seen))
    obsolete = end_resolvers(seen.of_role(JobRole.RESOLVE))
    if not state.idle:
        names = {run.run_id: f"{run.task} run {run.run}" for run in seen.plan.runs}
        reason, message, ends = told(seen.stalls, seen.execution, names.__getitem__, state.reason, state.message)
        # A report before the last run has ended is a report of less than there will be.
        actions = (*obsolete, *delete_jobs(seen.of_role(JobRole.REPORT)), *state.actions, *ends)
        return Decision(reason, message, actions, state.failed, state.current)
    return _after_runs(seen, replace(state, actions=(*obsolete, *state.actions)))


def runs_without_job(seen: Observation) -> dict[str, str]:
    """Runs (ids) to do while no Job is there that does them, with the revision of the one that would."""
    return without_job([_sequence(seen)])


def execution_limits(execution: Execution) -> ExecutionLimits:
    """What the trainer must keep to."""
    return ExecutionLimits(
        run_timeout_seconds=execution.run_timeout_seconds,
        checkpoint_interval_seconds=execution.checkpoint_interval_seconds,
        max_attempts=execution.retries + ATTEMPT_ALLOWANCE,
        retries=execution.retries,
        reuse=execution.reuse,
    )


def plan_job(seen: Observation, runs: frozenset[str]) -> JobPlan:
    """The Job plan for some of the runs, with the limits of the spec; a driver gets a run an index."""
    execution = seen.execution
    per_pod = 1 if seen.executor.driven else execution.runs_per_pod
    return job_plan(seen.plan, runs, runs_per_pod=per_pod, limits=execution_limits(execution))


def _sequence(seen: Observation) -> JobSequence:
    return JobSequence(
        name=seen.plan.experiment,
        revision=seen.revision,
        is_current=lambda job: job.is_of(seen.revision_with, seen.template),
        units=tuple(run.run_id for run in seen.plan.runs),
        pending=seen.pending,
        jobs=seen.of_role(JobRole.TRAIN),
        pods=tuple(pod for pod in seen.pods if pod.role == JobRole.TRAIN),
        errors=seen.errors,
        execution=seen.execution,
        executor=seen.executor,
        given_up=seen.given_up,
        make_plan=lambda runs: plan_job(seen, runs),
    )


def _after_runs(seen: Observation, state: SequenceState) -> Decision:
    step = report_step(
        Reporting(
            owner=seen.plan.experiment,
            digest=report_digest(seen.plan, seen.outcomes.values(), state.failed),
            current=seen.report.digest if seen.report else None,
            template=seen.template,
            retry_token=seen.execution.retry_token,
            jobs=seen.of_role(JobRole.REPORT),
            pods=seen.pods,
            failed=tuple(sorted(state.failed)),
        )
    )
    actions = (*state.actions, *step.actions)
    done = step.done and not state.actions
    if step.current:
        reason, message = _verdict(seen, state.failed)
        return Decision(reason, message, actions, state.failed, state.current, done)
    return Decision(step.reason, step.message, actions, state.failed, state.current, done)


def _verdict(seen: Observation, failed: Mapping[str, FailureCause]) -> tuple[Reason, str]:
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
