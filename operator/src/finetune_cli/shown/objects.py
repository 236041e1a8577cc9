"""Experiments and searches as rows and pages of a terminal. Pure."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from types import MappingProxyType

from rich.console import Group, RenderableType
from rich.text import Text

from finetune_cli.fitted import table
from finetune_client.overview import Mood, Overview
from finetune_client.task_table import TaskColumn, columns_of, task_rows
from finetune_core.tables import figures
from finetune_kube.kinds import EXPERIMENT, KINDS, SEARCH

_COLOURS = MappingProxyType(
    {Mood.GOOD: "green", Mood.BAD: "red", Mood.STUCK: "magenta", Mood.BUSY: "yellow", Mood.IDLE: "yellow"}
)
_COLUMNS = MappingProxyType(
    {
        EXPERIMENT: ("EXPERIMENT", "STATUS", "RUNS>", "SCORE", "ETA", "AGE>?", "MODEL?"),
        SEARCH: ("SEARCH", "STATUS", "TRIALS>", "BEST~", "ETA", "AGE>?", "MODEL?"),
    }
)


def object_list(
    seen: Iterable[Overview], now: datetime, *, with_namespace: bool = False, wide: bool = False
) -> RenderableType:
    """A table of experiments and one of searches, each with the columns that `kubectl get` has."""
    seen = list(seen)
    parts: list[RenderableType] = []
    for kind in KINDS:
        rows = [list_row(one, now, with_namespace=with_namespace) for one in seen if one.kind == kind]
        if rows:
            columns = (*(("NAMESPACE",) if with_namespace else ()), *_COLUMNS[kind])
            parts += [Text("")] if parts else []
            parts.append(table(columns, rows, wide=wide))
    return Group(*parts)


def list_row(seen: Overview, now: datetime, *, with_namespace: bool = False) -> tuple[object, ...]:
    """An object's line in the list of its kind."""
    return (
        *((seen.namespace,) if with_namespace else ()),
        seen.name,
        _state(seen),
        figures.count(seen.done, seen.total) if seen.total else None,
        seen.score or None,
        seen.eta or None,
        figures.age(seen.created, now) or None,
        seen.model or None,
    )


def _state(seen: Overview) -> Text:
    return Text(seen.state, style=_COLOURS[seen.mood])


def page(seen: Overview, now: datetime, *, wide: bool = False) -> RenderableType:
    """All that there is to know of one object while it works and when it has ended."""
    parts: list[RenderableType] = [_head(seen, now)]
    if seen.tasks:
        columns = [_marked(column) for column in columns_of(seen)]
        parts += [Text(""), table(columns, task_rows(seen), wide=wide)]
    return Group(*parts, *(Text(line) for line in _footer(seen)))


def _marked(column: TaskColumn) -> str:
    marks = ((">", column.right), ("?", column.extra), ("~", column.words))
    return column.title.upper() + "".join(mark for mark, has in marks if has)


def progress_line(seen: Overview) -> str:
    """Where it is, in a line that changes only when something happens."""
    done = figures.count(seen.done, seen.total) if seen.total else ""
    return f"{seen.state} {done}" + (f", ETA {seen.eta}" if seen.eta else "")


def _head(seen: Overview, now: datetime) -> Text:
    text = Text(f"{seen.kind.kind} {seen.namespace}/{seen.name}", style="bold")
    text.append("  ").append_text(_state(seen))
    for line in (", ".join(_facts(seen, now)), f"model {seen.model}", *seen.messages):
        text.append(f"\n{line}", style="not bold")
    return text


def _facts(seen: Overview, now: datetime) -> Iterator[str]:
    if seen.total:
        yield f"{seen.counted} {figures.count(seen.done, seen.total)}"
    if seen.taken:
        yield f"{seen.taken} of them taken from other experiments"
    if seen.running:
        yield f"{seen.running} running"
    if seen.failed:
        yield f"{seen.failed} failed"
    if seen.score:
        yield f"{'score' if seen.kind == EXPERIMENT else 'best'} {seen.score}"
    if seen.gpu_hours:
        yield f"{seen.gpu_hours} GPU-hours" + (f" ({seen.energy_kwh} kWh)" if seen.energy_kwh else "")
    if seen.eta:
        yield f"ETA {seen.eta}"
    yield f"age {figures.age(seen.created, now) or figures.NOTHING}"


def _footer(seen: Overview) -> Iterator[str]:
    yield from ("", *seen.failures) if seen.failures else ()
    yield from (f"warning: {warning}" for warning in seen.warnings)
    if seen.results:
        yield f"results: {seen.results}"
    if seen.leaderboard:
        constant = f" (placeholders: {', '.join(seen.placeholders)})" if seen.placeholders else ""
        yield f"leaderboard zip: {seen.leaderboard}{constant}"
    yield from (f"published: {where}" for where in seen.published)
