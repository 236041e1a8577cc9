"""Signs of life while a run does what has no steps: reading inputs, loading, evaluating, predicting, publishing.

A thread alone would tell that the process lives. This one tells that the main thread moves: what hangs in one call (a
dead mount, a device, a lock) has the same stack at each look.
"""

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from finetune_store.signs import renewing

_EVERY_SECONDS = 15.0


@contextmanager
def signs_of_moves(renew: Callable[[], None], *, every: float = _EVERY_SECONDS) -> Iterator[None]:
    """While the block works, `renew` is called every few seconds in which the thread that entered it has moved."""
    watched, before = threading.get_ident(), None

    def look() -> None:
        nonlocal before
        place = _place(watched)
        if place != before:
            renew()
        before = place

    with renewing(look, every=every):
        yield


def _place(thread: int) -> tuple[tuple[int, int], ...]:
    """Where a thread is: each frame of its stack and the instruction in it."""
    frame, place = sys._current_frames().get(thread), []
    while frame is not None:
        place.append((id(frame), frame.f_lasti))
        frame = frame.f_back
    return tuple(place)
