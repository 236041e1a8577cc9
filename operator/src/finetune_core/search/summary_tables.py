"""The summary of a search as tables: summary.csv for programs, summary.md for people; the texts of the page too."""

from collections.abc import Iterable, Iterator
from typing import Any

from finetune_core.metrics import greater_is_better
from finetune_core.search.export import BestConfig
from finetune_core.search.summary import FinalistRow, SearchSummary, TaskSummary, TopTrial
from finetune_core.search.trials_table import to_csv

_COLUMNS = (
    "task", "proxyFor", "metric", "value", "seeds", "finalist", "trial", "trialId",
    "planned", "completed", "stopped", "failed", "unfinished", "duplicates", "endReason",
    "wallSeconds", "trialSeconds", "concurrency", "stepsPlanned", "stepsTrained", "stepsSaved",
    "secondsToBest", "trialsToBest",
)  # fmt: skip
NOTHING = "–"


def summary_csv(summary: SearchSummary) -> bytes:
    """One row a searched task, then a column for every hyperparameter of its best configuration; values as measured."""
    configs = [task.best.hyperparameters if task.best else {} for task in summary.tasks]
    names = sorted({name for config in configs for name in config})
    rows = (
        [*_cells(task), *(config.get(name) for name in names)]
        for task, config in zip(summary.tasks, configs, strict=True)
    )
    return to_csv((*_COLUMNS, *names), rows)


def summary_markdown(summary: SearchSummary) -> bytes:
    """Best hyperparameters of all tasks, then per task counts, cost, finalists and the best trials."""
    blocks = [f"# {summary.namespace}/{summary.search}", *facts(summary), _best_table(summary)]
    for task in summary.tasks:
        blocks += [f"## {task.task}", *_task_blocks(task)]
    blocks.append("## Files\n\n" + "\n".join(f"- {summary.uri}/{name}" for name in _files(summary)))
    return ("\n\n".join(blocks) + "\n").encode()


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
    return f"{value:.4g}" if isinstance(value, float) else str(value)


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
    counts = task.counts
    parts = [f"{counts.ended} of {counts.planned} trials ended: {counts.completed} completed"]
    others = {"stopped early": counts.stopped, "failed": counts.failed, "unfinished": counts.unfinished}
    parts += [f"{number} {name}" for name, number in others.items() if number]
    if counts.duplicates:
        parts.append(f"{counts.duplicates} repeated another's configuration and were not run")
    message = f" ({task.end_message})" if task.end_message else ""
    return f"{', '.join(parts)}. {task.end_reason.value if task.end_reason else 'The search was given up'}{message}."


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


def top_header(task: TaskSummary) -> tuple[str, ...]:
    """Column titles of the table of the best trials."""
    return ("#", "Trial", task.metric, "Step", "State", *_names(task), "Time")


def top_cells(task: TaskSummary, rank: int, row: TopTrial) -> tuple[str, ...]:
    """A row of the table of the best trials."""
    values = (setting(row.hyperparameters[name]) if name in row.hyperparameters else NOTHING for name in _names(task))
    value = figure(task.metric, row.value)
    return (str(rank), str(row.trial), value, str(row.step), row.state.value, *values, duration(row.seconds))


FINALISTS_HEADER = ("Trial", "Before", "After", "Change", "Fresh seeds", "State", "Exported")


def finalist_cells(task: TaskSummary, row: FinalistRow) -> tuple[str, ...]:
    """A row of the table of finalists."""
    return (
        NOTHING if row.trial is None else str(row.trial),
        figure(task.metric, row.before),
        figure(task.metric, row.after),
        figure(task.metric, row.change, signed=True),
        str(row.seeds),
        row.state.value,
        "yes" if row.exported else "",
    )


def table(header: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table of Markdown."""
    titles = tuple(header)
    return "\n".join(_line(cells) for cells in (titles, ("---",) * len(titles), *rows))


def best_header() -> tuple[str, ...]:
    """Column titles of the table of the tasks' best."""
    return ("Task", "Metric", "Value", "Evidence", "Hyperparameters")


def best_rows(summary: SearchSummary) -> Iterator[tuple[str, ...]]:
    """The best of every task, proxied tasks below the task that stands in for them."""
    for task in summary.tasks:
        if task.best is None:
            yield (task.task, task.metric, NOTHING, NOTHING, NOTHING)
            continue
        shown = settings(task.best.hyperparameters)
        yield (task.task, task.metric, figure(task.metric, task.best.value), evidence(task.best), shown)
        for other in task.proxy_for:
            yield (other, task.metric, NOTHING, f"not searched: as {task.task}", shown)


def _cells(task: TaskSummary) -> list[Any]:
    best, counts, cost = task.best, task.counts, task.efficiency
    return [
        task.task, " ".join(task.proxy_for), task.metric,
        *((best.value, best.seeds, best.finalist, best.trial, best.trial_id) if best else (None,) * 5),
        counts.planned, counts.completed, counts.stopped, counts.failed, counts.unfinished, counts.duplicates,
        task.end_reason.value if task.end_reason else None,
        cost.wall_seconds, cost.trial_seconds, cost.concurrency, cost.steps_planned, cost.steps_trained,
        cost.steps_saved, cost.seconds_to_best, cost.trials_to_best,
    ]  # fmt: skip


def _best_table(summary: SearchSummary) -> str:
    return table(best_header(), best_rows(summary))


def _task_blocks(task: TaskSummary) -> Iterator[str]:
    yield best_line(task)
    if task.best is not None:
        yield "\n".join(f"- {name}: {setting(value)}" for name, value in task.best.hyperparameters.items())
    yield counts_line(task)
    yield cost_line(task)
    if task.finalists:
        yield "### Finalists"
        yield table(FINALISTS_HEADER, (finalist_cells(task, row) for row in task.finalists))
        if (bias := bias_line(task)) is not None:
            yield bias
    if task.top:
        yield "### Best trials"
        yield table(top_header(task), (top_cells(task, rank, row) for rank, row in enumerate(task.top, start=1)))
    yield from task.notes


def _names(task: TaskSummary) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for row in task.top for name in row.hyperparameters))


def _files(summary: SearchSummary) -> Iterator[str]:
    yield from ("summary.json", "summary.csv", "summary.html", "trials.csv")
    if any(task.best for task in summary.tasks):
        yield "hps/"
    if any(task.plots for task in summary.tasks):
        yield "plots/"


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(" ".join(cell.split()).replace("|", "\\|") for cell in cells) + " |"
