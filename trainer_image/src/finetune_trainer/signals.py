"""Being told to stop, looked at between steps: by SIGTERM or SIGINT, or by a file that another process makes."""

import logging
import signal
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Protocol

logger = logging.getLogger(__name__)


class Stop(Protocol):
    """Whether to stop."""

    @property
    def is_set(self) -> bool:
        """True from the moment on that says so."""
        ...


class StopFile:
    """Set once a file is there; for processes that get no signal of their own."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def is_set(self) -> bool:
        """Whether the file is there."""
        return self._path.exists()


class StopFlag:
    """Set once the process is told to stop; a second signal changes nothing."""

    def __init__(self) -> None:
        self.is_set = False
        self._tell: Callable[[], None] | None = None

    def install(self, tell: Callable[[], None] | None = None) -> None:
        """Heed SIGTERM and SIGINT from here on; `tell` is called at the first, or now if there was one already."""
        self._tell = tell
        if self.is_set and tell:
            tell()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)

    def _stop(self, number: int, _frame: FrameType | None) -> None:
        if not self.is_set:
            logger.info("%s: saving the state after this step, then ending", signal.Signals(number).name)
        self.is_set = True
        if self._tell:
            self._tell()
