"""From what was observed and decided to `status`: conditions, counts, tasks, failures."""

from collections.abc import Iterable, Mapping
from typing import TypeVar

from finetune_core.api import MissingTasks
from finetune_core.api.search_status import HPSearchStatus
from finetune_core.api.status import (
    MAX_FAILURES,
    MAX_MESSAGE,
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
from finetune_core.deciding.experiment import Decision
from finetune_core.deciding.observation import FailureCause, Observation, ReportView
from finetune_core.deciding.outcome import Outcome
from finetune_core.layout import ExperimentLayout
from finetune_core.planning.plan import Plan
from finetune_core.problems import Problem
from finetune_core.results.aggregate import TaskFigures, summarise
from finetune_core.tables import figures

StatusT = TypeVar("StatusT", ExperimentStatus, HPSearchStatus)
"""The status of either kind."""

_SUCCESS = frozenset({Reason.ALL_RUNS_SUCCEEDED, Reason.SOME_RUNS_FAILED})
_MAX_FAILURE_MESSAGE = 500


class Conditions:
    """Builds conditions for one generation at one time, keeping transition times of what did not change."""

    def __init__(self, previous: ExperimentStatus | HPSearchStatus, *, generation: int, now: str) -> None:
        self._previous = {condition.type: condition for condition in previous.conditions}
        self._generation = generation
        self._now = now

    def make(self, type_: ConditionType, status: ConditionStatus, reason: str, message: str) -> Condition:
        """A condition; `lastTransitionTime` moves only when `status` does, as Kubernetes has it."""
        before = self._previous.get(type_)
        same = before is not None and before.status == status
        return Condition(
            type=type_,
            status=status,
            reason=reason,
            message=shorten(message, MAX_MESSAGE),
            last_transition_time=before.last_transition_time if before and same else self._now,
            observed_generation=self._generation,
        )


def shorten(text: str, limit: int) -> str:
    """At most `limit` characters, with an ellipsis where something was cut."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _outcome_of(status: ExperimentStatus | HPSearchStatus) -> tuple[ConditionType, Reason]:
    """The condition of what the kind is there for, and its reason until then."""
    if isinstance(status, HPSearchStatus):
        return ConditionType.BEST_HYPERPARAMETERS_READY, Reason.WAITING_FOR_TRIALS
    return ConditionType.LEADERBOARD_READY, Reason.WAITING_FOR_RUNS


def invalid_status(
    previous: StatusT, problems: Iterable[Problem], *, reason: Reason, generation: int, now: str
) -> StatusT:
    """The status of a spec that cannot be run: every problem in one message; earlier results stay."""
    message = "; ".join(str(problem) for problem in problems)
    conditions = Conditions(previous, generation=generation, now=now)
    outcome, _ = _outcome_of(previous)
    done = "Correct the spec (see condition Valid) and apply it again."
    return previous.model_copy(
        update={
            "observed_generation": generation,
            "eta": None,
            "conditions": (
                conditions.make(ConditionType.VALID, ConditionStatus.FALSE, reason, message),
                conditions.make(ConditionType.SUCCEEDED, ConditionStatus.FALSE, Reason.INVALID_SPEC, done),
                conditions.make(outcome, ConditionStatus.UNKNOWN, Reason.INVALID_SPEC, done),
            ),
        }
    )


def waiting_status(
    previous: StatusT, reason: Reason, message: str, *, valid: bool, generation: int, now: str
) -> StatusT:
    """The status while something outside is waited for (storage, inputs); what was known stays."""
    conditions = Conditions(previous, generation=generation, now=now)
    outcome, awaited = _outcome_of(previous)
    status, why, text = (
        (ConditionStatus.TRUE, Reason.ACCEPTED, "The spec is valid.")
        if valid
        else (ConditionStatus.UNKNOWN, Reason.CHECKING, message)
    )
    return previous.model_copy(
        update={
            "observed_generation": generation,
            "conditions": (
                conditions.make(ConditionType.VALID, status, why, text),
                conditions.make(ConditionType.SUCCEEDED, ConditionStatus.UNKNOWN, reason, message),
                conditions.make(outcome, ConditionStatus.UNKNOWN, awaited, message),
            ),
        }
    )


def with_unsafe_storage(status: StatusT, previous: StatusT, message: str, *, generation: int, now: str) -> StatusT:
    """The status, with a condition that says what the store lacks."""
    conditions = Conditions(previous, generation=generation, now=now)
    unsafe = conditions.make(ConditionType.STORAGE_SAFE, ConditionStatus.FALSE, Reason.CREATES_REPEATEDLY, message)
    return status.model_copy(update={"conditions": (*status.conditions, unsafe)})


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
    report = seen.report if decision.done and decision.reason != Reason.REPORT_FAILED else None
    summary = summarise(seen.plan, seen.outcomes.values())
    failures = _failures(seen.plan, decision.failed)
    return ExperimentStatus(
        observed_generation=generation,
        conditions=_conditions(seen.plan, decision, report, Conditions(previous, generation=generation, now=now)),
        runs=_counts(seen, decision),
        tasks=tuple(_task_status(seen.plan, decision, row, uri) for row in summary.tasks),
        score=summary.score_text,
        score_covers=summary.score_covers,
        eta=None if decision.done else eta,
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


def unreadable_warnings(found: Iterable[str], noun: str) -> tuple[str, ...]:
    """What lies where results should be: one warning, however many there are."""
    what = sorted(found)
    if not what:
        return ()
    others = f" (and {len(what) - 1} more)" if len(what) > 1 else ""
    return (
        shorten(
            f"unreadable result: {what[0]}{others}; it counts as none, and the {noun} is done again",
            _MAX_FAILURE_MESSAGE,
        ),
    )


def _conditions(
    plan: Plan, decision: Decision, report: ReportView | None, conditions: Conditions
) -> tuple[Condition, ...]:
    succeeded = ConditionStatus.UNKNOWN
    if decision.done:
        succeeded = ConditionStatus.TRUE if decision.reason in _SUCCESS else ConditionStatus.FALSE
    return (
        conditions.make(ConditionType.VALID, ConditionStatus.TRUE, Reason.ACCEPTED, "The spec is valid."),
        conditions.make(ConditionType.SUCCEEDED, succeeded, decision.reason, decision.message),
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
    total = len(seen.plan.runs)
    failed = len(decision.failed)
    succeeded = total - len(seen.pending)
    open_ = total - succeeded - failed
    # Runs that share a GPU share a worker pod of a RayJob: there, its driver says how many are at work.
    running = min(len(decision.current.running) or decision.current.active, open_) if decision.current else 0
    return RunCounts(
        total=total,
        pending=open_ - running,
        running=running,
        succeeded=succeeded,
        failed=failed,
        taken=sum(outcome.taken_from is not None for outcome in seen.outcomes.values()) or None,
        summary=figures.count(succeeded + failed, total),
    )


def _task_status(plan: Plan, decision: Decision, row: TaskFigures, uri: str) -> TaskStatus:
    return TaskStatus(
        name=row.task,
        metric=row.metric,
        runs=figures.count(row.succeeded, row.planned),
        failed=sum(run.run_id in decision.failed for run in plan.runs_of(row.task)),
        best=_best(plan, row.best, uri),
        mean=_rounded(row.mean),
        std=_rounded(row.std),
        score=_rounded(row.score),
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
            message=shorten(failed[run.run_id].message, _MAX_FAILURE_MESSAGE),
        )
        for run in plan.runs
        if run.run_id in failed
    )


def _uris(plan: Plan, uri: str) -> ResultUris:
    root = ExperimentLayout(plan.namespace, plan.experiment)
    keys = (*map(root.results, ("json", "csv", "md")), root.report)
    json_, csv, markdown, html = (uri + key.removeprefix(root.root) for key in keys)
    return ResultUris(json_=json_, csv=csv, markdown=markdown, html=html)


def _hyperparameters(plan: Plan, *, newer: bool) -> HyperparametersStatus | None:
    if plan.tuned is None:
        return None
    used = (plan.tasks[task].hyperparameters_source for task in plan.task_names)
    return HyperparametersStatus(
        source=plan.tuned.where,
        digest=plan.tuned.digest,
        tasks=tuple(f"{task}: {source or 'not covered'}" for task, source in zip(plan.task_names, used, strict=True)),
        newer_available=newer,
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
