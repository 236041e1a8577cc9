"""How a moment is written, in statuses, documents and notifications."""

from datetime import datetime


def written(moment: datetime) -> str:
    """A moment in UTC, to the second, as Kubernetes writes it: `2026-11-30T17:39:18Z`."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
