"""Uploading a large file in parts, each of them retried alone."""

import logging
import math
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol, TypeVar

from minio.datatypes import Part

from finetune_store._errors import NotFoundError, StoreError
from finetune_store._files import file_md5, fingerprint
from finetune_store._model import ObjectInfo
from finetune_store._s3.client import S3Client

PART_BYTES = 16 << 20
"""Files up to this size go in one request, so that their ETag is their md5; larger ones in parts of it.

A part is held in memory, and urllib3 lets sending it take no longer than the timeout (16 MiB in 30 s).
"""
MAX_PARTS = 10_000
"""https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html"""

_log = logging.getLogger("finetune_store")
T = TypeVar("T")


class Call(Protocol):
    """Makes a request with retries and named errors; takes what is being done and the request."""

    def __call__(self, action: str, request: Callable[[], T], /) -> T:
        """The request's result; StoreError."""
        ...


class PartedUpload:
    """One file on its way to one object; nothing is visible before the last request."""

    def __init__(self, client: S3Client, bucket: str, name: str, path: Path, call: Call) -> None:
        self._client = client
        self._target = (bucket, name)
        self._path = path
        self._call = call
        self._fingerprint = fingerprint(path)
        self._md5 = file_md5(path)

    def run(self, stat: Callable[[], ObjectInfo | None]) -> None:
        """Upload all parts and make the object; the parts are dropped if that fails. `stat` looks at the object."""
        upload = self._call("begin the upload of", lambda: self._client.begin_upload(*self._target, md5=self._md5))
        with ExitStack() as cleanup:
            cleanup.callback(self._abort, upload)
            parts = [self._send(upload, number, data) for number, data in enumerate(self._chunks(), start=1)]
            if fingerprint(self._path) != self._fingerprint:
                raise StoreError(f"{self._path} changed while it was being uploaded: write it first, then upload")
            self._finish(upload, parts, stat)
            cleanup.pop_all()

    def _chunks(self) -> Iterator[bytes]:
        size = max(PART_BYTES, math.ceil(self._path.stat().st_size / MAX_PARTS))
        with self._path.open("rb") as stream:
            while chunk := stream.read(size):
                yield chunk

    def _send(self, upload: str, number: int, data: bytes) -> Part:
        return self._call(
            f"upload part {number} of", lambda: self._client.upload_part(*self._target, upload, number, data)
        )

    def _finish(self, upload: str, parts: list[Part], stat: Callable[[], ObjectInfo | None]) -> None:
        try:
            self._call("finish the upload of", lambda: self._client.finish_upload(*self._target, upload, parts))
        except NotFoundError:
            # The upload's id is gone: an earlier attempt may have finished it and only its answer was lost.
            info = stat()
            if info is None or info.md5 != self._md5:
                raise

    def _abort(self, upload: str) -> None:
        try:
            self._call("drop the parts of", lambda: self._client.abort_upload(*self._target, upload))
        except StoreError as error:
            _log.warning("%s; the parts stay until the bucket's lifecycle rule for unfinished uploads", error)
