"""One command at a time for one experiment on this machine."""

import fcntl
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from finetune_core.canonical import short_hash


@contextmanager
def exclusive(what: str, *, on_wait: Callable[[], None]) -> Iterator[int]:
    """Hold a lock named by `what`; its file descriptor, which processes that are given it hold too.

    The lock goes with the last process that holds it, however that ends. `on_wait` is called if another has it.
    """
    path = Path(tempfile.gettempdir()) / f"finetune-{os.getuid()}-{short_hash(what)}.lock"
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            on_wait()
            fcntl.flock(file, fcntl.LOCK_EX)
        yield file.fileno()
