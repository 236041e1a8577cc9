"""Signs of life in a store, of a process that has no progress to tell: it makes a report, or looks at volumes.

A call that hangs (a dead mount, a lock) takes no time on a CPU, while the slowest of file servers gives some of it.
"""

import json
import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from finetune_store._errors import StoreError
from finetune_store._model import Store

logger = logging.getLogger(__name__)

_EVERY_SECONDS = 15.0
_WORKED_SECONDS = 0.001
"""More than what the two clocks differ by when nothing is done between looks at them."""


@contextmanager
def renewing(renew: Callable[[], None], *, every: float, name: str = "signs of life") -> Iterator[None]:
    """While the block works, a thread of that name calls `renew` every few seconds."""
    left = threading.Event()

    def run() -> None:
        while not left.wait(every):
            renew()

    thread = threading.Thread(target=run, daemon=True, name=name)
    thread.start()
    try:
        yield
    finally:
        left.set()
        thread.join()


@contextmanager
def signs_of_life(store: Store, key: str, *, every: float = _EVERY_SECONDS) -> Iterator[None]:
    """While the block works, an object is written anew every few seconds in which the process has done something.

    Best effort: a store that is away is logged, and the next sign tries again; `store` should not retry. The object is
    removed at the end.
    """
    before = float("-inf")

    def renew() -> None:
        nonlocal before
        worked = _seconds_of_others()
        if worked - before >= _WORKED_SECONDS and _put(store, key, worked):
            before = worked

    try:
        with renewing(renew, every=every):
            yield
    finally:
        _delete(store, key)


def _seconds_of_others() -> float:
    """Seconds on CPUs of all threads but this one, which alone would tell that it lives itself."""
    return time.process_time() - time.thread_time()


def _put(store: Store, key: str, worked: float) -> bool:
    try:
        store.put(key, json.dumps({"cpuSeconds": worked}).encode())
    except StoreError as error:
        logger.warning("no sign of life could be given: %s", error)
        return False
    return True


def _delete(store: Store, key: str) -> None:
    try:
        store.delete(key)
    except StoreError as error:
        logger.warning("the last sign of life stays: %s", error)
