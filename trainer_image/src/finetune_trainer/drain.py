"""Ending a pod without loss: `finetune-trainer drain` runs before Kubernetes tells its processes to stop (preStop).

A Ray node's first process ends all others at once on SIGTERM. So the hook leaves a file that the runs look for between
steps, and waits until each has saved its state.
"""

import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from finetune_trainer.inputs import work_folder
from finetune_trainer.signals import StopFile

logger = logging.getLogger(__name__)

_POLL_SECONDS = 0.2


def request_file() -> Path:
    """The file that asks all processes of this pod to save their state and to stop."""
    return work_folder() / "drain"


def requested() -> StopFile:
    """Whether this pod is to end."""
    return StopFile(request_file())


def request() -> None:
    """Ask them."""
    request_file().parent.mkdir(parents=True, exist_ok=True)
    request_file().touch()


@contextmanager
def busy() -> Iterator[None]:
    """While this process has something to save."""
    mark = _marks() / str(os.getpid())
    mark.parent.mkdir(parents=True, exist_ok=True)
    mark.touch()
    try:
        yield
    finally:
        mark.unlink(missing_ok=True)


def drain() -> None:
    """Ask all processes of this pod to stop and wait until none is busy; Kubernetes bounds it by the grace period."""
    request()
    while any(map(_is_alive, _marks().glob("*"))):
        time.sleep(_POLL_SECONDS)


def _marks() -> Path:
    return work_folder() / "busy"


def _is_alive(mark: Path) -> bool:
    try:
        os.kill(int(mark.name), 0)
    except ProcessLookupError:
        return False
    return True
