"""The best trial of a task: one rule for status, table, export and finalists."""

from collections.abc import Iterable

from finetune_core.results.search.trial import TrialResult, TrialState


def best_trial(trials: Iterable[TrialResult]) -> TrialResult | None:
    """The trial whose value is best; ties go to the lower index. Failed trials and non-finite values never win."""
    return next(iter(ranked(trials)), None)


def ranked(trials: Iterable[TrialResult]) -> list[TrialResult]:
    """Trials that have a value, best first, each configuration once."""
    valued = [one for one in trials if one.value is not None and one.state != TrialState.FAILED]
    valued.sort(key=_rank)
    seen: set[str] = set()
    return [one for one in valued if not (one.trial_id in seen or seen.add(one.trial_id))]  # type: ignore[func-returns-value]


def _rank(trial: TrialResult) -> tuple[float, int]:
    value = trial.value if trial.value is not None else float("nan")
    return (-value if trial.greater_is_better else value, trial.index)
