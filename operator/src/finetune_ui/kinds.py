"""What the page is about: objects of two kinds, as rows of a list and as the heads of their own pages. Pure.

Both come from a custom resource where there is a cluster, and from what a store holds where there is none.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from urllib.parse import quote

from finetune_core.search import wording
from finetune_kube.kinds import EXPERIMENT, SEARCH, Kind

Json = Mapping[str, Any]


class Mood(StrEnum):
    """How a status is shown: the name of a style."""

    GOOD = "good"
    BAD = "bad"
    BUSY = "busy"
    IDLE = "idle"


KINDS: Mapping[str, Kind] = {"experiments": EXPERIMENT, "searches": SEARCH}
"""Word in an address -> kind."""

_EXPERIMENT_TASKS = ("Task", "Runs", "Failed", "Metric", "Best", "Mean", "Std", "Score", "Best run")
_SEARCH_TASKS = ("Task", "Trials", "Failed", "Metric", "Best", "Best trial", "Hyperparameters")
_IDLE = frozenset({"Pending", "Suspended", "Queued", "Interrupted"})


@dataclass(frozen=True)
class Head:
    """An object as a list shows it, and the head of its page; texts are empty where there is nothing to say.

    `done` of `total` runs or trials have ended; `notes` say what is wrong or worth knowing; `created` is an ISO time.
    `failed` are the ids of the runs that have failed for good, None where that is not known.
    """

    word: str
    namespace: str
    name: str
    status: str
    mood: Mood
    done: int = 0
    total: int = 0
    best: str = ""
    eta: str = ""
    created: str = ""
    model: str = ""
    notes: tuple[str, ...] = ()
    table: tuple[tuple[str, ...], ...] = ()
    failed: frozenset[str] | None = None

    @property
    def header(self) -> tuple[str, ...]:
        """Titles of `table`: the tasks as the cluster tells them, for when the store cannot be read."""
        return _EXPERIMENT_TASKS if self.word == "experiments" else _SEARCH_TASKS

    @property
    def path(self) -> str:
        """Address of its page."""
        return f"/{self.word}/{quote(self.namespace, safe='')}/{quote(self.name, safe='')}"

    @property
    def percent(self) -> int:
        """How much has ended, 0 to 100."""
        return 100 * self.done // self.total if self.total else 0

    @property
    def counted(self) -> str:
        """`runs` or `trials`."""
        return "runs" if self.word == "experiments" else "trials"


def head_of(item: Json) -> Head:
    """The head of a custom resource; its status is read leniently: an operator may be older or newer."""
    word = "experiments" if item["kind"] == EXPERIMENT.kind else "searches"
    status, metadata = item.get("status") or {}, item["metadata"]
    conditions = {one.get("type"): one for one in status.get("conditions") or ()}
    outcome = conditions.get("Succeeded") or {}
    reason = str(outcome.get("reason") or "Pending")
    counts = status.get("runs" if word == "experiments" else "trials") or {}
    done, _, total = str(counts.get("summary") or "0/0").partition("/")
    best = status.get("score") if word == "experiments" else status.get("best")
    return Head(
        word=word,
        namespace=metadata["namespace"],
        name=metadata["name"],
        status=reason,
        mood=_mood(str(outcome.get("status")), reason),
        done=int(done) if done.isdigit() else 0,
        total=int(total) if total.isdigit() else 0,
        best=str(best or ""),
        eta=str(status.get("eta") or ""),
        created=str(metadata.get("creationTimestamp") or ""),
        model=str(item["spec"]["model"]["uri"]),
        notes=tuple(_notes(status, conditions)),
        table=tuple(_row(word, task) for task in status.get("tasks") or ()),
        failed=_failed(status),
    )


def _failed(status: Json) -> frozenset[str] | None:
    """Where the list is cut, or there is no status yet, it does not tell."""
    if "runs" not in status or status.get("failuresOmitted"):
        return None
    return frozenset(str(one.get("runId")) for one in status.get("failures") or ())


def _row(word: str, task: Json) -> tuple[str, ...]:
    best = task.get("best") or {}
    common = (task.get("name"), task.get("runs" if word == "experiments" else "trials"), task.get("failed") or 0)
    own: tuple[object, ...] = (best.get("trial"), wording.settings(best.get("hyperparameters") or {}))
    if word == "experiments":
        own = (task.get("mean"), task.get("std"), task.get("score"), best.get("run"))
    return tuple(_cell(one) for one in (*common, task.get("metric"), best.get("value"), *own))


def _cell(value: object) -> str:
    return wording.NOTHING if value is None else f"{value:.4f}" if isinstance(value, float) else str(value)


def _mood(succeeded: str, reason: str) -> Mood:
    if succeeded in {"True", "False"}:
        return Mood.GOOD if succeeded == "True" else Mood.BAD
    return Mood.IDLE if reason in _IDLE else Mood.BUSY


def _notes(status: Json, conditions: Mapping[Any, Json]) -> list[str]:
    told = [
        str(one["message"])
        for kind in ("Valid", "Succeeded")
        if (one := conditions.get(kind)) and one.get("status") != "True" and one.get("message")
    ]
    failures = [
        f"{one['task']} {'run' if 'run' in one else 'cluster'} {one.get('run', one.get('cluster'))}: {one['reason']}: "
        f"{one['message']}"
        for one in status.get("failures") or ()
    ]
    omitted = status.get("failuresOmitted")
    return [*told, *failures, *([f"and {omitted} more failures"] if omitted else []), *(status.get("warnings") or ())]


def age(then: str, now: datetime) -> str:
    """`45 s`, `12 min`, `5 h`, `3 d` since an ISO time; empty where there is none."""
    try:
        seconds = max(0, int((now - datetime.fromisoformat(then)).total_seconds()))
    except (ValueError, TypeError, OverflowError):
        return ""
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"
