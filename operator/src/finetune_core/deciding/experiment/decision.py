"""What to do next about an experiment: a pure function of what is observed.

    runs without result ──> their jobs (see `job_sequence.py`) ──> nothing left to run ──> report ──> publish ──> done
            ▲                                                              │
            └─────────── more runs, where a task has not enough ───────────┘

`decide` is a fixpoint (its actions done, it asks for no other until the world moves) and does not depend on the order
of what is observed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from finetune_core.api import Execution
from finetune_core.api.status import Reason
from finetune_core.deciding import holding
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
from finetune_core.deciding.reporting import Reporting, ReportStep, report_step
from finetune_core.deciding.stalls import told
from finetune_core.planning.cost import Rates
from finetune_core.planning.plan import ExecutionLimits, JobPlan
from finetune_core.planning.pods import job_plan, plan_pods
from finetune_core.publishing.orders import wanted as wanted_models
from finetune_core.publishing.step import Publishing, PublishState, publish_state
from finetune_core.seeds.growth import more_runs

ATTEMPT_ALLOWANCE = 50
"""Attempts of a run beyond its retries (evictions, suspensions) before the trainer gives it up."""


@dataclass(frozen=True)
class Decision:
    """What to do, and what to say: the reason and message of the `Succeeded` condition.

    `failed` holds the runs that will not be tried again, with why; `current` is the Job that does the runs. `added`
    says how many runs tasks are to have in the plan that is in force from now on, where these are more than today.
    `publishing`: where the spec's `publish` is, once the report is of these results; None before.
    """

    reason: Reason
    message: str
    actions: tuple[Action, ...] = ()
    failed: Mapping[str, FailureCause] = field(default_factory=dict)
    current: JobView | None = None
    done: bool = False
    added: Mapping[str, int] = field(default_factory=dict)
    publishing: PublishState | None = None


def decide(seen: Observation) -> Decision:
    """The next actions and the phase of an experiment whose spec is valid and whose inputs are resolved."""
    return holding.marked(_decide(seen), seen.plan.experiment, seen.overspent, held=seen.limits.held)


def _decide(seen: Observation) -> Decision:
    state = advance(_sequence(seen))
    obsolete = end_resolvers(seen.of_role(JobRole.RESOLVE))
    if not state.idle:
        names = {run.run_id: f"{run.task} run {run.run}" for run in seen.plan.runs}
        reason, message, ends = told(seen.stalls, seen.execution, names.__getitem__, state.reason, state.message)
        reason, message = holding.told(seen.overspent, reason, message)
        # A report before the last run has ended is a report of less than there will be.
        early = delete_jobs((*seen.of_role(JobRole.REPORT), *seen.of_role(JobRole.PUBLISH)))
        actions = (*obsolete, *early, *state.actions, *ends)
        return Decision(reason, message, actions, state.failed, state.current)
    state = replace(state, actions=(*obsolete, *state.actions))
    wanted = more_runs(seen.plan, seen.outcomes, state.failed)
    if wanted and not seen.spent_up:
        # Only now, so that adding runs interrupts none: another plan is another Job.
        return Decision(Reason.RUNNING, _adding(wanted), state.actions, state.failed, state.current, added=wanted)
    return _after_runs(seen, state, wanted)


def _adding(wanted: Mapping[str, int]) -> str:
    told = ", ".join(f"{task} is to have {runs}" for task, runs in wanted.items())
    return f"All runs have ended, and some means are not as sure as runsUntil asks: {told} runs. See status.tasks."


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
    execution, limits = seen.execution, execution_limits(seen.execution)
    if seen.executor.driven:
        return job_plan(seen.plan, runs, runs_per_pod=1, limits=limits)
    tasks, done = seen.plan.tasks, seen.outcomes.values()
    rates = Rates.of((tasks[one.task], one.train_seconds) for one in done if one.train_seconds)
    return plan_pods(seen.plan, runs, execution, limits=limits, rates=rates)


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
        hold=seen.overspent is not None,
        held=seen.limits.held,
    )


def _after_runs(seen: Observation, state: SequenceState, wanted: Mapping[str, int]) -> Decision:
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
            stall=seen.stalled_report,
            stall_timeout=seen.execution.stall_timeout_seconds,
        )
    )
    if not step.current:
        # What has begun would publish what is not reported any more.
        early = delete_jobs(job for job in seen.of_role(JobRole.PUBLISH) if not job.finished)
        actions = (*state.actions, *early, *step.actions)
        done = step.done and not state.actions and not early
        return Decision(step.reason, step.message, actions, state.failed, state.current, done)
    return _after_report(seen, state, step, *_verdict(seen, state.failed, wanted))


def _after_report(seen: Observation, state: SequenceState, step: ReportStep, reason: Reason, message: str) -> Decision:
    """The end, or what is still to be published: a spec without `publish` has no Jobs left that do, or they go."""
    there = publish_state(
        Publishing(
            owner=seen.plan.experiment,
            wanted=wanted_models(seen.publish, seen.plan, seen.outcomes),
            records=seen.published,
            report=seen.report.digest if seen.report else "",
            template=seen.template,
            retry_token=seen.execution.retry_token,
            suspended=seen.execution.suspend,
            jobs=seen.of_role(JobRole.PUBLISH),
            pods=seen.pods,
            stall=seen.stalled_report,
            stall_timeout=seen.execution.stall_timeout_seconds,
        )
    )
    if not there.done:
        reason, message = there.reason, f"{message} {there.message}"
    return Decision(
        reason,
        message,
        actions=(*state.actions, *step.actions, *there.actions),
        failed=state.failed,
        current=state.current,
        done=step.done and not state.actions and there.done,
        publishing=there,
    )


def _verdict(seen: Observation, failed: Mapping[str, FailureCause], wanted: Mapping[str, int]) -> tuple[Reason, str]:
    total = len(seen.plan.runs)
    if seen.overspent and (left := seen.pending - failed.keys()):
        message = f"{seen.overspent} {len(left)} of {total} runs have no result. Raise it to go on."
        return Reason.BUDGET_SPENT, message
    if wanted:
        message = f"{seen.spent_up} runsUntil asks for more runs of {', '.join(wanted)}. Raise it to go on."
        return Reason.BUDGET_SPENT, message
    with_best = {outcome.task for outcome in seen.outcomes.values() if outcome.value is not None}
    lacking = ", ".join(task for task in seen.plan.task_names if task not in with_best)
    if lacking:
        message = f"No best run for {lacking}; {len(failed)} of {total} runs failed. See status.failures."
        return Reason.TASK_FAILED, message
    if failed:
        message = f"{len(failed)} of {total} runs failed; every task has a best run. See status.failures."
        return Reason.SOME_RUNS_FAILED, message
    return Reason.ALL_RUNS_SUCCEEDED, f"All {total} runs succeeded."
