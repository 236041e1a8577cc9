"""From what was observed and decided to `status`: conditions, counts, tasks, failures."""

from collections.abc import Mapping

from finetune_core.api import MissingTasks
from finetune_core.api.status import (
    MAX_FAILURES,
    MAX_WARNINGS,
    BestRun,
    Condition,
    ConditionStatus,
    ConditionType,
    ExperimentStatus,
    HyperparametersStatus,
    LeaderboardStatus,
    Reason,
    ResultUris,
    RunCounts,
    RunFailure,
    TaskStatus,
)
from finetune_core.deciding.conditions import MAX_FAILURE_MESSAGE, Conditions, shorten, unreadable_warnings
from finetune_core.deciding.experiment.decision import Decision
from finetune_core.deciding.observation import FailureCause, Observation, ReportView
from finetune_core.deciding.outcome import Outcome
from finetune_core.layout import ExperimentLayout
from finetune_core.planning.plan import Plan
from finetune_core.results.aggregate import TaskFigures, summarise
from finetune_core.seeds.told import counted, seeds_of
from finetune_core.tables import figures

_SUCCESS = frozenset({Reason.ALL_RUNS_SUCCEEDED, Reason.SOME_RUNS_FAILED})


def build_status(
    seen: Observation,
    decision: Decision,
    previous: ExperimentStatus,
    *,
    uri: str,
    eta: str | None,
    warnings: tuple[str, ...],
    generation: int,
    now: str,
    newer: bool = False,
) -> ExperimentStatus:
    """The whole status, worked out anew; `uri` is the experiment's folder in the store.

    `newer`: where the hyperparameters came from, there are others by now.
    """
    # What is still to be published takes nothing from results that are there.
    over = decision.done and decision.reason != Reason.REPORT_FAILED
    report = seen.report if over or decision.publishing else None
    summary = summarise(seen.plan, seen.outcomes.values())
    failures = _failures(seen.plan, decision.failed)
    return ExperimentStatus(
        observed_generation=generation,
        conditions=_conditions(seen.plan, decision, report, Conditions(previous, generation=generation, now=now)),
        runs=_counts(seen, decision),
        tasks=tuple(_task_status(seen, decision, row, uri) for row in summary.tasks),
        score=summary.score_text,
        score_covers=summary.score_covers,
        gpu_hours=figures.hours(seen.gpu_seconds()) or None,
        energy_kwh=figures.kwh(seen.spent_on().joules),
        eta=None if decision.done or seen.overspent else eta,
        failures=failures[:MAX_FAILURES],
        failures_omitted=max(0, len(failures) - MAX_FAILURES) or None,
        warnings=(*unreadable_warnings(seen.unreadable.values(), "run"), *warnings)[:MAX_WARNINGS],
        plan_digest=seen.plan.digest,
        job=decision.current.name if decision.current else None,
        results=_uris(seen.plan, uri) if report else None,
        leaderboard=_leaderboard(seen.plan, report, uri),
        hyperparameters=_hyperparameters(seen.plan, newer=newer),
        start_time=previous.start_time or (decision.current.created if decision.current else None) or None,
        completion_time=(previous.completion_time or now) if decision.done else None,
    )


def _conditions(
    plan: Plan, decision: Decision, report: ReportView | None, conditions: Conditions
) -> tuple[Condition, ...]:
    return (
        *conditions.of_end(decision.reason, decision.message, done=decision.done, success=_SUCCESS),
        conditions.make(ConditionType.LEADERBOARD_READY, *_leaderboard_condition(plan, report)),
    )


def _leaderboard_condition(plan: Plan, report: ReportView | None) -> tuple[ConditionStatus, Reason, str]:
    if plan.leaderboard is None:
        return ConditionStatus.FALSE, Reason.NOT_REQUESTED, "spec.leaderboard is not set."
    if report is None:
        return ConditionStatus.UNKNOWN, Reason.WAITING_FOR_RUNS, "Built when all runs have ended."
    if report.submission_sha256 is None:
        why = "; ".join([f"missing: {', '.join(report.missing)}"] * bool(report.missing) + list(report.problems))
        remedy = f"Add what is missing or set leaderboard.missingTasks: {MissingTasks.PLACEHOLDER.value}."
        return ConditionStatus.FALSE, Reason.TASKS_MISSING, f"No zip. {remedy} {why}"
    if report.placeholders:
        files = ", ".join(report.placeholders)
        return ConditionStatus.TRUE, Reason.WITH_PLACEHOLDERS, f"submission.zip is ready; placeholders: {files}."
    return ConditionStatus.TRUE, Reason.COMPLETE, "submission.zip is ready, every file from a best run."


def _counts(seen: Observation, decision: Decision) -> RunCounts:
    total, failed = len(seen.plan.runs), len(decision.failed)
    succeeded, open_ = total - len(seen.pending), len(seen.pending) - failed
    # Runs that share a GPU share a worker pod of a RayJob: there, its driver says how many are at work.
    running = min(len(decision.current.running) or decision.current.active, open_) if decision.current else 0
    return RunCounts(
        total=total,
        pending=open_ - running,
        running=running,
        succeeded=succeeded,
        failed=failed,
        taken=sum(outcome.taken_from is not None for outcome in seen.outcomes.values()) or None,
        summary=counted(succeeded + failed, seen.plan, seen.outcomes, decision.failed),
    )


def _task_status(seen: Observation, decision: Decision, row: TaskFigures, uri: str) -> TaskStatus:
    return TaskStatus(
        name=row.task,
        metric=row.metric,
        runs=counted(row.succeeded, seen.plan, seen.outcomes, decision.failed, row.task),
        seeds=seeds_of(seen.plan, row.task, seen.outcomes, decision.failed),
        failed=sum(run.run_id in decision.failed for run in seen.plan.runs_of(row.task)),
        best=_best(seen.plan, row.best, uri),
        mean=_rounded(row.mean),
        std=_rounded(row.std),
        score=_rounded(row.score),
        gpu_hours=figures.hours(seen.gpu_seconds(row.task)) or None,
        energy_kwh=figures.kwh(seen.spent_on(row.task).joules),
    )


def _best(plan: Plan, best: Outcome | None, uri: str) -> BestRun | None:
    if best is None or best.value is None:
        return None
    layout = ExperimentLayout(plan.namespace, plan.experiment)
    return BestRun(
        run=best.run,
        run_id=best.run_id,
        seed=best.seed,
        value=round(best.value, 6),
        step=best.step,
        uri=uri + layout.run(best.task, best.run_id).root.removeprefix(layout.root),
        taken_from=best.taken_from,
    )


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 6)


def _failures(plan: Plan, failed: Mapping[str, FailureCause]) -> tuple[RunFailure, ...]:
    return tuple(
        RunFailure(
            task=run.task,
            run=run.run,
            run_id=run.run_id,
            reason=failed[run.run_id].reason,
            message=shorten(failed[run.run_id].message, MAX_FAILURE_MESSAGE),
        )
        for run in plan.runs
        if run.run_id in failed
    )


def _uris(plan: Plan, uri: str) -> ResultUris:
    root = ExperimentLayout(plan.namespace, plan.experiment)
    keys = (root.results("json"), root.results("csv"), root.results("md"), root.report)
    json_, csv, markdown, html = (uri + key.removeprefix(root.root) for key in keys)
    return ResultUris(json_=json_, csv=csv, markdown=markdown, html=html)


def _hyperparameters(plan: Plan, *, newer: bool) -> HyperparametersStatus | None:
    if plan.tuned is None:
        return None
    used = (f"{task}: {plan.tasks[task].hyperparameters_source or 'not covered'}" for task in plan.task_names)
    return HyperparametersStatus(
        source=plan.tuned.where, digest=plan.tuned.digest, tasks=tuple(used), newer_available=newer
    )


def _leaderboard(plan: Plan, report: ReportView | None, uri: str) -> LeaderboardStatus | None:
    if plan.leaderboard is None or report is None:
        return None
    root = ExperimentLayout(plan.namespace, plan.experiment)
    return LeaderboardStatus(
        uri=uri + root.submission.removeprefix(root.root) if report.submission_sha256 else None,
        sha256=report.submission_sha256,
        missing=report.missing,
        placeholders=report.placeholders,
    )
