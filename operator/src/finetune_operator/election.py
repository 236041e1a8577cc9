"""Who holds a Lease, by what one candidate sees of it. Pure: objects and times are given.

The rules are those of client-go's leaderelection (https://pkg.go.dev/k8s.io/client-go/tools/leaderelection): nobody
compares clocks. A holder is gone when its Lease has not changed for the Lease's duration by the observer's own
monotonic clock. A holder counts its own time from before the request that renewed it, and gives up earlier than others
may take over.
"""

from dataclasses import dataclass, field

from finetune_core.json_types import Json
from finetune_kube.names import OURS

API_VERSION = "coordination.k8s.io/v1"


@dataclass(frozen=True)
class Timing:
    """Seconds: others take a Lease over after `lease` without a renewal, a leader stops acting after `renew`."""

    lease: int = 10

    @property
    def renew(self) -> float:
        """How long a leader acts after it began its last successful renewal."""
        return self.lease * 0.6

    @property
    def retry(self) -> float:
        """Between two tries to renew or to take."""
        return self.lease * 0.2


@dataclass
class Sighting:
    """The last state that was seen of a Lease (None: there is no such Lease) and when it was first so.

    A state is the resourceVersion and the spec: a spec that was written anew is a change, also where it is the same.
    """

    state: tuple[str, Json] | None = None
    since: float | None = field(default=None)

    def see(self, lease: Json | None, now: float) -> float:
        """Look at the Lease as it is; seconds for which it has been seen unchanged."""
        state = None if lease is None else _state(lease)
        if self.since is None or state != self.state:
            self.state, self.since = state, now
        return now - self.since


def _state(lease: Json) -> tuple[str, Json]:
    return str(lease["metadata"].get("resourceVersion", "")), dict(lease.get("spec") or {})


def holder_of(lease: Json) -> str:
    """Who holds it; empty where it has been released."""
    return str((lease.get("spec") or {}).get("holderIdentity") or "")


def duration_of(lease: Json, default: float) -> float:
    """For how many seconds without a change it counts as held."""
    duration = (lease.get("spec") or {}).get("leaseDurationSeconds")
    return float(duration) if isinstance(duration, int) and duration > 0 else default


def new_lease(namespace: str, name: str, holder: str, *, seconds: int, now: str) -> Json:
    """A Lease that nobody has held before; `now` is a time of RFC 3339 with microseconds."""
    spec = {
        "holderIdentity": holder,
        "leaseDurationSeconds": seconds,
        "acquireTime": now,
        "renewTime": now,
        "leaseTransitions": 0,
    }
    return {
        "apiVersion": API_VERSION,
        "kind": "Lease",
        "metadata": {"namespace": namespace, "name": name, "labels": dict(OURS)},
        "spec": spec,
    }


def is_of_an_operator(lease: Json) -> bool:
    """Whether an operator of ours writes it: all others are nobody's business here."""
    return OURS.items() <= (lease["metadata"].get("labels") or {}).items()


def held_by(lease: Json, holder: str, *, seconds: int, now: str) -> Json:
    """The Lease renewed by its holder, or taken by another; what the API server needs to refuse it if it changed."""
    old = lease.get("spec") or {}
    same = old.get("holderIdentity") == holder
    spec = {
        **old,
        "holderIdentity": holder,
        "leaseDurationSeconds": seconds,
        "acquireTime": old.get("acquireTime", now) if same else now,
        "renewTime": now,
        "leaseTransitions": int(old.get("leaseTransitions") or 0) + (0 if same else 1),
    }
    metadata = {**lease["metadata"], "labels": {**(lease["metadata"].get("labels") or {}), **OURS}}
    return {**lease, "metadata": metadata, "spec": spec}


def released(lease: Json, *, now: str) -> Json:
    """The Lease given back: whoever sees it may take it at once."""
    spec = {**(lease.get("spec") or {}), "holderIdentity": "", "leaseDurationSeconds": 1, "renewTime": now}
    return {**lease, "spec": spec}
