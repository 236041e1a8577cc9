"""What to do next about a search: a pure function of what is observed.

    tasks without an end ──> their jobs (see `job_sequence.py`) ──> all idle ──> report Job ──> ConfigMap ──> done

An executor without drivers has one sequence, its Jobs have an index for each task and cluster. With drivers there is a
sequence a cluster, and its driver does the tasks of that cluster. Two drivers never disturb one another (claims), so no
sequence waits for others.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from finetune_core.api.status import Reason
from finetune_core.deciding import holding
from finetune_core.deciding.actions import Action, EndTask, PutHyperparameters, ReopenTask
from finetune_core.deciding.experiment.decision import execution_limits
from finetune_core.deciding.job_sequence import (
    JobSequence,
    SequenceState,
    advance,
    delete_jobs,
    end_resolvers,
    retire_job,
    without_job,
)
from finetune_core.deciding.observation import FailureCause, JobRole, JobView
from finetune_core.deciding.reporting import Reporting, report_step
from finetune_core.deciding.search.observation import SearchObservation
from finetune_core.deciding.stalls import told
from finetune_core.planning.search.plan import SearchJobPlan, unit_name
from finetune_core.results.search.hyperparameter_files import all_tasks_yaml, task_yaml
from finetune_core.results.search.trial import EndReason

ALL_TASKS_KEY = "hyperparameters.yaml"
_TOLD_FIRST = (
    Reason.BLOCKED,
    Reason.STORAGE_UNAVAILABLE,
    Reason.RUNNING,
    Reason.REPLACING_JOB,
    Reason.PENDING,
    Reason.QUEUED,
    Reason.SUSPENDED,
)


@dataclass(frozen=True)
class SearchDecision:
    """What to do, and what to say: reason and message of `Succeeded`. `failed`: units that were given up, with why."""

    reason: Reason
    message: str
    actions: tuple[Action, ...] = ()
    failed: Mapping[str, FailureCause] = field(default_factory=dict)
    current: tuple[JobView, ...] = ()
    done: bool = False


def decide_search(seen: SearchObservation) -> SearchDecision:
    """The next actions and the phase of a search whose spec is valid and whose inputs are resolved."""
    return holding.marked(_decide(seen), seen.plan.search, seen.overspent, held=seen.limits.held)


def _decide(seen: SearchObservation) -> SearchDecision:
    sequences = _sequences(seen)
    states = [advance(sequence) for sequence in sequences]
    orphans = _orphans(seen, sequences)
    retiring = tuple(action for job in orphans for action in retire_job(job))
    reopening = tuple(ReopenTask(task) for task in seen.stale_ends)
    obsolete = end_resolvers(seen.of_role(JobRole.RESOLVE))
    actions = (*obsolete, *reopening, *(action for state in states for action in state.actions), *retiring)
    failed = {unit: error for state in states for unit, error in state.failed.items()}
    current = tuple(state.current for state in states if state.current)
    # A report before the last trial has ended is a report of less than there will be.
    early = (*delete_jobs(seen.of_role(JobRole.REPORT)), *actions)
    if not all(state.idle for state in states):
        reason, message, ends = told(seen.stalls, seen.execution, "driver {}".format, *_phase(states))
        reason, message = holding.told(seen.overspent, reason, message)
        return SearchDecision(reason, _counted(seen, message), (*early, *ends), failed, current)
    if any(not job.finished or job.deleting for job in orphans):
        names = ", ".join(job.name for job in orphans)
        return SearchDecision(Reason.REPLACING_JOB, f"Waiting for {names} to end.", early, failed, current)
    if ends := _ends(seen, failed):
        return SearchDecision(Reason.BUDGET_SPENT, seen.overspent or "", (*early, *ends), failed, current)
    return _after_trials(seen, actions, failed, current)


def _ends(seen: SearchObservation, failed: Mapping[str, FailureCause]) -> tuple[EndTask, ...]:
    """The ends of tasks that nobody does any more since a budget is spent: the report then is of what is there."""
    if seen.overspent is None:
        return ()
    open_ = seen.open_tasks - {split_unit(unit)[0] for unit in failed}
    return tuple(EndTask(task, seen.end_for_budget(task)) for task in seen.plan.order if task in open_)


def units_without_job(seen: SearchObservation) -> dict[str, str]:
    """Units to do while no Job is there that does them, with the revision of the one that would."""
    return without_job(_sequences(seen))


def config_map_name(search: str) -> str:
    """Name of the ConfigMap with the best hyperparameters."""
    return f"{search}-hyperparameters"


def split_unit(unit: str) -> tuple[str, int]:
    """`rte/0` -> task and cluster."""
    task, _, cluster = unit.rpartition("/")
    return task, int(cluster)


def _sequences(seen: SearchObservation) -> tuple[JobSequence, ...]:
    clusters = range(seen.clusters)
    if not seen.executor.driven:
        # Cluster by cluster: every task is begun before a second pod joins one.
        return (_sequence(seen, seen.plan.search, "", tuple((task, c) for c in clusters for task in seen.plan.order)),)
    return tuple(
        _sequence(seen, f"{seen.plan.search}-c{c}", f"c{c}", tuple((task, c) for task in seen.plan.order))
        for c in clusters
    )


def _sequence(seen: SearchObservation, name: str, ident: str, units: tuple[tuple[str, int], ...]) -> JobSequence:
    named = tuple(unit_name(unit) for unit in units)
    jobs = tuple(job for job in seen.of_role(JobRole.TRAIN) if _key(job) == (seen.executor.kind, ident))
    open_ = seen.open_tasks
    return JobSequence(
        name=name,
        revision=seen.revision(named),
        is_current=lambda job: job.is_of(lambda template: seen.revision_with(template, named), seen.template),
        units=named,
        pending=frozenset(unit_name(unit) for unit in units if unit[0] in open_),
        jobs=jobs,
        pods=tuple(pod for pod in seen.pods if pod.job in {job.name for job in jobs}),
        errors=seen.errors,
        given_up=seen.given_up,
        execution=seen.execution,
        make_plan=lambda pending: _job_plan(seen, tuple(unit for unit in units if unit_name(unit) in pending)),
        executor=seen.executor,
        ident=ident,
        noun="searches",
        hold=seen.overspent is not None,
        held=seen.limits.held,
    )


def _job_plan(seen: SearchObservation, units: tuple[tuple[str, int], ...]) -> SearchJobPlan:
    ray = seen.execution.ray
    return SearchJobPlan(
        plan=seen.plan,
        units=units,
        limits=execution_limits(seen.execution),
        concurrent_trials=seen.concurrent_trials,
        cpus_per_trial=ray.cpus_per_run if ray and seen.executor.driven else None,
        gpus_per_trial=ray.gpus_per_run if ray and seen.executor.driven else None,
    )


def _orphans(seen: SearchObservation, sequences: tuple[JobSequence, ...]) -> tuple[JobView, ...]:
    """Jobs of clusters that are no longer asked for, or of another mode."""
    known = {(sequence.executor.kind, sequence.ident) for sequence in sequences}
    return tuple(job for job in seen.of_role(JobRole.TRAIN) if _key(job) not in known)


def _key(job: JobView) -> tuple[str, str]:
    return job.kind, job.sequence


def _phase(states: list[SequenceState]) -> tuple[Reason, str]:
    """What to say of several sequences: of those still at it, the reason that tells most."""
    active = [state for state in states if not state.idle]
    told = min(active, key=lambda state: _TOLD_FIRST.index(state.reason) if state.reason in _TOLD_FIRST else 99)
    return told.reason, told.message


def _counted(seen: SearchObservation, message: str) -> str:
    ended = sum(map(seen.ended_trials, seen.plan.order))
    total = sum(task.trials for task in seen.plan.tasks.values())
    return f"{ended} of {total} trials ended. {message}"


def _after_trials(
    seen: SearchObservation, actions: tuple[Action, ...], failed: dict[str, FailureCause], current: tuple[JobView, ...]
) -> SearchDecision:
    step = report_step(
        Reporting(
            owner=seen.plan.search,
            digest=seen.digest,
            current=seen.report,
            template=seen.template,
            retry_token=seen.execution.retry_token,
            jobs=seen.of_role(JobRole.REPORT),
            pods=seen.pods,
            stall=seen.stalled_report,
            stall_timeout=seen.execution.stall_timeout_seconds,
        )
    )
    actions = (*actions, *step.actions)
    if not step.current:
        return SearchDecision(step.reason, step.message, actions, failed, current, step.done and not actions)
    export = seen.best
    if export.tasks and seen.config_map != seen.digest:
        data = {f"{task}.yaml": task_yaml(export, task) for task in export.tasks}
        put = PutHyperparameters(
            config_map_name(seen.plan.search), seen.digest, {**data, ALL_TASKS_KEY: all_tasks_yaml(export)}
        )
        message = "Writing the ConfigMap of the best hyperparameters."
        return SearchDecision(Reason.REPORTING, message, (*actions, put), failed, current)
    reason, message = _verdict(seen, failed)
    return SearchDecision(reason, message, actions, failed, current, not actions)


def _verdict(seen: SearchObservation, failed: Mapping[str, FailureCause]) -> tuple[Reason, str]:
    cut = [task for task in seen.plan.order if task in seen.ends and seen.ends[task].reason == EndReason.BUDGET]
    if cut:
        return Reason.BUDGET_SPENT, f"{seen.ends[cut[0]].message} Raise it to go on with {', '.join(cut)}."
    best = seen.best.tasks
    lacking = [task for task in seen.plan.order if task not in best]
    if lacking:
        why = " See status.failures." if failed else " See the errors of its trials in trials.csv."
        return Reason.TASK_FAILED, f"No trial with a value for {', '.join(lacking)}.{why}"
    given_up = sorted({split_unit(unit)[0] for unit in failed})
    if given_up:
        message = f"The search was given up early on {', '.join(given_up)}; every task has a best trial."
        return Reason.SOME_TRIALS_FAILED, f"{message} See status.failures."
    bad = sum(trial.state.value == "Failed" for task in seen.plan.order for trial in seen.trials.get(task, ()))
    total = sum(map(seen.ended_trials, seen.plan.order))
    if bad:
        return Reason.SOME_TRIALS_FAILED, f"{bad} of {total} trials failed; every task has a best trial."
    return Reason.ALL_TRIALS_ENDED, f"All {total} trials ended."
