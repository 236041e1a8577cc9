"""The summary of a search as tables: summary.csv for programs, summary.md for people; cells for the page too."""

from collections.abc import Iterator
from typing import Any

from finetune_core.results.search.summary import FinalistRow, SearchSummary, TaskSummary, TopTrial
from finetune_core.tables import figures
from finetune_core.tables.markdown import markdown_table, markdown_text
from finetune_core.tables.search_wording import best_line, bias_line, cost_line, counts_line, evidence, facts
from finetune_core.tables.trials import to_csv

_COLUMNS = (
    "task", "proxyFor", "metric", "value", "seeds", "finalist", "trial", "trialId",
    "planned", "completed", "stopped", "failed", "unfinished", "duplicates", "endReason",
    "wallSeconds", "trialSeconds", "concurrency", "stepsPlanned", "stepsTrained", "stepsSaved",
    "secondsToBest", "trialsToBest",
)  # fmt: skip


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
    title = f"# {markdown_text(summary.namespace)}/{markdown_text(summary.search)}"
    blocks = [title, *map(markdown_text, facts(summary)), _best_table(summary)]
    for task in summary.tasks:
        blocks += [f"## {task.task}", *_task_blocks(task)]
    blocks.append("## Files\n\n" + "\n".join(f"- {markdown_text(summary.uri)}/{name}" for name in _files(summary)))
    return ("\n\n".join(blocks) + "\n").encode()


def top_header(task: TaskSummary) -> tuple[str, ...]:
    """Column titles of the table of the best trials."""
    return ("#", "Trial", task.metric, "Step", "State", *_names(task), "Time")


def top_cells(task: TaskSummary, rank: int, row: TopTrial) -> tuple[str, ...]:
    """A row of the table of the best trials."""
    config = row.hyperparameters
    values = (figures.setting(config[name]) if name in config else figures.NOTHING for name in _names(task))
    value = figures.metric(task.metric, row.value)
    return (str(rank), str(row.trial), value, str(row.step), row.state.value, *values, figures.duration(row.seconds))


FINALISTS_HEADER = ("Trial", "Before", "After", "Change", "Fresh seeds", "State", "Exported")


def finalist_cells(task: TaskSummary, row: FinalistRow) -> tuple[str, ...]:
    """A row of the table of finalists."""
    return (
        figures.NOTHING if row.trial is None else str(row.trial),
        figures.metric(task.metric, row.before),
        figures.metric(task.metric, row.after),
        figures.metric(task.metric, row.change, signed=True),
        str(row.seeds),
        row.state.value,
        "yes" if row.exported else "",
    )


def best_header() -> tuple[str, ...]:
    """Column titles of the table of the tasks' best."""
    return ("Task", "Metric", "Value", "Evidence", "Hyperparameters")


def best_rows(summary: SearchSummary) -> Iterator[tuple[str, ...]]:
    """The best of every task, proxied tasks below the task that stands in for them."""
    for task in summary.tasks:
        if task.best is None:
            yield (task.task, task.metric, figures.NOTHING, figures.NOTHING, figures.NOTHING)
            continue
        shown = figures.settings(task.best.hyperparameters)
        yield (task.task, task.metric, figures.metric(task.metric, task.best.value), evidence(task.best), shown)
        for other in task.proxy_for:
            yield (other, task.metric, figures.NOTHING, f"not searched: as {task.task}", shown)


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
    return markdown_table(best_header(), best_rows(summary))


def _task_blocks(task: TaskSummary) -> Iterator[str]:
    yield best_line(task)
    if task.best is not None:
        yield "\n".join(
            f"- {markdown_text(name)}: {markdown_text(figures.setting(value))}"
            for name, value in task.best.hyperparameters.items()
        )
    yield markdown_text(counts_line(task))
    yield cost_line(task)
    if task.finalists:
        yield "### Finalists"
        yield markdown_table(FINALISTS_HEADER, (finalist_cells(task, row) for row in task.finalists))
        if (bias := bias_line(task)) is not None:
            yield bias
    if task.top:
        yield "### Best trials"
        yield markdown_table(
            top_header(task), (top_cells(task, rank, row) for rank, row in enumerate(task.top, start=1))
        )
    yield from map(markdown_text, task.notes)


def _names(task: TaskSummary) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for row in task.top for name in row.hyperparameters))


def _files(summary: SearchSummary) -> Iterator[str]:
    yield from ("summary.json", "summary.csv", "summary.html", "trials.csv")
    if any(task.best for task in summary.tasks):
        yield "hps/"
    if any(task.plots for task in summary.tasks):
        yield "plots/"
