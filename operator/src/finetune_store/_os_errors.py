"""From what the file system raises to the errors of this package."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from finetune_store._errors import (
    AccessDeniedError,
    AlreadyThereError,
    InvalidKeyError,
    NotFoundError,
    StoreError,
    StoreFullError,
    UnreachableError,
    UnsupportedError,
)

_Meaning = tuple[type[StoreError], str]

_DENIED: _Meaning = (AccessDeniedError, "check the owner and the mode of the folder")
_FULL: _Meaning = (StoreFullError, "free space or raise the quota")
_BROKEN: _Meaning = (UnreachableError, "check the disk or the file server")
_IN_THE_WAY: _Meaning = (InvalidKeyError, "an object cannot also be a folder of others")
_NOT_THERE: _Meaning = (NotFoundError, "there is no such object")
_NO_LINKS: _Meaning = (
    UnsupportedError,
    "the file system has no hard links, which claims are made of: use another, or a bucket",
)

_ALWAYS: dict[int, _Meaning] = {
    errno.ENOENT: _NOT_THERE,
    errno.EACCES: _DENIED,
    errno.EPERM: _DENIED,
    errno.EROFS: _DENIED,
    errno.ENOSPC: _FULL,
    errno.EDQUOT: _FULL,
    errno.EIO: _BROKEN,
    errno.ESTALE: _BROKEN,
    errno.ENAMETOOLONG: (InvalidKeyError, "its parts may be no longer than 255 bytes each"),
}
_READING: dict[int, _Meaning] = {errno.ENOTDIR: _NOT_THERE, errno.EISDIR: _NOT_THERE}
_WRITING: dict[int, _Meaning] = {errno.ENOTDIR: _IN_THE_WAY, errno.EISDIR: _IN_THE_WAY, errno.ENOTEMPTY: _IN_THE_WAY}
_CREATING: dict[int, _Meaning] = _WRITING | {
    errno.EEXIST: (AlreadyThereError, "there is an object already"),
    errno.EPERM: _NO_LINKS,
    errno.EOPNOTSUPP: _NO_LINKS,
    errno.ENOSYS: _NO_LINKS,
}
_BY_ACTION = {"read": _READING, "list": _READING, "delete": _READING, "write": _WRITING, "create": _CREATING}


@contextmanager
def named_errors(action: str, path: Path) -> Iterator[None]:
    """Turn the OSErrors of a block that reads, lists, deletes, writes or creates `path` into StoreErrors."""
    try:
        yield
    except OSError as error:
        reasons = _ALWAYS | _BY_ACTION[action]
        kind, remedy = reasons.get(error.errno or 0, (StoreError, "see the reason"))
        raise kind(f"cannot {action} {path}: {error.strerror or error}; {remedy}") from error
