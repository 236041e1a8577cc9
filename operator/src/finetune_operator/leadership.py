"""Whether this process leads its release: it renews a Lease in a thread of its own, and fences what is written.

`check` stands before every request that changes something. It refuses once the last renewal began longer ago than
`Timing.renew`, which is before anybody else may take the Lease over; no message has to arrive for that. What a look
began in one term it cannot write in the next.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Protocol

from finetune_core.json_types import Json
from finetune_kube.errors import ClusterError, ConflictError
from finetune_operator.config import Release
from finetune_operator.election import Sighting, Timing, duration_of, held_by, holder_of, new_lease, released
from finetune_operator.problems import NotLeadingError

logger = logging.getLogger(__name__)

_acting_in: ContextVar[int | None] = ContextVar("term", default=None)
_STUCK_SECONDS = 300.0


class Leases(Protocol):
    """Where Leases are: finetune_operator.cluster.Cluster. All raise ClusterError."""

    def get_lease(self, namespace: str, name: str) -> Json | None:
        """The Lease, or None."""
        ...

    def create_lease(self, namespace: str, manifest: Json) -> Json:
        """The Lease as it was created; ConflictError if there is one."""
        ...

    def replace_lease(self, namespace: str, manifest: Json) -> Json:
        """The Lease as it is now; ConflictError where it is not of the manifest's resourceVersion any more."""
        ...


class Leadership:
    """One candidate; thread-safe."""

    def __init__(
        self,
        leases: Leases,
        release: Release,
        identity: str,
        timing: Timing,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._leases = leases
        self._place = (release.namespace, release.name)
        self._identity = identity
        self._timing = timing
        self._clock = clock
        self._on_change: Callable[[], None] = lambda: None
        self._valid_until = float("-inf")
        self._term = 0
        self._told = False
        self._lease: Json | None = None
        self._sighting = Sighting()
        self._others = ""
        self._problem: str | None = "the Lease has not been looked at yet"
        self._moved = clock()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="leadership", daemon=True)

    @property
    def term(self) -> int | None:
        """The number of the present term, another one each time that leading was interrupted; None if not leading."""
        return self._term if self._clock() < self._valid_until else None

    def check(self) -> None:
        """NotLeadingError unless this process leads, still in the term in which the work of this thread began."""
        term, began_in = self.term, _acting_in.get()
        if term is None or (began_in is not None and began_in != term):
            raise NotLeadingError(f"{self._identity} does not hold the Lease {'/'.join(self._place)} any more")

    @contextmanager
    def acting(self) -> Iterator[None]:
        """What the block does, in this thread, belongs to the present term; NotLeadingError if there is none."""
        self.check()
        token = _acting_in.set(self.term)
        try:
            yield
        finally:
            _acting_in.reset(token)

    def readiness(self) -> tuple[bool, str]:
        """Whether this replica does its part, leading or standing by, and in words which."""
        if self.term is not None:
            return True, "leading"
        if self._problem is not None:
            return False, f"neither leading nor standing by: {self._problem}"
        return True, f"standing by: {self._others or 'nobody'} holds the Lease {'/'.join(self._place)}"

    def stuck(self) -> str | None:
        """Why the candidate itself is dead, if it is."""
        age = self._clock() - self._moved
        return f"the Lease has not been looked at for {age:.0f} s" if age > _STUCK_SECONDS else None

    def start(self, on_change: Callable[[], None]) -> None:
        """Stand for election; `on_change` is called, in the candidate's thread, when it begins or ceases to lead."""
        self._on_change = on_change
        self._thread.start()

    def stop(self, *, release: bool) -> None:
        """Cease to lead at once; with `release` the next one may lead at once too (nothing must be under way)."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(self._timing.lease)
        led, self._valid_until = self.term is not None, float("-inf")
        if led and release and self._lease is not None:
            try:
                self._leases.replace_lease(self._place[0], released(self._lease, now=wall_clock()))
            except ClusterError as error:
                logger.warning("the Lease is left to expire: %s", error)

    def _run(self) -> None:
        wait = 0.0
        while not self._stopping.wait(wait):
            wait = self.step()

    def step(self) -> float:
        """Look at the Lease once, renew or take it where that is due; seconds until the next step."""
        began, before = self._clock(), self.term
        try:
            held = self._renewed() or self._taken()
            self._problem = None
        except ClusterError as error:
            held, self._problem = False, str(error)
        now = self._moved = self._clock()
        if held and not self._stopping.is_set():
            if before is None or now >= self._valid_until:
                # A new term also where nobody else led in between: what was known by then may be of before.
                self._term += 1
            self._valid_until = began + self._timing.renew
        self._tell(before)
        return self._pause(now)

    def _pause(self, now: float) -> float:
        if self.term is not None or self._lease is None or self._problem is not None:
            return self._timing.retry
        left = duration_of(self._lease, self._timing.lease) - self._sighting.see(self._lease, now)
        return max(0.0, min(left, self._timing.retry))

    def _tell(self, before: int | None) -> None:
        now = self.term
        if now != before or (now is not None) != self._told:
            self._told = now is not None
            words = f"term {now} begins" if now else f"not leading: {self._problem or 'the Lease is not renewed'}"
            logger.info("leadership: %s", words, extra={"identity": self._identity, "lease": "/".join(self._place)})
            self._on_change()

    def _renewed(self) -> bool:
        """The short way of a leader: one request; False where somebody else has written."""
        if self.term is None or self._lease is None:
            return False
        try:
            self._lease = self._leases.replace_lease(self._place[0], self._mine(self._lease))
        except ConflictError:
            return False
        return True

    def _taken(self) -> bool:
        """Read the Lease, and take it where it is free or ours."""
        lease = self._leases.get_lease(*self._place)
        try:
            if lease is None:
                made = new_lease(*self._place, self._identity, seconds=self._timing.lease, now=wall_clock())
                self._lease = self._leases.create_lease(self._place[0], made)
                return True
            unchanged, self._lease = self._sighting.see(lease, self._clock()), lease
            self._others = holder_of(lease)
            if self._others not in {"", self._identity} and unchanged < duration_of(lease, self._timing.lease):
                return False
            self._lease = self._leases.replace_lease(self._place[0], self._mine(lease))
        except ConflictError:
            return False
        return True

    def _mine(self, lease: Json) -> Json:
        return held_by(lease, self._identity, seconds=self._timing.lease, now=wall_clock())


class Alone:
    """Where no release is named (a person's own process): no Lease, one term for ever."""

    term: int | None = 1

    def check(self) -> None:
        """Never refuses."""

    @contextmanager
    def acting(self) -> Iterator[None]:
        """Nothing to fence."""
        yield

    def readiness(self) -> tuple[bool, str]:
        """Always ready."""
        return True, "leading: FINETUNE_RELEASE is not set, so there is no Lease, and nobody else may act"

    def stuck(self) -> str | None:
        """Never."""
        return None

    def start(self, on_change: Callable[[], None]) -> None:
        """Leads from now on."""
        on_change()

    def stop(self, *, release: bool) -> None:
        """Nothing to give back."""


def wall_clock() -> str:
    """Now, for people who read a Lease; nobody's decisions depend on it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
