"""From the evaluations of a trial's runs to its reports and its result; pure."""

import statistics
from collections.abc import Iterable, Sequence
from typing import Any

from finetune_core.search.trials import TrialReport
from finetune_core.settings import Settings
from finetune_core.stored import finite
from finetune_trainer.progress import Line

_NO_METRICS = frozenset(
    {"step", "epoch", "learningRate", "trainLoss", "time", "seconds", "sparsity", "nonZeroParameters"}
)


def total_steps(settings: Settings, line: Line) -> int:
    """The steps of a whole run, worked out from an evaluation where the settings count epochs."""
    if settings.max_steps:
        return settings.max_steps
    epochs = settings.num_train_epochs or 1.0
    step = int(line["step"])
    return max(step, round(step * epochs / float(line.get("epoch") or epochs)))


def mean_report(settings: Settings, lines: Sequence[Line]) -> TrialReport:
    """The mean of the runs' evaluations; a metric that is not finite in one of them is None."""
    latest = max(lines, key=lambda line: int(line["step"]))
    step = int(latest["step"])
    names = [name for name in latest if name not in _NO_METRICS]
    return TrialReport(
        step=step,
        progress=min(1.0, step / total_steps(settings, latest)),
        seconds=round(sum(float(line.get("seconds") or 0.0) for line in lines), 2),
        metrics={name: _mean(line.get(name) for line in lines) for name in names},
    )


def _mean(values: Iterable[Any]) -> float | None:
    found = [finite(value) for value in values]
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
