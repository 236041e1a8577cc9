"""The store's protocol and what it tells about an object."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True)
class ObjectInfo:
    """What is known of an object: `size` in bytes, `modified` in UTC, `md5` the content's digest in hex or None.

    `md5` is None where the server does not know it: an object that another program uploaded in parts. In a bucket
    that encrypts with KMS keys it is the server's ETag, which is no digest of the content.
    """

    key: str
    size: int
    md5: str | None = field(repr=False)  # DeferredObjectInfo would have to work it out to show it
    modified: datetime


class DeferredObjectInfo(ObjectInfo):
    """An object whose digest costs a request or a read of the file: worked out when `md5` is first asked for."""

    def __init__(self, key: str, size: int, modified: datetime, digest: Callable[[], str | None]) -> None:
        # Not through ObjectInfo.__init__: it would set `md5`, which is a property here.
        for name, value in (("key", key), ("size", size), ("modified", modified), ("_digest", digest)):
            object.__setattr__(self, name, value)

    _digest: Callable[[], str | None]

    @cached_property
    def md5(self) -> str | None:
        """The content's digest; StoreError where asking fails."""
        return self._digest()


def every(_key: str) -> bool:
    """Wants every object."""
    return True


class Store(Protocol):
    """Objects by key, in a bucket or a folder.

    Keys are relative to the store's prefix: segments joined by "/", no empty, "." or ".." segment, no backslash or
    control character, at most 1,024 bytes. A key is never both an object and the folder of others. Writes replace
    whole objects: a reader sees the old one or the new one. Every method raises StoreError (one of its kinds).
    """

    def get(self, key: str, *, limit: int | None = None) -> bytes:
        """The object's bytes; NotFoundError.

        TooLargeError if there are more than `limit` bytes, before more than that many are read.
        """
        ...

    def put(self, key: str, data: bytes, *, content_type: str = "application/octet-stream") -> None:
        """Write the object, replacing what is there."""
        ...

    def create(self, key: str, data: bytes) -> bool:
        """Write the object if there is none of that key; whether this call made it.

        Of several callers at once exactly one gets True (for S3: where the server honours If-None-Match, see
        `creates_once`). After a lost answer the object's content decides, so each caller's data must differ: a
        claim names its claimant.
        """
        ...

    def stat(self, key: str) -> ObjectInfo | None:
        """What is known of the object; None if there is none."""
        ...

    def list(
        self, prefix: str = "", *, limit: int | None = None, wanted: Callable[[str], bool] = every
    ) -> Iterator[ObjectInfo]:
        """The wanted objects (by key) in the folder `prefix` and below, sorted by key; none if there is no such folder.

        TooManyObjectsError if there are more than `limit` of them, before more than that many are asked for. What is
        not wanted takes no memory.

        "a/b" means what is below a/b, never a/bc; "" means all. Errors are raised by the call, not while iterating.
        """
        ...

    def folders(self, prefix: str = "") -> Sequence[str]:
        """The names of the folders directly in the folder `prefix`, sorted; what lies in them is not walked through."""
        ...

    def delete(self, key: str) -> None:
        """Remove the object; fine if there is none."""
        ...

    def upload(self, key: str, path: Path) -> None:
        """Write a file as an object, streamed. OSError if the file cannot be read."""
        ...

    def download(self, key: str, path: Path) -> None:
        """Write an object to a file, streamed; `path` appears whole or not at all. NotFoundError."""
        ...

    def copy(self, source: str, key: str) -> None:
        """Write the object `source` as another one of its own, by the server where there is one. NotFoundError."""
        ...

    def uri(self, key: str = "") -> str:
        """Where the object (or the store's root) is: s3://bucket/prefix/key or file:///folder/key."""
        ...

    def check(self, folder: str = "") -> None:
        """Prove by doing it that objects below `folder` can be listed, written, read and removed; the precise error."""
        ...
