"""A volume that keeps what pods fetch for the next ones (`execution.cache`), and folders that processes share.

It only saves time: a pod keeps what it fetches to itself, as it would without one, where the volume cannot be written.
"""

import errno
import fcntl
import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

logger = logging.getLogger(__name__)

_REFUSED = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT, errno.ENOTDIR}
_BROKEN = {errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.ESTALE}
_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP}
_PATIENCE = 900.0
"""Seconds after which a process that fetches is waited for no longer: it may hang, in another pod."""

_POLL = 0.5


class Cache:
    """A volume that other pods write, too; `folder` is None where there is none."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder

    @classmethod
    def from_env(cls) -> "Cache":
        """The volume of $FINETUNE_CACHE, if there is one that can be written."""
        named = os.environ.get("FINETUNE_CACHE")
        cache = cls(Path(named) if named else None)
        cache._try()
        return cache

    def fetch(self, fetch: Callable[[Path | None], Path]) -> Path:
        """What `fetch` returns, given the volume; where that cannot take it, given None, which the log explains."""
        if self._folder is not None:
            try:
                return fetch(self._folder)
            except OSError as error:
                # Errors of the network are OSErrors, too.
                if error.errno not in _REFUSED | _BROKEN:
                    raise
                self._give_up(error)
        return fetch(None)

    def _try(self) -> None:
        try:
            if self._folder is not None:
                TemporaryFile(dir=self._folder).close()
        except OSError as error:
            self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        remedy = f"user {os.getuid()} must be able to write it" if error.errno in _REFUSED else "see that it has room"
        logger.warning("execution.cache is not used, this pod keeps what it fetches to itself: %s; %s", error, remedy)
        self._folder = None


def mark_of(folder: Path) -> Path:
    """There when a folder is whole; it holds the digest of its files."""
    return folder.with_name(f"{folder.name}.whole")


@contextmanager
def one_at_a_time(folder: Path) -> Iterator[None]:
    """Of the processes that fetch a folder, one does, and the others wait for it; OSError where it cannot be made."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_name(f"{folder.name}.lock").open("w") as lock:
        _wait_for(lock)
        yield


def _wait_for(lock: IO[str]) -> None:
    deadline = time.monotonic() + _PATIENCE
    while not _locked(lock) and time.monotonic() < deadline:
        time.sleep(_POLL)


def _locked(lock: IO[str]) -> bool:
    """Whether nothing is left to wait for; without locks, what is fetched twice is the same."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
    return True
