"""From the evaluations of a trial's runs to its reports and its result; pure."""

import statistics
from collections.abc import Iterable, Sequence

from finetune_core.planning.settings import Settings
from finetune_core.results.evaluation import Evaluation
from finetune_core.results.search.trial import TrialReport


def total_steps(settings: Settings, latest: Evaluation) -> int:
    """The steps of a whole run, worked out from an evaluation where the settings count epochs."""
    if settings.max_steps:
        return settings.max_steps
    epochs = settings.num_train_epochs or 1.0
    return max(latest.step, round(latest.step * epochs / (latest.epoch or epochs)))


def mean_report(settings: Settings, evaluations: Sequence[Evaluation]) -> TrialReport:
    """The mean of the runs' evaluations; a metric that is not finite in one of them is None."""
    latest = max(evaluations, key=lambda evaluation: evaluation.step)
    return TrialReport(
        step=latest.step,
        progress=min(1.0, latest.step / total_steps(settings, latest)),
        seconds=round(sum(evaluation.seconds or 0.0 for evaluation in evaluations), 2),
        metrics={name: _mean(evaluation.metrics.get(name) for evaluation in evaluations) for name in latest.metrics},
    )


def _mean(values: Iterable[float | None]) -> float | None:
    found = [*values]
    kept = [value for value in found if value is not None]
    return statistics.fmean(kept) if kept and len(kept) == len(found) else None


def best_report(history: Iterable[TrialReport], metric: str, *, greater_is_better: bool) -> TrialReport | None:
    """The first report with the best finite value; None without one. NaN never is the best."""
    best: TrialReport | None = None
    for report in history:
        value = report.metrics.get(metric)
        if value is None:
            continue
        known = None if best is None else best.metrics[metric]
        if known is None or (value > known if greater_is_better else value < known):
            best = report
    return best
