"""Files written whole, and their digests."""

import errno
import hashlib
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from uuid import uuid4

CHUNK_BYTES = 1 << 20
_FOLDER_ATTEMPTS = 100
# A file changed this short a time ago may change again without a new time stamp (file systems have ticks).
_SETTLED_NS = 2_000_000_000


@contextmanager
def written_whole(
    path: Path, *, scratch: Path | None = None, settle: Callable[[Path, Path], None] = os.replace
) -> Iterator[Path]:
    """A new file to fill, moved to `path` by `settle` when the block ends well; never left behind.

    It lies in `scratch` (same file system; default: beside `path`). Folders are made as needed.
    """
    folder = scratch or path.parent
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f".{uuid4().hex}.part"
    try:
        yield part
        _sync(part)
        _into_folder(part, path, settle)
    finally:
        part.unlink(missing_ok=True)


def fingerprint(path: Path) -> tuple[int, int, int]:
    """What changes when a file does: size, time of change in ns, inode."""
    facts = path.stat()
    return facts.st_size, facts.st_mtime_ns, facts.st_ino


def file_md5(path: Path) -> str:
    """The digest of a file's content in hex; remembered while the file's fingerprint stays the same."""
    seen = fingerprint(path)
    if time.time_ns() - seen[1] < _SETTLED_NS:
        return _md5(path)
    return _remembered_md5(path, seen)


@lru_cache(maxsize=4096)
def _remembered_md5(path: Path, _fingerprint: tuple[int, int, int]) -> str:
    return _md5(path)


def _md5(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def _sync(path: Path) -> None:
    # On the disk before it shows: after a power cut a file has its content or is not there.
    with path.open("rb") as stream:
        os.fsync(stream.fileno())


def _into_folder(part: Path, path: Path, settle: Callable[[Path, Path], None]) -> None:
    for last in (attempt == _FOLDER_ATTEMPTS for attempt in range(1, _FOLDER_ATTEMPTS + 1)):
        try:
            _make_folder(path.parent)
            settle(part, path)
        except FileNotFoundError:
            # Another process removed the folder, being empty, in between (DirectoryStore.delete): make it again.
            if last:
                raise
        else:
            return


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        if not folder.is_file():  # a folder that was removed between mkdir and its look at what is there
            raise FileNotFoundError(errno.ENOENT, "the folder came and went", str(folder)) from error
        raise NotADirectoryError(errno.ENOTDIR, "a file is in the way", str(folder)) from error


def file_sha256(path: Path) -> str:
    """The SHA-256 of a local file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
