"""How a search is told to people: figures, durations and sentences, for summary.md and the page alike."""

from collections.abc import Iterator
from typing import Any

from finetune_core.metrics import greater_is_better
from finetune_core.plain import one_line
from finetune_core.search.export import BestConfig
from finetune_core.search.summary import SearchSummary, TaskSummary

NOTHING = "–"


def facts(summary: SearchSummary) -> Iterator[str]:
    """What was searched, and how."""
    pinned = "" if summary.model_pinned else " (not pinned to its content, so it may have changed between trials)"
    yield f"Model: {summary.model_uri}{pinned}"
    seeds = "1 seed" if summary.seeds_per_trial == 1 else f"{summary.seeds_per_trial} seeds"
    yield f"{summary.algorithm.value} with {summary.scheduler.value}, {seeds} a trial."


def figure(metric: str, value: float | None, *, signed: bool = False) -> str:
    """A value as people read it: per cent where the metric's nature is that more is better, else as measured."""
    if value is None:
        return NOTHING
    sign = "+" if signed else ""
    return f"{100 * value:{sign}.2f}" if greater_is_better(metric) else f"{value:{sign}.4g}"


def setting(value: Any) -> str:
    """A hyperparameter as people read it."""
    return f"{value:.4g}" if isinstance(value, float) else one_line(str(value))


def settings(config: dict[str, Any]) -> str:
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


def counts_line(task: TaskSummary) -> str:
    """What became of a task's trials, and why its search ended."""
    message = f" ({task.end_message})" if task.end_message else ""
    end = task.end_reason.value if task.end_reason else "The search was given up"
    return f"{counted(task)}. {end}{message}."


def counts_line_now(task: TaskSummary) -> str:
    """The same while it may still go on: a task that has not ended is not given up."""
    return counts_line(task) if task.end_reason else f"{counted(task, unfinished='under way')}."


def counted(task: TaskSummary, *, unfinished: str = "unfinished") -> str:
    """`12 of 16 trials ended: 4 completed, 8 stopped early, 2 under way`."""
    counts = task.counts
    parts = [f"{counts.ended} of {counts.planned} trials ended: {counts.completed} completed"]
    others = {"stopped early": counts.stopped, "failed": counts.failed, unfinished: counts.unfinished}
    parts += [f"{number} {name}" for name, number in others.items() if number]
    if counts.duplicates:
        parts.append(f"{counts.duplicates} repeated another's configuration and were not run")
    return ", ".join(parts)


def cost_line(task: TaskSummary) -> str:
    """Wall time, work, what early stopping spared, when the best was found."""
    cost = task.efficiency
    parts = [f"Wall time {duration(cost.wall_seconds)}, trials' time {duration(cost.trial_seconds)}"]
    if cost.concurrency is not None:
        parts.append(f"{cost.concurrency:.1f} trials at a time")
    if cost.steps_saved is not None:
        parts.append(
            f"{cost.steps_trained} of {cost.steps_planned} steps trained ({100 * cost.steps_saved:.0f}% saved)"
        )
    if cost.trials_to_best is not None:
        parts.append(f"best trial was the {cost.trials_to_best}. to end, after {duration(cost.seconds_to_best)}")
    return "; ".join(parts) + "."


def best_line(task: TaskSummary) -> str:
    """The value that the exported configuration is said to have."""
    best = task.best
    if best is None:
        return "No trial has a value, so there are no best hyperparameters."
    return f"Best: {figure(best.metric, best.value)} {best.metric}, {evidence(best)}."


def evidence(best: BestConfig) -> str:
    """`mean of 3 fresh seeds (finalist), trial 7`."""
    kind = "fresh seed" if best.finalist else "seed"
    seeds = f"1 {kind}" if best.seeds == 1 else f"mean of {best.seeds} {kind}s"
    return f"{seeds}{' (finalist)' if best.finalist else ''}, trial {best.trial}"


def bias_line(task: TaskSummary) -> str | None:
    """What fresh seeds changed, over all finalists; None without finalists that have a value."""
    changes = [row.change for row in task.finalists if row.change is not None]
    if not changes:
        return None
    mean = figure(task.metric, sum(changes) / len(changes), signed=True)
    return (
        f"On fresh seeds the value of these configurations changed by {mean} on average. They were chosen because "
        "their first value was the best of many, which makes it too good on average (the winner's bias)."
    )
