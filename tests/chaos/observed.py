"""What is seen from the outside: the API server's objects and the store's, as plain JSON. No code of ours decides.

Nothing here, in `look` or in `check` imports a package of the product.
"""

from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True)
class Seen:
    """An object in the store, as a listing shows it."""

    etag: str
    modified: float


@dataclass(frozen=True)
class Look:
    """One look at everything, `at` seconds after the campaign began; None for what did not answer."""

    at: float
    children: dict[str, list[Json]] | None
    """Of ours by kind: pods, jobs, configmaps, networkpolicies."""
    owners: dict[str, Json] | None
    """Experiments and searches by name."""
    keys: dict[str, Seen] | None
    """Keys below the namespace's folder."""
    beats: dict[str, Json] = field(default_factory=dict)
    """Heartbeats of drivers, by key."""


@dataclass
class Tampered:
    """What the campaign itself has done to the store and to pods: what follows of it is no fault of the product."""

    keys: dict[str, float] = field(default_factory=dict)
    """Results that it has torn or deleted, and when last: since then they count again, once they are back."""
    torn: set[str] = field(default_factory=set)
    """Etags of what it has left in their places."""
    trials: set[str] = field(default_factory=set)
    """Folders of trials whose claims it has torn or deleted: two drivers may have them."""
    frozen: set[str] = field(default_factory=set)
    """Uids of pods that it has frozen: others rightly take their trials."""


@dataclass(frozen=True)
class Ending:
    """An experiment or search that has ended: its status, its documents in the store by key below its folder."""

    name: str
    status: Json
    documents: dict[str, Any]
    """Parsed JSON; None for what is none."""
    digests: dict[str, str] = field(default_factory=dict)
    """SHA-256 of predicted test sets, by key below its folder."""
    exported: dict[str, str] = field(default_factory=dict)
    """Files of a search's ConfigMap, by name."""
    runs: int = 0
    """Runs a task that its last spec asks for; 0 for a search."""


@dataclass(frozen=True)
class Violation:
    """What must not be: the invariant and what was seen of it."""

    invariant: str
    what: str

    def __str__(self) -> str:
        return f"{self.invariant}: {self.what}"
