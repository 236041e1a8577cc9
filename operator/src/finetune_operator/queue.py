"""When to reconcile what: one item a key, one worker a key at a time, soon on an event, later on a timer.

The semantics are those of controller-runtime's work queue: adding a key that waits moves it forward, adding one that is
being worked on has it done again afterwards, failures back off exponentially with jitter. Which key is next is said by
`schedule`, which is fair between groups.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Hashable
from contextlib import suppress
from typing import Generic

from finetune_operator.schedule import Key, Schedule

Work = Callable[[Key], Awaitable[float | None]]

_FIRST_BACKOFF = 1.0
_LONGEST_BACKOFF = 60.0
_SPREAD_SECONDS = 0.02
"""Between two keys of a group when the queue is opened: about what a look takes, so no worker has to wait."""


class WorkQueue(Generic[Key]):
    """Runs `work(key)` for keys that are due, while it is open.

    `work` returns seconds until it wants the key again, or None. `group` tells whose a key is: no group can hold all
    workers.
    """

    def __init__(
        self,
        work: Work[Key],
        *,
        workers: int,
        group: Callable[[Key], Hashable],
        on_error: Callable[[Key, Exception], None],
    ) -> None:
        self._work = work
        self._workers = workers
        self._on_error = on_error
        self._schedule = Schedule(workers, group)
        self._open = True
        self._failures: dict[Key, int] = {}
        self._changed = asyncio.Condition()

    def __len__(self) -> int:
        """Keys that wait or are worked on."""
        return len(self._schedule)

    async def add(self, key: Key, delay: float = 0.0) -> None:
        """Have `key` worked on in `delay` seconds at the latest."""
        async with self._changed:
            self._schedule.add(key, _now() + delay)
            self._changed.notify_all()

    async def set_open(self, is_open: bool) -> None:
        """Whether keys are taken up; what is under way is not touched."""
        async with self._changed:
            if is_open and not self._open:
                self._schedule.spread(_now(), _SPREAD_SECONDS)
            self._open = is_open
            self._changed.notify_all()

    async def idle(self) -> None:
        """Wait until no key is being worked on."""
        async with self._changed:
            await self._changed.wait_for(lambda: not self._schedule.busy)

    def oldest_overdue(self) -> float:
        """Seconds that the most overdue key has waited beyond its time; 0 if none is overdue."""
        return self._schedule.overdue(_now())

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
        async with self._changed:
            while True:
                key = self._schedule.take(_now()) if self._open else None
                if key is not None:
                    return key
                due = self._schedule.next_due() if self._open else None
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
            if delay is not None:
                self._schedule.add(key, _now() + delay)
            self._schedule.done(key)
            self._changed.notify_all()

    def _backoff(self, key: Key) -> float:
        count = self._failures[key] = self._failures.get(key, 0) + 1
        longest = min(_FIRST_BACKOFF * 2.0 ** min(count - 1, 10), _LONGEST_BACKOFF)
        return longest * random.uniform(0.5, 1.0)


def _now() -> float:
    return asyncio.get_running_loop().time()
