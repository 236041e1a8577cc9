"""From what was observed and decided about a search to its `status`: conditions, counts, tasks, failures."""

from collections.abc import Iterable, Mapping

from finetune_core.api.search_status import (
    MAX_BEST_TEXT,
    BestTrial,
    HPSearchStatus,
    SearchResultUris,
    SearchTaskStatus,
    TrialCounts,
    UnitFailure,
)
from finetune_core.api.status import (
    MAX_FAILURES,
    MAX_WARNINGS,
    Condition,
    ConditionStatus,
    ConditionType,
    Reason,
)
from finetune_core.deciding.conditions import MAX_FAILURE_MESSAGE, Conditions, shorten, unreadable_warnings
from finetune_core.deciding.observation import FailureCause
from finetune_core.deciding.search.decision import SearchDecision, config_map_name, split_unit
from finetune_core.deciding.search.eta import remaining_seconds
from finetune_core.deciding.search.observation import SearchObservation
from finetune_core.planning.search.plan import SearchPlan
from finetune_core.results.search.export import BestConfig
from finetune_core.results.search.trial import TrialResult, TrialState
from finetune_core.search_layout import SearchLayout
from finetune_core.tables import figures
from finetune_core.tables.search_wording import best_text

_SUCCESS = frozenset({Reason.ALL_TRIALS_ENDED, Reason.SOME_TRIALS_FAILED})


def build_search_status(
    seen: SearchObservation,
    decision: SearchDecision,
    previous: HPSearchStatus,
    *,
    uri: str,
    warnings: tuple[str, ...],
    generation: int,
    now: str,
) -> HPSearchStatus:
    """The whole status, worked out anew; `uri` is the search's folder in the store."""
    best = seen.best.tasks
    reported = decision.done and decision.reason != Reason.REPORT_FAILED
    exported = reported and bool(best)
    counts = _counts(seen, decision)
    failures = _failures(decision.failed)
    started = min((job.created for job in decision.current if job.created), default=None)
    return HPSearchStatus(
        observed_generation=generation,
        conditions=_conditions(decision, best, reported, Conditions(previous, generation=generation, now=now)),
        trials=counts,
        tasks=tuple(_task_status(seen, task, best.get(task)) for task in seen.plan.order),
        best=_best_text(seen.plan, best),
        gpu_hours=figures.hours(seen.gpu_seconds()) or None,
        eta=None if decision.done or seen.overspent else figures.eta(remaining_seconds(seen, counts.running)),
        failures=failures[:MAX_FAILURES],
        failures_omitted=max(0, len(failures) - MAX_FAILURES) or None,
        warnings=(*unreadable_warnings(seen.unreadable.values(), "trial"), *warnings)[:MAX_WARNINGS],
        plan_digest=seen.plan.digest,
        model_digest=seen.plan.model.digest,
        model_uri=seen.plan.model.uri,
        jobs=tuple(sorted(job.name for job in decision.current)),
        config_map=config_map_name(seen.plan.search) if exported else None,
        results=_uris(seen.plan, uri) if reported else None,
        start_time=previous.start_time or started,
        completion_time=(previous.completion_time or now) if decision.done else None,
    )


def _conditions(
    decision: SearchDecision, best: Mapping[str, BestConfig], reported: bool, conditions: Conditions
) -> tuple[Condition, ...]:
    return (
        *conditions.of_end(decision.reason, decision.message, done=decision.done, success=_SUCCESS),
        conditions.make(ConditionType.BEST_HYPERPARAMETERS_READY, *_ready(decision, best, reported)),
    )


def _ready(
    decision: SearchDecision, best: Mapping[str, BestConfig], reported: bool
) -> tuple[ConditionStatus, Reason, str]:
    if reported and best:
        return ConditionStatus.TRUE, Reason.EXPORTED, f"Best hyperparameters of {', '.join(best)}."
    if reported:
        return ConditionStatus.FALSE, Reason.NOTHING_TO_EXPORT, "No trial has a value."
    if decision.done:
        return ConditionStatus.FALSE, decision.reason, decision.message
    return ConditionStatus.UNKNOWN, Reason.WAITING_FOR_TRIALS, "Exported when all trials have ended."


def _counts(seen: SearchObservation, decision: SearchDecision) -> TrialCounts:
    trials = [trial for task in seen.plan.order for trial in seen.trials.get(task, ())]
    # Lowering spec.trials below what has ended takes nothing back.
    total = sum(max(seen.plan.tasks[task].trials, seen.ended_trials(task)) for task in seen.plan.order)
    at_work = any(job.active for job in decision.current)
    return TrialCounts(
        total=total,
        running=sum(seen.claimed.get(task, 0) for task in seen.open_tasks) if at_work else 0,
        completed=_in_state(trials, TrialState.COMPLETED),
        stopped=_in_state(trials, TrialState.STOPPED),
        failed=_in_state(trials, TrialState.FAILED),
        summary=figures.count(len(trials), total),
    )


def _in_state(trials: Iterable[TrialResult], state: TrialState) -> int:
    return sum(trial.state == state for trial in trials)


def _task_status(seen: SearchObservation, task: str, best: BestConfig | None) -> SearchTaskStatus:
    planned, trials = seen.plan.tasks[task], seen.trials.get(task, ())
    end = seen.ends.get(task) if task not in seen.open_tasks else None
    return SearchTaskStatus(
        name=task,
        metric=planned.settings.metric_for_best_model,
        trials=figures.count(len(trials), max(planned.trials, len(trials))),
        failed=_in_state(trials, TrialState.FAILED),
        gpu_hours=figures.hours(seen.gpu_seconds(task)) or None,
        end=end.reason.value if end else None,
        best=_best_trial(seen, task, best) if best else None,
        proxy_for=planned.proxy_for or None,
    )


def _best_trial(seen: SearchObservation, task: str, best: BestConfig) -> BestTrial:
    results = seen.finalists if best.finalist else seen.trials
    # A finalist runs a trial's configuration again: its step is that of its own best value.
    same = [
        trial for trial in results.get(task, ()) if trial.value == best.value and trial.config == best.hyperparameters
    ]
    return BestTrial(
        trial=best.trial,
        trial_id=best.trial_id,
        value=best.value,
        step=min(same, key=lambda trial: trial.index).step if same else 0,
        hyperparameters=best.hyperparameters,
        finalist=best.finalist,
    )


def _best_text(plan: SearchPlan, best: Mapping[str, BestConfig]) -> str | None:
    shown = best_text((task, best[task]) for task in plan.order if task in best)
    return shorten(shown, MAX_BEST_TEXT) if shown else None


def _failures(failed: Mapping[str, FailureCause]) -> tuple[UnitFailure, ...]:
    return tuple(
        UnitFailure(
            task=split_unit(unit)[0],
            cluster=split_unit(unit)[1],
            reason=failed[unit].reason,
            message=shorten(failed[unit].message, MAX_FAILURE_MESSAGE),
        )
        for unit in sorted(failed, key=split_unit)
    )


def _uris(plan: SearchPlan, uri: str) -> SearchResultUris:
    layout = SearchLayout(plan.namespace, plan.search)

    def at(key: str) -> str:
        return uri + key.removeprefix(layout.root)

    return SearchResultUris(
        json_=at(layout.summary("json")),
        csv=at(layout.summary("csv")),
        markdown=at(layout.summary("md")),
        html=at(layout.summary("html")),
        trials=at(layout.trials_table),
        hyperparameters=at(layout.best).removesuffix("/best.json"),
    )
