"""Which drivers live: a heartbeat that does not change for a lease is a dead driver's.

Measured with the observer's own monotonic clock: no clocks of two machines are compared. Time in which the observer did
not look counts for little: when a store comes back after an outage longer than a lease, nobody has had a chance to
renew a heartbeat yet, and all live.
"""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count

from finetune_core.results.search.trial import Heartbeat
from finetune_core.search_layout import SearchLayout
from finetune_core.times import written
from finetune_store import Store, StoreError, documents
from finetune_store.signs import renewing

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


@contextmanager
def heartbeat(
    store: Store,
    layout: SearchLayout,
    *,
    driver: str,
    cluster: int,
    seconds: float,
    running: Callable[[], tuple[str, ...]],
) -> Iterator[None]:
    """This driver's own heartbeat, kept by a thread; a store that is away is tried again at the next beat."""
    beats = count(1)

    def send(*, ended: bool = False) -> None:
        beat = Heartbeat(driver=driver, cluster=cluster, beat=next(beats), running=running(), time=now(), ended=ended)
        try:
            store.put(layout.driver(driver), beat.to_json())
        except StoreError as error:
            logger.warning("the heartbeat is not sent for now: %s", error)

    send()
    try:
        with renewing(send, every=seconds, name="heartbeat"):
            yield
    finally:
        send(ended=True)


def now() -> str:
    """UTC, to the second."""
    return written(datetime.now(UTC))
