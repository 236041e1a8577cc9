"""Which drivers live: a heartbeat that does not change for a lease is a dead driver's.

Measured with the observer's own monotonic clock: no clocks of two machines are compared. Time in which the observer did
not look counts for little: when a store comes back after an outage longer than a lease, nobody has had a chance to
renew a heartbeat yet, and all live.
"""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from finetune_core.results.trial import Heartbeat
from finetune_core.search_layout import SearchLayout
from finetune_store import Store, StoreError, documents

logger = logging.getLogger(__name__)

_LOOK_SECONDS = 1.0


@dataclass
class _Seen:
    beat: int | None
    ended: bool
    silent: float
    """Seconds of looking at it in which it has not changed."""
    looked: float


class Leases:
    """Looks at other drivers' heartbeats, at most once a second each."""

    def __init__(
        self, store: Store, layout: SearchLayout, *, seconds: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._store = store
        self._layout = layout
        self._seconds = seconds
        self._clock = clock
        self._seen: dict[str, _Seen] = {}

    def alive(self, driver: str) -> bool:
        """Whether its heartbeat has changed within the lease; True for the first lease of looking at it."""
        now = self._clock()
        seen = self._seen.get(driver)
        if seen is None or now - seen.looked >= min(_LOOK_SECONDS, self._seconds / 4):
            beat, ended = self._read(driver)
            silent = 0.0
            if seen is not None and beat == seen.beat:
                silent = seen.silent + min(now - seen.looked, self._seconds / 4)
            seen = self._seen[driver] = _Seen(beat, ended, silent, now)
        return not seen.ended and seen.silent < self._seconds

    def _read(self, driver: str) -> tuple[int | None, bool]:
        heartbeat = documents.find_or_warn(self._store, self._layout.driver(driver), Heartbeat)
        return (None, False) if heartbeat is None else (heartbeat.beat, heartbeat.ended)


class Pulse:
    """This driver's own heartbeat, kept by a thread; a store that is away is tried again at the next beat."""

    def __init__(
        self,
        store: Store,
        layout: SearchLayout,
        *,
        driver: str,
        cluster: int,
        seconds: float,
        running: Callable[[], tuple[str, ...]],
    ) -> None:
        self._store = store
        self._key = layout.driver(driver)
        self._driver = driver
        self._cluster = cluster
        self._seconds = seconds
        self._running = running
        self._beat = 0
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True, name="heartbeat")

    def __enter__(self) -> "Pulse":
        self._send()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join()
        self._send(ended=True)

    def _run(self) -> None:
        while not self._stopped.wait(self._seconds):
            self._send()

    def _send(self, *, ended: bool = False) -> None:
        self._beat += 1
        heartbeat = Heartbeat(
            driver=self._driver,
            cluster=self._cluster,
            beat=self._beat,
            running=self._running(),
            time=now(),
            ended=ended,
        )
        try:
            self._store.put(self._key, heartbeat.to_json())
        except StoreError as error:
            logger.warning("the heartbeat is not sent for now: %s", error)


def now() -> str:
    """UTC, to the second."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
