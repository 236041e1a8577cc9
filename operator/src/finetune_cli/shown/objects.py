"""Experiments and searches as rows and pages of a terminal. Pure."""

from collections.abc import Iterator
from datetime import datetime

from rich.console import Group, RenderableType
from rich.text import Text

from finetune_cli.output import table
from finetune_client.overview import Mood, Overview, TaskOverview
from finetune_core.tables import figures
from finetune_kube.kinds import EXPERIMENT

LIST_COLUMNS = ("KIND", "NAME", "STATUS", "DONE>", "BEST", "ETA", "AGE>")
_EXPERIMENT_TASKS = ("TASK", "RUNS>", "FAILED>", "METRIC", "BEST>", "MEAN ± STD>", "SCORE>", "BEST RUN", "STEP>")
_SEARCH_TASKS = ("TASK", "TRIALS>", "FAILED>", "METRIC", "BEST>", "TRIAL>", "HYPERPARAMETERS", "END")
_COLOURS = {Mood.GOOD: "green", Mood.BAD: "red"}


def list_row(seen: Overview, now: datetime, *, with_namespace: bool = False) -> tuple[object, ...]:
    """An object's line in a list, as LIST_COLUMNS has it."""
    return (
        seen.word,
        f"{seen.namespace}/{seen.name}" if with_namespace else seen.name,
        seen.state,
        figures.count(seen.done, seen.total) if seen.total else None,
        seen.score or None,
        seen.eta or None,
        figures.age(seen.created, now) or None,
    )


def page(seen: Overview, now: datetime) -> RenderableType:
    """All that there is to know of one object while it works and when it has ended."""
    columns, row = (_EXPERIMENT_TASKS, _experiment_row) if seen.kind == EXPERIMENT else (_SEARCH_TASKS, _search_row)
    parts: list[RenderableType] = [_head(seen, now)]
    if seen.tasks:
        parts += [Text(""), table(columns, map(row, seen.tasks))]
    return Group(*parts, *(Text(line) for line in _footer(seen)))


def progress_line(seen: Overview) -> str:
    """Where it is, in a line that changes only when something happens."""
    done = figures.count(seen.done, seen.total) if seen.total else ""
    return f"{seen.state} {done}" + (f", ETA {seen.eta}" if seen.eta else "")


def _head(seen: Overview, now: datetime) -> Text:
    text = Text(f"{seen.kind.kind} {seen.namespace}/{seen.name}", style="bold")
    text.append(f"  {seen.state}", style=_COLOURS.get(seen.mood, "yellow"))
    for line in (", ".join(_facts(seen, now)), f"model {seen.model}", *seen.messages):
        text.append(f"\n{line}", style="not bold")
    return text


def _facts(seen: Overview, now: datetime) -> Iterator[str]:
    if seen.total:
        yield f"{seen.counted} {figures.count(seen.done, seen.total)}"
    if seen.running:
        yield f"{seen.running} running"
    if seen.failed:
        yield f"{seen.failed} failed"
    if seen.score:
        yield f"{'score' if seen.kind == EXPERIMENT else 'best'} {seen.score}"
    if seen.eta:
        yield f"ETA {seen.eta}"
    yield f"age {figures.age(seen.created, now) or figures.NOTHING}"


def _experiment_row(task: TaskOverview) -> tuple[object, ...]:
    return (
        *_common(task),
        figures.spread(task.metric, task.mean, task.std),
        figures.score(task.score),
        None if task.best_run is None else f"{task.best_run} (seed {task.seed})",
        task.step,
    )


def _search_row(task: TaskOverview) -> tuple[object, ...]:
    return (*_common(task), task.best_run, figures.settings(task.hyperparameters), task.end)


def _common(task: TaskOverview) -> tuple[object, ...]:
    return task.name, task.done or None, task.failed or None, task.metric, figures.metric(task.metric, task.best)


def _footer(seen: Overview) -> Iterator[str]:
    yield from ("", *seen.failures) if seen.failures else ()
    yield from (f"warning: {warning}" for warning in seen.warnings)
    if seen.results:
        yield f"results: {seen.results}"
    if seen.leaderboard:
        constant = f" (placeholders: {', '.join(seen.placeholders)})" if seen.placeholders else ""
        yield f"leaderboard zip: {seen.leaderboard}{constant}"
