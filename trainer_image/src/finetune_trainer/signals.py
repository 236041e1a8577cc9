"""Being told to stop, looked at between steps: by SIGTERM or SIGINT, or by a file that another process makes."""

import logging
import signal
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
    """Set once the process is told to stop, by a signal or by `also`; a second signal changes nothing."""

    def __init__(self, also: Stop | None = None) -> None:
        self._told = False
        self._also = also

    @property
    def is_set(self) -> bool:
        """Whether a signal came, or the other says so."""
        return self._told or (self._also is not None and self._also.is_set)

    def install(self) -> None:
        """Heed SIGTERM and SIGINT from here on."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)

    def _stop(self, number: int, _frame: FrameType | None) -> None:
        if not self._told:
            logger.info("%s: saving the state after this step, then ending", signal.Signals(number).name)
        self._told = True
