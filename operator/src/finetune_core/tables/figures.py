"""The one way to write each kind of figure for people: tables, pages, plots, terminals, `status` columns.

Metrics that are shares or correlations are written x100 with two decimals, as GLUE's own tables have them; losses,
errors and metrics that this version does not know are written as measured. Files for programs hold raw values.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from finetune_core.plain import one_line
from finetune_core.results.evaluation import Evaluation
from finetune_core.tasks.metrics import is_share, metric_range

NOTHING = "–"
"""In place of a figure that there is not."""

_COARSE = (
    (60, "<1m"),
    (90, "~1m"),
    (150, "~2m"),
    (240, "~3m"),
    (360, "~5m"),
    (510, "~7m"),
    (750, "~10m"),
    (1050, "~15m"),
    (1500, "~20m"),
    (2220, "~30m"),
    (3150, "~45m"),
    (4500, "~1h"),
    (6300, "~1.5h"),
    (9000, "~2h"),
)
"""Up to so many seconds: steps of about 1.5, so that an estimate that moves a little does not seem to double."""


def in_unit(metric: str, value: float) -> float:
    """A value as measured -> the number that people read, for the axes of plots."""
    return 100 * value if is_share(metric) else value


def ends(metric: str) -> tuple[float | None, float | None]:
    """The least and the greatest value of a metric as people read it; None where it has no end."""
    low, high = (None if end is None else in_unit(metric, end) for end in metric_range(metric))
    return low, high


def unit(metric: str) -> str:
    """` (× 100)`, or nothing: what stands behind the title of an axis of numbers `in_unit`."""
    return " (× 100)" if is_share(metric) else ""


def metric(name: str, value: float | None, *, signed: bool = False) -> str:
    """`66.12`, of a loss `0.4321`; `signed` is for differences: `+1.20`. `value` is as measured."""
    if value is None:
        return NOTHING
    return f"{100 * value:{_sign(signed)}.2f}" if is_share(name) else f"{value:{_sign(signed)}.4g}"


def named(name: str, value: float | None) -> str:
    """`accuracy 66.12`, for sentences and logs."""
    return "no value" if value is None else f"{name} {metric(name, value)}"


def score(value: float | None, *, signed: bool = False) -> str:
    """`84.21`; a score is x100 already."""
    return NOTHING if value is None else f"{value:{_sign(signed)}.2f}"


def deviation(name: str, std: float | None) -> str:
    """` ± 1.20`, to stand behind a mean; nothing where there is none, as of a single run."""
    return "" if std is None else f" ± {metric(name, std)}"


def spread(name: str, mean: float | None, std: float | None, n: int | None = None) -> str:
    """`66.12 ± 1.20 (5)`: mean, sample standard deviation and number of runs."""
    return f"{metric(name, mean)}{deviation(name, std)}" + ("" if n is None else f" ({n})")


def interval(name: str, difference: float | None, low: float | None, high: float | None) -> str:
    """`+1.20 [-0.30, +2.70]`: a difference in points with its confidence interval, where it has one."""
    ends = "" if low is None or high is None else ", ".join(metric(name, end, signed=True) for end in (low, high))
    return metric(name, difference, signed=True) + (f" [{ends}]" if ends else "")


def p_value(value: float | None) -> str:
    """`0.012`, `<0.001`."""
    if value is None:
        return NOTHING
    return "<0.001" if value < 0.001 else f"{value:.3f}"


def evaluation_line(evaluation: Evaluation, total: int, seconds_left: float | None) -> str:
    """`step 20 of 60: accuracy 66.12, loss 0.61, train loss 0.7, learning rate 2e-05, 12 s left`, for logs."""
    told = [named(name, value) for name, value in evaluation.metrics.items()]
    told += [f"train loss {evaluation.train_loss:.4g}"] if evaluation.train_loss is not None else []
    told += [f"learning rate {evaluation.learning_rate:.4g}"] if evaluation.learning_rate is not None else []
    told += [f"{duration(seconds_left)} left"] if seconds_left is not None else []
    return f"step {evaluation.step}" + (f" of {total}" if total else "") + f": {', '.join(told)}"


def count(done: int, total: int) -> str:
    """`3/9`."""
    return f"{done}/{total}"


def share(part: int, whole: int) -> str:
    """`887,042 (0.81%)`."""
    return f"{part:,} ({part / whole:.2%})" if whole else f"{part:,}"


def setting(value: Any) -> str:
    """A hyperparameter: `2e-05`, `500`, `linear`."""
    return f"{value:.4g}" if isinstance(value, float) else one_line(str(value))


def settings(config: Mapping[str, Any]) -> str:
    """`learningRate 5e-05, maxSteps 500`."""
    return ", ".join(f"{name} {setting(value)}" for name, value in config.items()) or NOTHING


def duration(seconds: float | None) -> str:
    """`2 h 5 min`, `3 min 4 s`, `12 s`."""
    if seconds is None:
        return NOTHING
    whole = round(seconds)
    if whole >= 3600:
        return f"{whole // 3600} h {whole % 3600 // 60} min"
    return f"{whole // 60} min {whole % 60} s" if whole >= 60 else f"{whole} s"


def hours(seconds: float) -> float:
    """GPU-hours of GPU seconds, as coarse as people read them: a status that tells them seldom changes."""
    exact = seconds / 3600
    return round(exact, 2 if exact < 1 else 1)


def gpu_hours(seconds: float | None) -> str:
    """`0.25`, `12.5`."""
    return NOTHING if seconds is None else f"{hours(seconds):g}"


def kwh(joules: float | None) -> float | None:
    """Kilowatt-hours, as coarse as GPU-hours: two digits that matter."""
    return None if joules is None else float(f"{joules / 3.6e6:.2g}")


def energy(joules: float | None) -> str:
    """`0.042`, `12`: kilowatt-hours."""
    told = kwh(joules)
    return NOTHING if told is None else f"{told:g}"


def eta(seconds: float | None) -> str | None:
    """`~20m`, `~3h`, `~2d`: coarse, so that it seldom changes and claims no precision; None stays None."""
    if seconds is None:
        return None
    for limit, text in _COARSE:
        if seconds <= limit:
            return text
    hours = seconds / 3600
    return f"~{round(hours)}h" if hours < 48 else f"~{round(hours / 24)}d"


def age(then: str | None, now: datetime) -> str:
    """`45s`, `12m`, `5h`, `3d` since an ISO time, as kubectl has it; empty where there is none that can be read."""
    try:
        seconds = max(0, int((now - datetime.fromisoformat(then or "")).total_seconds()))
    except (ValueError, TypeError, OverflowError):
        return ""
    for unit, size in (("d", 86_400), ("h", 3600), ("m", 60)):
        if seconds >= 2 * size:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def _sign(signed: bool) -> str:
    # z: what rounds to zero has no minus.
    return "+z" if signed else "z"
