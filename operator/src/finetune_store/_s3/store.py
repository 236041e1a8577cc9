"""Objects in a bucket of an S3 server."""

import re
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import TypeVar
from uuid import uuid4

from minio.commonconfig import CopySource
from minio.datatypes import Object
from minio.helpers import check_bucket_name

from finetune_store._errors import (
    AccessDeniedError,
    AlreadyThereError,
    InvalidConfigurationError,
    NotFoundError,
    TooLargeError,
    TooManyObjectsError,
    UnexpectedAnswerError,
)
from finetune_store._files import CHUNK_BYTES, written_whole
from finetune_store._keys import PROBE_FOLDER, checked_folder, checked_key, join, relative_key
from finetune_store._model import DeferredObjectInfo, ObjectInfo, every
from finetune_store._proxy import way_to
from finetune_store._s3.client import AWS_ENDPOINT, MD5_HEADER, connect
from finetune_store._s3.connection import S3Connection
from finetune_store._s3.retry import with_retries
from finetune_store._s3.translate import FOREIGN_ERRORS, Place, check_deadline, translated
from finetune_store._s3.upload import PART_BYTES, PartedUpload

_BYTES = "application/octet-stream"
_EPOCH = datetime.fromtimestamp(0, UTC)
_MD5 = re.compile(r"[0-9a-f]{32}")
T = TypeVar("T")


class S3Store:
    """A prefix of a bucket (see Store). May be shared by threads, not by processes."""

    def __init__(
        self, bucket: str, prefix: str, connection: S3Connection, *, retry_seconds: float, timeout_seconds: float
    ) -> None:
        self._bucket = _checked_bucket(bucket)
        self._prefix = checked_folder(prefix)
        self._endpoint = connection.endpoint or AWS_ENDPOINT
        self._signed = connection.access_key is not None or connection.workload_identity
        self._retry_seconds = retry_seconds
        self._client = connect(connection, timeout_seconds=timeout_seconds)
        self._bucket_seen = False

    def get(self, key: str, *, limit: int | None = None) -> bytes:
        """See Store."""
        name = self._name(key)
        content = self._call("read", key, lambda: self._client.read(self._bucket, name, limit))
        if content is None:
            raise TooLargeError(self.uri(key), limit or 0)
        return content

    def put(self, key: str, data: bytes, *, content_type: str = _BYTES) -> None:
        """See Store. One request; large contents are better written to a file and uploaded."""
        name = self._name(key)
        self._call("write", key, lambda: self._client.put(self._bucket, name, data, content_type=content_type))

    def create(self, key: str, data: bytes) -> bool:
        """See Store. UnsupportedError where the server refuses If-None-Match."""
        name, attempts = self._name(key), 0

        def attempt() -> None:
            nonlocal attempts
            attempts += 1
            self._client.put(self._bucket, name, data, content_type=_BYTES, only_if_absent=True)

        try:
            self._call("create", key, attempt)
        except AlreadyThereError:
            # With more than one attempt the object may be our own: only the answer to the first was lost.
            return attempts > 1 and self._holds(key, data)
        return True

    def stat(self, key: str) -> ObjectInfo | None:
        """See Store."""
        name = self._name(key)
        try:
            found = self._call("read", key, lambda: self._client.stat_object(self._bucket, name))
        except NotFoundError:
            if not self._bucket_seen:
                self._probe(key.rpartition("/")[0])
            return None
        except (AccessDeniedError, UnexpectedAnswerError):
            # The answer to HEAD has no body, so no precise reason: ask in a way that has one.
            self._probe(key.rpartition("/")[0])
            raise
        uploaded_md5 = (found.metadata or {}).get(MD5_HEADER)
        return ObjectInfo(key, found.size or 0, _md5(found.etag) or uploaded_md5, found.last_modified or _EPOCH)

    def list(
        self, prefix: str = "", *, limit: int | None = None, wanted: Callable[[str], bool] = every
    ) -> Iterator[ObjectInfo]:
        """See Store. One request for each 1,000 objects; `md5` of an object uploaded in parts costs one more."""
        start = self._start(prefix)

        def attempt() -> list[ObjectInfo]:
            found = self._client.list_objects(self._bucket, prefix=start, recursive=True)
            # Consoles make objects whose names end in "/" to show folders.
            infos = (self._info(each) for each in found if not each.is_dir)
            return [*islice((info for info in infos if wanted(info.key)), None if limit is None else limit + 1)]

        found = self._call("list", prefix, attempt)
        if limit is not None and len(found) > limit:
            raise TooManyObjectsError(self.uri(prefix), limit)
        # Servers differ in order (SeaweedFS: by folder).
        return iter(sorted(found, key=lambda info: info.key))

    def folders(self, prefix: str = "") -> Sequence[str]:
        """See Store. One request for each 1,000 folders and objects that lie there."""
        start = self._start(prefix)

        def attempt() -> list[str]:
            found = self._client.list_objects(self._bucket, prefix=start)
            return sorted(each.object_name.removeprefix(start).rstrip("/") for each in found if each.is_dir)

        return self._call("list", prefix, attempt)

    def delete(self, key: str) -> None:
        """See Store."""
        name = self._name(key)
        self._call("delete", key, lambda: self._client.remove_object(self._bucket, name))

    def upload(self, key: str, path: Path) -> None:
        """See Store. Files above 16 MiB go in parts, each retried alone; their md5 is kept as metadata."""
        if path.stat().st_size <= PART_BYTES:
            self.put(key, path.read_bytes())
            return

        def call(action: str, request: Callable[[], T]) -> T:
            return self._call(action, key, request)

        PartedUpload(self._client, self._bucket, self._name(key), path, call).run(lambda: self.stat(key))

    def download(self, key: str, path: Path) -> None:
        """See Store."""
        name = self._name(key)
        with written_whole(path) as part:

            def attempt() -> None:
                with part.open("wb") as target:
                    self._client.stream(self._bucket, name, target, CHUNK_BYTES)

            self._call("read", key, attempt)

    def copy(self, source: str, key: str) -> None:
        """See Store. The bytes do not pass through here."""
        there, name = CopySource(self._bucket, self._name(source)), self._name(key)
        self._call("copy", source, lambda: self._client.copy_object(self._bucket, name, there))

    def uri(self, key: str = "") -> str:
        """See Store."""
        return "s3://" + join(self._bucket, self._prefix, key)

    def check(self, folder: str = "") -> None:
        """See Store. Leaves nothing behind."""
        self._probe(folder)
        key, content = join(checked_folder(folder), PROBE_FOLDER, uuid4().hex), b"written to find out whether it can be"
        self.put(key, content)
        try:
            if self.get(key, limit=len(content)) != content:
                raise UnexpectedAnswerError(f"{self.uri(key)} at {self._endpoint} reads back otherwise than written")
        finally:
            self.delete(key)

    def _probe(self, folder: str) -> None:
        # Within the folder that was asked for: keys may be limited to it.
        start = join(self._prefix, checked_folder(folder), PROBE_FOLDER) + "/"
        self._call("list", folder, lambda: next(iter(self._client.list_objects(self._bucket, prefix=start)), None))

    def _holds(self, key: str, data: bytes) -> bool:
        try:
            return self.get(key, limit=len(data)) == data
        except (NotFoundError, TooLargeError):
            return False

    def _info(self, found: Object) -> ObjectInfo:
        key = relative_key(found.object_name or "", self._prefix)
        size, modified, md5 = found.size or 0, found.last_modified or _EPOCH, _md5(found.etag)
        if md5 is not None:
            return ObjectInfo(key, size, md5, modified)
        return DeferredObjectInfo(key, size, modified, lambda: self._md5_of(key))

    def _md5_of(self, key: str) -> str | None:
        info = self.stat(key)
        return info.md5 if info else None

    def _start(self, prefix: str) -> str:
        """What the names of all objects in a folder begin with."""
        folder = join(self._prefix, checked_folder(prefix))
        return f"{folder}/" if folder else ""

    def _name(self, key: str) -> str:
        return checked_key(join(self._prefix, checked_key(key)))

    def _call(self, action: str, key: str, request: Callable[[], T]) -> T:
        place = Place(action, self.uri(key), way_to(self._endpoint), signed=self._signed)

        def attempt() -> T:
            check_deadline(place)
            try:
                return request()
            except FOREIGN_ERRORS as error:
                check_deadline(place, error)
                raise translated(error, place) from error

        result = with_retries(attempt, seconds=self._retry_seconds)
        self._bucket_seen = True
        return result


def _checked_bucket(bucket: str) -> str:
    try:
        check_bucket_name(bucket)
    except ValueError as error:
        raise InvalidConfigurationError(f"{error}: correct storage.bucket") from error
    return bucket


def _md5(etag: str | None) -> str | None:
    # "<hash>-<parts>" is the ETag of an upload in parts: no digest of the content.
    return etag if etag and _MD5.fullmatch(etag) else None
