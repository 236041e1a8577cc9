"""Experiments and searches as rows and pages. Statuses are read leniently: an operator may be older or newer."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from finetune_cli.output import table

Json = Mapping[str, Any]

LIST_COLUMNS = ("KIND", "NAME", "STATUS", "DONE>", "BEST", "ETA", "AGE>")
_EXPERIMENT_TASKS = ("TASK", "RUNS>", "FAILED>", "METRIC", "BEST>", "MEAN ± STD>", "SCORE>", "BEST RUN", "STEP>")
_SEARCH_TASKS = ("TASK", "TRIALS>", "FAILED>", "METRIC", "BEST>", "TRIAL>", "HYPERPARAMETERS", "END")
_COLOURS = {"True": "green", "False": "red"}


def condition(item: Json, kind: str) -> Json:
    """A condition of an object; empty where it has none yet."""
    found: list[Json] = (item.get("status") or {}).get("conditions") or []
    return next((one for one in found if one.get("type") == kind), {})


def ended(item: Json) -> bool | None:
    """True: it ended well. False: badly. None: it has not ended (or what is shown is of an earlier spec)."""
    status = item.get("status") or {}
    if status.get("observedGeneration") != item["metadata"].get("generation"):
        return None
    return {"True": True, "False": False}.get(str(condition(item, "Succeeded").get("status")))


def list_row(item: Json, now: datetime, *, with_namespace: bool = False) -> tuple[object, ...]:
    """An object's line in a list, as LIST_COLUMNS has it."""
    status = item.get("status") or {}
    search = item["kind"] == "HPSearch"
    counts = status.get("trials" if search else "runs") or {}
    name = item["metadata"]["name"]
    return (
        "search" if search else "experiment",
        f"{item['metadata']['namespace']}/{name}" if with_namespace else name,
        condition(item, "Succeeded").get("reason") or "Pending",
        counts.get("summary"),
        status.get("best") if search else status.get("score"),
        status.get("eta"),
        age(item["metadata"].get("creationTimestamp"), now),
    )


def page(item: Json, now: datetime) -> RenderableType:
    """All that there is to know of one object while it works and when it has ended."""
    status = item.get("status") or {}
    search = item["kind"] == "HPSearch"
    rows = list(_search_rows(status) if search else _experiment_rows(status))
    parts: list[RenderableType] = [_head(item, now)]
    if rows:
        parts += [Text(""), table(_SEARCH_TASKS if search else _EXPERIMENT_TASKS, rows)]
    parts += [Text(line) for line in _footer(status)]
    return Group(*parts)


def _head(item: Json, now: datetime) -> Text:
    status = item.get("status") or {}
    summary = condition(item, "Succeeded")
    counts = status.get("trials") or status.get("runs") or {}
    text = Text(f"{item['kind']} {item['metadata']['namespace']}/{item['metadata']['name']}", style="bold")
    reason = summary.get("reason") or "Pending"
    text.append(f"  {reason}", style=_COLOURS.get(str(summary.get("status")), "yellow"))
    facts = [f"{'trials' if 'trials' in status else 'runs'} {counts['summary']}"] if counts.get("summary") else []
    facts += [f"{counts['running']} running"] if counts.get("running") else []
    facts += [f"{counts['failed']} failed"] if counts.get("failed") else []
    facts += [f"score {status['score']}"] if status.get("score") else []
    facts += [f"ETA {status['eta']}"] if status.get("eta") else []
    facts += [f"age {age(item['metadata'].get('creationTimestamp'), now)}"]
    text.append(f"\n{', '.join(facts)}", style="not bold")
    text.append(f"\nmodel {item['spec']['model']['uri']}", style="not bold")
    for one in (condition(item, "Valid"), summary):
        if one.get("status") != "True" and one.get("message"):
            text.append(f"\n{one['message']}", style="not bold")
    return text


def _experiment_rows(status: Json) -> Iterator[tuple[object, ...]]:
    for task in status.get("tasks") or ():
        best = task.get("best") or {}
        yield (
            task["name"],
            task.get("runs"),
            task.get("failed") or None,
            task.get("metric"),
            number(best.get("value")),
            spread(task.get("mean"), task.get("std")),
            number(task.get("score"), digits=2),
            f"{best['run']} (seed {best['seed']})" if best else None,
            best.get("step"),
        )


def _search_rows(status: Json) -> Iterator[tuple[object, ...]]:
    for task in status.get("tasks") or ():
        best = task.get("best") or {}
        values = best.get("hyperparameters") or {}
        yield (
            task["name"],
            task.get("trials"),
            task.get("failed") or None,
            task.get("metric"),
            number(best.get("value")),
            best.get("trial"),
            ", ".join(f"{key} {_short(value)}" for key, value in values.items()) or None,
            task.get("end"),
        )


def _footer(status: Json) -> Iterator[str]:
    failures = status.get("failures") or ()
    if failures:
        yield ""
    for one in failures:
        where = f"run {one['run']}" if "run" in one else f"cluster {one.get('cluster')}"
        yield f"{one['task']} {where}: {one['reason']}: {one['message']}"
    if status.get("failuresOmitted"):
        yield f"and {status['failuresOmitted']} more failures"
    for warning in status.get("warnings") or ():
        yield f"warning: {warning}"
    results = status.get("results") or {}
    if results.get("markdown"):
        yield f"results: {results['markdown'].rpartition('/')[0]}"
    leaderboard = status.get("leaderboard") or {}
    if leaderboard.get("uri"):
        constant = ", ".join(leaderboard.get("placeholders") or ())
        yield f"leaderboard zip: {leaderboard['uri']}" + (f" (placeholders: {constant})" if constant else "")


def number(value: float | None, *, digits: int = 4) -> str | None:
    """A figure with so many decimals; None where there is none."""
    return None if value is None else f"{value:.{digits}f}"


def spread(mean: float | None, std: float | None) -> str | None:
    """`0.6612 ± 0.0123`; without a standard deviation the mean alone."""
    if mean is None:
        return None
    return f"{mean:.4f}" if std is None else f"{mean:.4f} ± {std:.4f}"


def age(created: str | None, now: datetime) -> str:
    """`45s`, `12m`, `5h`, `3d` since a timestamp of the API."""
    if not created:
        return "–"
    seconds = max(0, int((now - datetime.fromisoformat(created)).total_seconds()))
    for unit, size in (("d", 86_400), ("h", 3600), ("m", 60)):
        if seconds >= 2 * size:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
