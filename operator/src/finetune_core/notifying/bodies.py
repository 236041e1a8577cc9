"""What receivers get: a documented JSON object, or a text as Slack reads it; and its signature. Pure."""

import hashlib
import hmac
import json
from collections.abc import Iterator
from dataclasses import dataclass

from finetune_core.api.notifications import NotificationEvent, NotificationFormat, PendingNotification
from finetune_core.api.search_status import HPSearchStatus, SearchTaskStatus
from finetune_core.api.status import BestRun, TaskStatus
from finetune_core.json_types import Json
from finetune_core.notifying.happenings import AnyStatus
from finetune_core.plain import one_line
from finetune_core.tables import figures

VERSION = 1
_ENDS = frozenset({NotificationEvent.FINISHED, NotificationEvent.FAILED})
_MAX_LINES = 20
_EMOJI = {
    NotificationEvent.FINISHED: ":white_check_mark:",
    NotificationEvent.FAILED: ":x:",
    NotificationEvent.RUN_FAILED: ":warning:",
    NotificationEvent.STALLED: ":hourglass:",
    NotificationEvent.BLOCKED: ":no_entry:",
    NotificationEvent.NEW_BEST: ":chart_with_upwards_trend:",
    NotificationEvent.PUBLISHED: ":package:",
}


@dataclass(frozen=True)
class About:
    """The object that a notification is about."""

    api_version: str
    kind: str
    namespace: str
    name: str
    uid: str


def document(one: PendingNotification, about: About, status: AnyStatus) -> Json:
    """All of the JSON object but the time at which it is sent; figures are those of the status."""
    counts = status.trials if isinstance(status, HPSearchStatus) else status.runs
    results = status.results
    return {
        "version": VERSION,
        "id": one.id,
        "event": one.event.value,
        "time": one.time,
        "object": {
            "apiVersion": about.api_version,
            "kind": about.kind,
            "namespace": about.namespace,
            "name": about.name,
            "uid": about.uid,
        },
        "reason": one.reason,
        "message": one.message,
        "progress": counts.summary if counts else None,
        "score": None if isinstance(status, HPSearchStatus) else status.score,
        "gpuHours": status.gpu_hours,
        "tasks": [_task(task) for task in status.tasks if one.event in _ENDS or task.name in one.tasks],
        "results": results.html if results else None,
    }


def _task(task: TaskStatus | SearchTaskStatus) -> Json:
    best = task.best
    found = None
    if isinstance(best, BestRun):
        found = {"run": best.run, "id": best.run_id, "value": best.value, "step": best.step}
    elif best is not None:
        found = {"trial": best.trial, "id": best.trial_id, "value": best.value, "step": best.step}
        found["hyperparameters"] = best.hyperparameters
    done = task.runs if isinstance(task, TaskStatus) else task.trials
    return {"name": task.name, "metric": task.metric, "done": done, "failed": task.failed, "best": found}


def body(said: Json, form: NotificationFormat, sent: str) -> bytes:
    """What is sent at that time."""
    if form == NotificationFormat.SLACK:
        return json.dumps({"text": "\n".join(_lines(said))}, ensure_ascii=False).encode()
    # With what is signed goes the time, so that who keeps an old one cannot pass it off as new.
    return json.dumps({**said, "sent": sent}, ensure_ascii=False, allow_nan=False).encode()


def signature(secret: bytes, content: bytes) -> str:
    """As GitHub signs: https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries."""
    return "sha256=" + hmac.new(secret, content, hashlib.sha256).hexdigest()


def _lines(said: Json) -> Iterator[str]:
    about = said["object"]
    event = NotificationEvent(said["event"])
    where = f"{about['kind']} *{_plain(about['namespace'])}/{_plain(about['name'])}*"
    figures_ = [f"{_plain(said['progress'])} done"] if said["progress"] else []
    figures_ += [f"score {_plain(said['score'])}"] if said["score"] else []
    yield f"{_EMOJI[event]} {where}: {_plain(said['reason'])}" + (f" ({', '.join(figures_)})" if figures_ else "")
    yield _plain(said["message"])
    if event in _ENDS:
        yield from _tasks(said["tasks"])
    if said["results"]:
        yield _plain(said["results"])


def _tasks(tasks: list[Json]) -> Iterator[str]:
    scored = [task for task in tasks if task["best"]]
    for task in scored[:_MAX_LINES]:
        yield f"• {_plain(task['name'])}: {_plain(figures.named(task['metric'], task['best']['value']))}"
    if len(scored) > _MAX_LINES:
        yield f"• and {len(scored) - _MAX_LINES} more tasks"


def _plain(text: str) -> str:
    """Text of others that addresses nobody and hides no link (https://api.slack.com/reference/surfaces/formatting)."""
    escaped = one_line(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    # Mattermost and Rocket.Chat read @all and @channel in plain text.
    return escaped.replace("@", "@\u200b")
