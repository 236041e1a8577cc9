"""An experiment or a search at a glance, as plain values: what terminal and page show of one. Pure.

It comes from a custom resource where there is a cluster, and from what a store holds where there is none.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from finetune_core.json_types import Json
from finetune_kube.kinds import EXPERIMENT, Kind, kind_of

_IDLE = frozenset({"Pending", "Suspended", "Queued", "Interrupted"})
_STUCK = frozenset({"Blocked", "Stalled", "StorageUnavailable"})


class Mood(StrEnum):
    """What a state means for whoever waits; both renderers choose a colour by it."""

    GOOD = "good"
    BAD = "bad"
    BUSY = "busy"
    STUCK = "stuck"
    """It goes on by itself once somebody, or something, has mended what the message says."""
    IDLE = "idle"


@dataclass(frozen=True)
class TaskOverview:
    """A task: values as measured, `score` x100. `best_run` is a run's or a trial's number; `end` is of searches."""

    name: str
    metric: str
    done: str
    failed: int
    best: float | None
    best_run: int | None
    seed: int | None
    step: int | None
    mean: float | None
    std: float | None
    score: float | None
    gpu_hours: float | None
    energy_kwh: float | None
    hyperparameters: Mapping[str, Any]
    end: str | None


@dataclass(frozen=True)
class Overview:
    """One object. `done` of `total` runs or trials have ended; `score` is the text of its SCORE or BEST column.

    Of them, `taken` is how many runs another experiment has trained.
    `messages` are conditions that are not well; `failures` and `warnings` are sentences. `failed_runs` are the ids of
    the runs that failed for good, None where that is not known. `ended`: True well, False badly, None not yet, or what
    is told is of an earlier spec. `results` is the report's folder, `published` are addresses of
    models. `created` is an ISO time; texts may be empty.
    """

    kind: Kind
    namespace: str
    name: str
    state: str
    mood: Mood
    done: int = 0
    total: int = 0
    running: int = 0
    failed: int = 0
    taken: int = 0
    score: str = ""
    gpu_hours: str = ""
    energy_kwh: str = ""
    eta: str = ""
    created: str = ""
    model: str = ""
    messages: tuple[str, ...] = ()
    failures: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    tasks: tuple[TaskOverview, ...] = ()
    failed_runs: frozenset[str] | None = None
    ended: bool | None = None
    results: str = ""
    leaderboard: str = ""
    placeholders: tuple[str, ...] = field(default=())
    published: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def word(self) -> str:
        """`experiment` or `search`."""
        return "experiment" if self.kind == EXPERIMENT else "search"

    @property
    def counted(self) -> str:
        """`runs` or `trials`."""
        return "runs" if self.kind == EXPERIMENT else "trials"

    @property
    def percent(self) -> int:
        """How much has ended, 0 to 100."""
        return 100 * self.done // self.total if self.total else 0

    @property
    def notes(self) -> tuple[str, ...]:
        """All that is wrong or worth knowing."""
        return (*self.messages, *self.failures, *self.warnings)


def overview(item: Json) -> Overview:
    """A custom resource; its status is read leniently: an operator may be older or newer."""
    kind, status, metadata = kind_of(item["kind"]), item.get("status") or {}, item["metadata"]
    conditions = {condition.get("type"): condition for condition in status.get("conditions") or ()}
    outcome = conditions.get("Succeeded") or {}
    counts = status.get("runs" if kind == EXPERIMENT else "trials") or {}
    done, _, total = str(counts.get("summary") or "").partition("/")
    state = str(outcome.get("reason") or "Pending")
    succeeded = {"True": True, "False": False}.get(str(outcome.get("status")))
    leaderboard = status.get("leaderboard") or {}
    return Overview(
        kind=kind,
        namespace=metadata["namespace"],
        name=metadata["name"],
        state=state,
        mood=_mood(succeeded, state),
        done=int(done) if done.isdigit() else 0,
        total=int(total) if total.isdigit() else 0,
        running=counts.get("running") or 0,
        failed=counts.get("failed") or 0,
        taken=counts.get("taken") or 0,
        score=str(status.get("score" if kind == EXPERIMENT else "best") or ""),
        gpu_hours=_figure(status.get("gpuHours")),
        energy_kwh=_figure(status.get("energyKwh")),
        eta=str(status.get("eta") or ""),
        created=str(metadata.get("creationTimestamp") or ""),
        model=str(item["spec"]["model"]["uri"]),
        messages=tuple(_messages(conditions)),
        failures=tuple(_failures(status)),
        warnings=tuple(status.get("warnings") or ()),
        tasks=tuple(_task(kind, task) for task in status.get("tasks") or ()),
        failed_runs=_failed_runs(status),
        ended=succeeded if status.get("observedGeneration") == metadata.get("generation") else None,
        results=str((status.get("results") or {}).get("markdown") or "").rpartition("/")[0],
        leaderboard=str(leaderboard.get("uri") or ""),
        placeholders=tuple(leaderboard.get("placeholders") or ()),
        published=tuple(_published(status)),
        labels={str(key): str(value) for key, value in (metadata.get("labels") or {}).items()},
    )


def _task(kind: Kind, task: Json) -> TaskOverview:
    best = task.get("best") or {}
    return TaskOverview(
        name=task["name"],
        metric=task.get("metric") or "",
        done=task.get("runs" if kind == EXPERIMENT else "trials") or "",
        failed=task.get("failed") or 0,
        best=best.get("value"),
        best_run=best.get("run" if kind == EXPERIMENT else "trial"),
        seed=best.get("seed"),
        step=best.get("step"),
        mean=task.get("mean"),
        std=task.get("std"),
        score=task.get("score"),
        gpu_hours=task.get("gpuHours"),
        energy_kwh=task.get("energyKwh"),
        hyperparameters=best.get("hyperparameters") or {},
        end=task.get("end"),
    )


def _figure(value: float | None) -> str:
    return f"{value:g}" if value else ""


def _mood(succeeded: bool | None, state: str) -> Mood:
    if succeeded is not None:
        return Mood.GOOD if succeeded else Mood.BAD
    if state in _STUCK:
        return Mood.STUCK
    return Mood.IDLE if state in _IDLE else Mood.BUSY


def _messages(conditions: Mapping[Any, Json]) -> Iterator[str]:
    for kind in ("Valid", "Succeeded"):
        condition = conditions.get(kind) or {}
        if condition.get("status") != "True" and condition.get("message"):
            yield str(condition["message"])
    for kind in ("StorageSafe", "NotificationsDelivered"):
        if message := (conditions.get(kind) or {}).get("message"):
            yield str(message)
    published = conditions.get("Published") or {}
    if published.get("status") == "False" and published.get("message"):
        yield f"Not published: {published['message']}"


def _failures(status: Json) -> Iterator[str]:
    for failure in status.get("failures") or ():
        where = f"run {failure['run']}" if "run" in failure else f"cluster {failure.get('cluster')}"
        yield f"{failure['task']} {where}: {failure['reason']}: {failure['message']}"
    if omitted := status.get("failuresOmitted"):
        yield f"and {omitted} more failures"


def _published(status: Json) -> Iterator[str]:
    for one in status.get("published") or ():
        yield f"{one.get('task')}: {one.get('uri')}"
    if omitted := status.get("publishedOmitted"):
        yield f"and {omitted} more"


def _failed_runs(status: Json) -> frozenset[str] | None:
    """Where the list is cut, or there is no status yet, it does not tell."""
    if "runs" not in status or status.get("failuresOmitted"):
        return None
    return frozenset(str(failure.get("runId")) for failure in status.get("failures") or ())
