"""Whom a spec wants told, also where the rest of it is wrong: that is what may have to be told."""

from pydantic import ValidationError

from finetune_core.api.notifications import Notification
from finetune_core.json_types import Json


def wanted(raw_spec: Json) -> tuple[Notification, ...]:
    """The notifications of a spec in its JSON form; those that fit no schema are left to the condition `Valid`."""
    entries = raw_spec.get("notifications")
    found: dict[str, Notification] = {}
    for entry in entries if isinstance(entries, list) else ():
        try:
            one = Notification.model_validate(entry)
        except ValidationError:
            continue
        found.setdefault(one.name, one)
    return tuple(found.values())
