"""SIGTERM and SIGINT as a flag that is looked at between steps; a second one changes nothing."""

import logging
import signal
from types import FrameType

logger = logging.getLogger(__name__)


class StopFlag:
    """Set once the process is told to stop."""

    def __init__(self) -> None:
        self.is_set = False

    def install(self) -> None:
        """Heed SIGTERM and SIGINT from here on."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)

    def _stop(self, number: int, _frame: FrameType | None) -> None:
        if not self.is_set:
            logger.info("%s: saving the state after this step, then ending", signal.Signals(number).name)
        self.is_set = True
