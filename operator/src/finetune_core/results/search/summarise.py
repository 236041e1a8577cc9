"""From what a search left to its summary; pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from finetune_core.planning.search.plan import SearchPlan
from finetune_core.results.search.best_trial import best_trial, ranked
from finetune_core.results.search.export import BestConfig, BestHyperparameters
from finetune_core.results.search.selection import best_hyperparameters, origin
from finetune_core.results.search.summary import (
    Efficiency,
    FinalistRow,
    SearchSummary,
    TaskSummary,
    TopTrial,
    TrialCounts,
)
from finetune_core.results.search.trial import Claim, TaskEnd, TaskStart, TrialResult, TrialState
from finetune_core.search_layout import TrialKind

TOP = 10


@dataclass(frozen=True)
class SearchFindings:
    """What lies in the store of a search: results by task, sorted by index; starts and ends by task.

    `unfinished` are trials without a result, by (kind, task, index), with their first claim (None: unreadable).
    """

    trials: Mapping[str, Sequence[TrialResult]]
    finalists: Mapping[str, Sequence[TrialResult]] = field(default_factory=dict)
    unfinished: Mapping[tuple[TrialKind, str, int], Claim | None] = field(default_factory=dict)
    starts: Mapping[str, TaskStart] = field(default_factory=dict)
    ends: Mapping[str, TaskEnd] = field(default_factory=dict)

    def best(self, plan: SearchPlan, digest: str) -> BestHyperparameters:
        """What the search hands on."""
        trials = (one for results in self.trials.values() for one in results)
        finalists = (one for results in self.finalists.values() for one in results)
        return best_hyperparameters(plan, trials, finalists, digest)


def summarise(plan: SearchPlan, findings: SearchFindings, export: BestHyperparameters, *, uri: str) -> SearchSummary:
    """The summary of a search without plots and files, which are not made yet."""
    return SearchSummary(
        namespace=plan.namespace,
        search=plan.search,
        uri=uri,
        model_uri=plan.model.uri,
        model_digest=plan.model.digest,
        model_pinned=plan.model.pinned,
        report_digest=export.report_digest,
        algorithm=plan.algorithm,
        scheduler=plan.scheduler,
        seeds_per_trial=plan.seeds_per_trial,
        tasks=tuple(_task(plan, findings, task, export.tasks.get(task)) for task in plan.order),
    )


def seconds_between(start: str | None, end: str | None) -> float | None:
    """Seconds from one ISO time to another; None where one is missing or no time, or they are the wrong way round."""
    if not start or not end:
        return None
    try:
        seconds = (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds()
    except (ValueError, TypeError):
        return None
    # Drivers write their own clocks.
    return seconds if seconds >= 0 else None


def start_of(findings: SearchFindings, task: str) -> str | None:
    """When a task's search began: as its first driver noted, else the first trial's start."""
    noted = findings.starts.get(task)
    return noted.time if noted else min((one.started_at for one in findings.trials.get(task, ())), default=None)


def by_finish(trials: Iterable[TrialResult]) -> list[TrialResult]:
    """Trials that were really run, in the order in which they ended."""
    return sorted((one for one in trials if one.duplicate_of is None), key=lambda one: (one.finished_at, one.index))


def steps_trained(trial: TrialResult) -> int:
    """Steps up to the last evaluation."""
    return max((report.step for report in trial.history), default=0)


def _task(plan: SearchPlan, findings: SearchFindings, task: str, best: BestConfig | None) -> TaskSummary:
    trials = findings.trials.get(task, ())
    end = findings.ends.get(task)
    searched = plan.tasks[task]
    return TaskSummary(
        task=task,
        proxy_for=searched.proxy_for,
        metric=searched.settings.metric_for_best_model,
        greater_is_better=searched.greater_is_better,
        counts=_counts(plan, findings, task),
        end_reason=end.reason if end else None,
        end_message=end.message if end else "",
        best=best,
        top=tuple(_top(one) for one in ranked(trials)[:TOP]),
        finalists=_finalists(findings, task, best),
        efficiency=_efficiency(findings, task),
    )


def _counts(plan: SearchPlan, findings: SearchFindings, task: str) -> TrialCounts:
    trials = findings.trials.get(task, ())
    states = [one.state for one in trials]
    return TrialCounts(
        planned=plan.tasks[task].trials,
        completed=states.count(TrialState.COMPLETED),
        stopped=states.count(TrialState.STOPPED),
        failed=states.count(TrialState.FAILED),
        unfinished=sum(1 for kind, name, _ in findings.unfinished if (kind, name) == (TrialKind.TRIALS, task)),
        duplicates=sum(1 for one in trials if one.duplicate_of is not None),
        taken=sum(1 for one in trials if one.taken_from),
    )


def _top(trial: TrialResult) -> TopTrial:
    if trial.value is None:
        raise ValueError(f"trial {trial.index} of {trial.task} has no value and cannot be ranked")
    return TopTrial(
        trial=trial.index,
        trial_id=trial.trial_id,
        state=trial.state,
        value=trial.value,
        step=trial.step,
        hyperparameters=trial.config,
        seconds=trial.seconds,
    )


def _finalists(findings: SearchFindings, task: str, best: BestConfig | None) -> tuple[FinalistRow, ...]:
    trials = findings.trials.get(task, ())
    rows = []
    for one in findings.finalists.get(task, ()):
        first = origin(one, trials)
        exported = best is not None and best.finalist and one.state != TrialState.FAILED
        rows.append(
            FinalistRow(
                index=one.index,
                trial=first.index if first else None,
                trial_id=(first or one).trial_id,
                state=one.state,
                before=first.value if first else None,
                after=one.value if one.state != TrialState.FAILED else None,
                seeds=len(one.seeds),
                exported=exported and best is not None and best.trial_id == (first or one).trial_id,
            )
        )
    return tuple(rows)


def _efficiency(findings: SearchFindings, task: str) -> Efficiency:
    run = by_finish(findings.trials.get(task, ()))
    end = findings.ends.get(task)
    start = start_of(findings, task)
    wall = seconds_between(start, end.time if end else max((one.finished_at for one in run), default=None))
    everything = (*run, *findings.finalists.get(task, ()))
    spent = sum(one.seconds for one in everything)
    planned, trained = sum(one.total_steps for one in run), sum(map(steps_trained, run))
    best = best_trial(run)
    return Efficiency(
        wall_seconds=wall,
        trial_seconds=spent,
        gpu_seconds=sum(one.gpu_seconds for one in everything),
        concurrency=spent / wall if wall else None,
        steps_planned=planned,
        steps_trained=trained,
        steps_saved=1 - trained / planned if planned else None,
        seconds_to_best=seconds_between(start, best.finished_at) if best else None,
        trials_to_best=run.index(best) + 1 if best else None,
    )
