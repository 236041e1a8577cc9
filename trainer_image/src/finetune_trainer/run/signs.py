"""Signs of life while a run does what has no steps: reading inputs, loading, evaluating, predicting, publishing.

A thread alone would tell that the process lives. This one tells that the main thread moves: what hangs in one call (a
dead mount, a device, a lock) has the same stack at each look.
"""

import sys
import threading
from collections.abc import Callable
from typing import Self

_EVERY_SECONDS = 15.0


class Signs:
    """While it is entered, `renew` is called every few seconds in which the thread that entered it has moved."""

    def __init__(self, renew: Callable[[], None], *, every: float = _EVERY_SECONDS) -> None:
        self._renew = renew
        self._every = every
        self._watched = 0
        self._left = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True, name="signs of life")

    def __enter__(self) -> Self:
        self._watched = threading.get_ident()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._left.set()
        self._thread.join()

    def _run(self) -> None:
        before = None
        while not self._left.wait(self._every):
            place = _place(self._watched)
            if place != before:
                self._renew()
            before = place


def _place(thread: int) -> tuple[tuple[int, int], ...]:
    """Where a thread is: each frame of its stack and the instruction in it."""
    frame, place = sys._current_frames().get(thread), []
    while frame is not None:
        place.append((id(frame), frame.f_lasti))
        frame = frame.f_back
    return tuple(place)
