"""Which configuration of each task a search hands on: pure, from what its trials and finalists left."""

from collections.abc import Iterable

from finetune_core.canonical import canonical_json
from finetune_core.planning.search.plan import SearchPlan
from finetune_core.results.search.best_trial import best_trial
from finetune_core.results.search.export import BestConfig, BestHyperparameters
from finetune_core.results.search.trial import TrialResult, TrialState


def best_hyperparameters(
    plan: SearchPlan, trials: Iterable[TrialResult], finalists: Iterable[TrialResult], digest: str
) -> BestHyperparameters:
    """The best configuration of every task, proxied tasks too; tasks without any finite value are left out.

    Where finalists have a value, the best of these means over fresh seeds wins: the trials' own values are too good,
    being the best of many noisy ones. `digest` says what the trials are (`export_digest`).
    """
    trials, finalists = list(trials), list(finalists)
    searched: dict[str, BestConfig] = {}
    for task in plan.order:
        best = _best(plan, _of(task, trials), _of(task, finalists))
        if best is not None:
            searched[task] = best
    proxied = {
        other: best.model_copy(update={"proxy": task})
        for task, best in searched.items()
        for other in plan.tasks[task].proxy_for
        if other not in plan.tasks
    }
    return BestHyperparameters(
        namespace=plan.namespace,
        search=plan.search,
        model_uri=plan.model.uri,
        model_digest=plan.model.digest,
        report_digest=digest,
        tasks=searched | proxied,
    )


def origin(finalist: TrialResult, trials: Iterable[TrialResult]) -> TrialResult | None:
    """The trial whose configuration a finalist ran again: the lowest index of those that are alike."""
    wanted = canonical_json(finalist.config)
    alike = [one for one in trials if one.task == finalist.task and canonical_json(one.config) == wanted]
    return min(alike, key=lambda one: (one.state == TrialState.FAILED, one.index), default=None)


def _of(task: str, results: list[TrialResult]) -> list[TrialResult]:
    return [one for one in results if one.task == task]


def _best(plan: SearchPlan, trials: list[TrialResult], finalists: list[TrialResult]) -> BestConfig | None:
    if plan.finalists is not None and (winner := best_trial(finalists)) is not None:
        return _config(winner, origin(winner, trials) or winner, finalist=True)
    best = best_trial(trials)
    return None if best is None else _config(best, best, finalist=False)


def _config(winner: TrialResult, trial: TrialResult, *, finalist: bool) -> BestConfig:
    if winner.value is None:
        raise ValueError(f"trial {winner.index} of {winner.task} has no value and cannot be the best")
    return BestConfig(
        hyperparameters=winner.config,
        trial_id=trial.trial_id,
        trial=trial.index,
        metric=winner.metric,
        value=winner.value,
        seeds=len(winner.seeds),
        finalist=finalist,
    )
