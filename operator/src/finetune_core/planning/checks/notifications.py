"""What can be wrong with notifications, of experiments and searches alike."""

from collections.abc import Iterator

from finetune_core.api.notifications import Notification, NotificationFormat
from finetune_core.problems import Problem


def notification_problems(notifications: tuple[Notification, ...] | None) -> Iterator[Problem]:
    """What the schema's rules say too, for use without a cluster."""
    wanted = notifications or ()
    names = [one.name for one in wanted]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield Problem("spec.notifications", f"{name} is listed more than once: give each receiver one entry")
    for one in wanted:
        yield from _of_one(f"spec.notifications[{one.name}]", one)


def _of_one(field: str, one: Notification) -> Iterator[Problem]:
    if (one.url is None) == (one.url_secret_ref is None):
        yield Problem(field, "set exactly one of url and urlSecretRef")
    if one.signing_secret_ref is not None and one.format == NotificationFormat.SLACK:
        message = "it is for format JSON: Slack knows a sender by the address alone, so remove it"
        yield Problem(f"{field}.signingSecretRef", message)
    for event in sorted({event.value for event in one.on if one.on.count(event) > 1}):
        yield Problem(f"{field}.on", f"{event} is listed more than once: remove one")
