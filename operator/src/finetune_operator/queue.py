"""When to reconcile what: one item a key, one worker a key at a time, soon on an event, later on a timer.

The semantics are those of controller-runtime's work queue: adding a key that waits moves it forward, adding one that is
being worked on has it done again afterwards, failures back off exponentially with jitter.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Generic, TypeVar

Key = TypeVar("Key")
Work = Callable[[Key], Awaitable[float | None]]

_FIRST_BACKOFF = 1.0
_LONGEST_BACKOFF = 60.0


class WorkQueue(Generic[Key]):
    """Runs `work(key)` for keys that are due; it returns seconds until it wants the key again, or None."""

    def __init__(self, work: Work[Key], *, workers: int, on_error: Callable[[Key, Exception], None]) -> None:
        self._work = work
        self._workers = workers
        self._on_error = on_error
        self._due: dict[Key, float] = {}
        self._busy: set[Key] = set()
        self._failures: dict[Key, int] = {}
        self._changed = asyncio.Condition()

    def __len__(self) -> int:
        """Keys that wait or are worked on."""
        return len(self._due.keys() | self._busy)

    async def add(self, key: Key, delay: float = 0.0) -> None:
        """Have `key` worked on in `delay` seconds at the latest."""
        async with self._changed:
            self._schedule(key, delay)
            self._changed.notify_all()

    def oldest_overdue(self) -> float:
        """Seconds that the most overdue key has waited beyond its time; 0 if none is overdue."""
        now = asyncio.get_running_loop().time()
        return max((now - due for key, due in self._due.items() if key not in self._busy), default=0.0)

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as group:
            for _ in range(self._workers):
                group.create_task(self._worker())

    async def _worker(self) -> None:
        while True:
            key = await self._take()
            await self._process(key)

    async def _take(self) -> Key:
        loop = asyncio.get_running_loop()
        async with self._changed:
            while True:
                ready = [(due, key) for key, due in self._due.items() if key not in self._busy]
                due, key = min(ready, key=lambda pair: pair[0], default=(None, None))
                if due is not None and key is not None and due <= loop.time():
                    del self._due[key]
                    self._busy.add(key)
                    return key
                # Not asyncio.wait_for: before Python 3.12 it swallows a cancellation that comes with a notification.
                with suppress(TimeoutError):
                    async with asyncio.timeout_at(due):
                        await self._changed.wait()

    async def _process(self, key: Key) -> None:
        try:
            delay = await self._work(key)
            self._failures.pop(key, None)
        except Exception as error:  # noqa: BLE001 - the boundary: any bug in one key must not stop the others
            self._on_error(key, error)
            delay = self._backoff(key)
        async with self._changed:
            self._busy.discard(key)
            if delay is not None:
                self._schedule(key, delay)
            self._changed.notify_all()

    def _schedule(self, key: Key, delay: float) -> None:
        due = asyncio.get_running_loop().time() + delay
        self._due[key] = min(due, self._due.get(key, due))

    def _backoff(self, key: Key) -> float:
        count = self._failures[key] = self._failures.get(key, 0) + 1
        longest = min(_FIRST_BACKOFF * 2.0 ** min(count - 1, 10), _LONGEST_BACKOFF)
        return longest * random.uniform(0.5, 1.0)
