"""Which release manages a namespace: the one whose name its Lease `finetune-claim` holds.

Several releases may watch the same namespace; the first one there claims it, and keeps it as long as it lives. The
claim is not renewed: it holds while the release's own Lease is. Another release takes it over when that Lease has not
changed for `PATIENCE_SECONDS`, far longer than an upgrade takes. At the beginning of each term a leader writes its
claims anew, so that of a taker and a returning owner one is refused (both name the version that they read): see
docs/decisions/0021-leader-election-and-releases.md.
"""

import logging
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from finetune_core.json_types import Json
from finetune_kube.errors import ConflictError, ForbiddenError, RejectedError
from finetune_operator.config import Release
from finetune_operator.election import Sighting, held_by, holder_of, is_of_an_operator, new_lease
from finetune_operator.leadership import Leases, wall_clock

logger = logging.getLogger(__name__)

CLAIM = "finetune-claim"
PATIENCE_SECONDS = 300.0
_CHECKED_SECONDS = 60.0
"""A claim is read again after this long, by whomever it is: people can delete it."""

_LABEL = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
_RELEASE = re.compile(rf"(?P<namespace>{_LABEL})/(?P<name>{_LABEL})")


class Terms(Protocol):
    """What claims need of the leadership."""

    @property
    def term(self) -> int | None:
        """The number of the present term; None if this process does not lead."""
        ...


@dataclass(frozen=True)
class _Known:
    """Whose a namespace was (None: ours) at a monotonic time of a term."""

    other: str | None
    term: int
    checked: float


class Claims:
    """The claims of one release; thread-safe."""

    def __init__(
        self,
        leases: Leases,
        release: Release,
        terms: Terms,
        *,
        clock: Callable[[], float] = time.monotonic,
        patience: float = PATIENCE_SECONDS,
    ) -> None:
        self._leases = leases
        self._release = release
        self._terms = terms
        self._clock = clock
        self._patience = patience
        self._known: dict[str, _Known] = {}
        # One thread at a time for a namespace: two would refuse each other's writing.
        self._locks: dict[str, threading.Lock] = {}
        self._sightings: dict[str, Sighting] = {}

    def others(self) -> dict[str, str]:
        """The release that manages a namespace, for those that were left to another."""
        return {space: known.other for space, known in list(self._known.items()) if known.other is not None}

    def holds(self, namespace: str) -> bool:
        """Whether this release manages the namespace, claiming it where it may; ClusterError."""
        term = self._terms.term
        if term is None:
            return False
        with self._locks.setdefault(namespace, threading.Lock()):
            known, now = self._known.get(namespace), self._clock()
            same = known if known is not None and known.term == term else None
            if same is None or now - same.checked >= _CHECKED_SECONDS:
                ours = same is not None and same.other is None
                same = self._known[namespace] = _Known(self._claim(namespace, again=ours), term, now)
                if same.other is not None and (known is None or known.other != same.other):
                    logger.warning(
                        "namespace %s is managed by the release %s: the release %s leaves it alone",
                        *(namespace, same.other, self._release),
                    )
            return same.other is None

    def _claim(self, namespace: str, *, again: bool) -> str | None:
        """None where it is ours now, else whose it is; `again`: it was ours in this term."""
        lease = self._leases.get_lease(namespace, CLAIM)
        holder = "" if lease is None else holder_of(lease)
        if holder == str(self._release) and again:
            return None
        if holder not in {"", str(self._release)} and not self._is_gone(namespace, holder):
            return holder
        try:
            self._write(namespace, lease)
        except ConflictError:
            return "another one, which was quicker"
        except RejectedError as error:
            # A namespace that is being deleted takes no new objects.
            return f"nobody ({error})"
        return None

    def _write(self, namespace: str, lease: Json | None) -> None:
        seconds, holder, now = int(self._patience), str(self._release), wall_clock()
        if lease is None:
            self._leases.create_lease(namespace, new_lease(namespace, CLAIM, holder, seconds=seconds, now=now))
        else:
            self._leases.replace_lease(namespace, held_by(lease, holder, seconds=seconds, now=now))

    def _is_gone(self, namespace: str, holder: str) -> bool:
        # Whoever may edit the namespace can write anything there: what is no release's name is nobody.
        named = _RELEASE.fullmatch(holder)
        if named is None:
            logger.warning(
                "namespace %s: the Lease %s names no release (%r) and is taken over", *(namespace, CLAIM, holder)
            )
            return True
        try:
            lease = self._leases.get_lease(named["namespace"], named["name"])
        except ForbiddenError as error:
            logger.warning(
                "namespace %s: whether the release %s lives cannot be seen (%s); if it is gone, delete its Lease %s",
                *(namespace, holder, error, CLAIM),
            )
            return False
        if lease is not None and not is_of_an_operator(lease):
            # Whoever may edit the namespace writes the name: they must not learn which Leases there are elsewhere.
            lease = None
        with self._locks.setdefault(holder, threading.Lock()):
            unchanged = self._sightings.setdefault(holder, Sighting()).see(lease, self._clock())
        return unchanged >= self._patience
