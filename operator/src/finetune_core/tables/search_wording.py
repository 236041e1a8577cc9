"""A search in sentences, for summary.md and the page alike."""

from collections.abc import Iterable, Iterator

from finetune_core.results.search.export import BestConfig
from finetune_core.results.search.summary import SearchSummary, TaskSummary
from finetune_core.tables import figures


def facts(summary: SearchSummary) -> Iterator[str]:
    """What was searched, and how."""
    pinned = "" if summary.model_pinned else " (not pinned to its content, so it may have changed between trials)"
    yield f"Model: {summary.model_uri}{pinned}"
    seeds = "1 seed" if summary.seeds_per_trial == 1 else f"{summary.seeds_per_trial} seeds"
    yield f"{summary.algorithm.value} with {summary.scheduler.value}, {seeds} a trial."


def best_text(found: Iterable[tuple[str, BestConfig]]) -> str:
    """`rte 66.12, cola 41.30`: the best value of each task, for a narrow column; empty where there is none."""
    return ", ".join(f"{task} {figures.metric(best.metric, best.value)}" for task, best in found)


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
    if counts.taken:
        parts.append(f"{counts.taken} had been trained by another search and were copied")
    return ", ".join(parts)


def cost_line(task: TaskSummary) -> str:
    """Wall time, work, what early stopping spared, when the best was found."""
    cost = task.efficiency
    parts = [f"Wall time {figures.duration(cost.wall_seconds)}, trials' time {figures.duration(cost.trial_seconds)}"]
    if cost.gpu_seconds:
        parts.append(f"{figures.gpu_hours(cost.gpu_seconds)} GPU-hours")
    if cost.concurrency is not None:
        parts.append(f"{cost.concurrency:.1f} trials at a time")
    if cost.steps_saved is not None:
        parts.append(
            f"{cost.steps_trained} of {cost.steps_planned} steps trained ({100 * cost.steps_saved:.0f}% saved)"
        )
    if cost.trials_to_best is not None:
        parts.append(
            f"best trial was the {cost.trials_to_best}. to end, after {figures.duration(cost.seconds_to_best)}"
        )
    return "; ".join(parts) + "."


def best_line(task: TaskSummary) -> str:
    """The value that the exported configuration is said to have."""
    best = task.best
    if best is None:
        return "No trial has a value, so there are no best hyperparameters."
    return f"Best: {figures.metric(best.metric, best.value)} {best.metric}, {evidence(best)}."


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
    mean = figures.metric(task.metric, sum(changes) / len(changes), signed=True)
    return (
        f"On fresh seeds the value of these configurations changed by {mean} on average. They were chosen because "
        "their first value was the best of many, which makes it too good on average (the winner's bias)."
    )
