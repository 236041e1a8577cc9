"""Objects as files below a folder."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from itertools import islice
from os import fstat
from pathlib import Path
from shutil import copyfileobj
from stat import S_ISREG
from uuid import uuid4

from finetune_store._errors import AlreadyThereError, InvalidKeyError, NotFoundError, TooLargeError, TooManyObjectsError
from finetune_store._files import CHUNK_BYTES, file_md5, written_whole
from finetune_store._keys import PROBE_FOLDER, checked_folder, checked_key, join
from finetune_store._model import DeferredObjectInfo, ObjectInfo, every
from finetune_store._os_errors import named_errors

SCRATCH = ".finetune-parts"
"""Folder of files being written; a killed writer leaves its unfinished file here, where nobody looks for objects."""


class DirectoryStore:
    """A folder (see Store). It is made by the first write; one that is not there is an empty store."""

    def __init__(self, root: Path) -> None:
        self._root = root.absolute()

    def get(self, key: str, *, limit: int | None = None) -> bytes:
        """See Store."""
        path = self._path(key)
        with named_errors("read", path):
            if limit is None:
                return path.read_bytes()
            with path.open("rb") as opened:
                # A device has no size and no end: no more than a byte of it is read.
                size = fstat(opened.fileno()).st_size
                content = opened.read(size + 1) if size <= limit else None
        if content is None or len(content) > limit:
            raise TooLargeError(self.uri(key), limit)
        return content

    def put(self, key: str, data: bytes, *, content_type: str = "application/octet-stream") -> None:
        """See Store. Files have no content type: it is not kept."""
        with self._writing(key) as part:
            part.write_bytes(data)

    def create(self, key: str, data: bytes) -> bool:
        """See Store. UnsupportedError where the file system has no hard links."""
        try:
            # A link, not an exclusive open: the file appears with its content or not at all.
            with self._writing(key, action="create", settle=os.link) as part:
                part.write_bytes(data)
        except AlreadyThereError:
            return False
        return True

    def stat(self, key: str) -> ObjectInfo | None:
        """See Store. The file is read when `md5` is first asked for."""
        path = self._path(key)
        with named_errors("read", path):
            return self._info(path)

    def list(
        self, prefix: str = "", *, limit: int | None = None, wanted: Callable[[str], bool] = every
    ) -> Iterator[ObjectInfo]:
        """See Store. Links are followed; files are read when `md5` is first asked for."""
        folder = checked_folder(prefix)
        start = self._path(folder) if folder else self._root
        with named_errors("list", start):
            paths = [*islice(filter(self._wants(wanted), _files_below(start)), None if limit is None else limit + 1)]
            if limit is not None and len(paths) > limit:
                raise TooManyObjectsError(self.uri(prefix), limit)
            infos = [info for path in paths if (info := self._info(path))]
        return iter(sorted(infos, key=lambda info: info.key))

    def folders(self, prefix: str = "") -> Sequence[str]:
        """See Store. Links are followed."""
        folder = checked_folder(prefix)
        start = self._path(folder) if folder else self._root
        with named_errors("list", start):
            if not start.is_dir():
                return []
            return sorted(entry.name for entry in start.iterdir() if entry.is_dir() and entry.name != SCRATCH)

    def delete(self, key: str) -> None:
        """See Store. Folders that become empty go too, as they do in a bucket."""
        path = self._path(key)
        try:
            with named_errors("delete", path):
                path.unlink()
        except NotFoundError:
            return
        with suppress(OSError):  # not empty, or another process was faster: the folder is to stay as it is
            for folder in path.relative_to(self._root).parents[:-1]:
                (self._root / folder).rmdir()

    def upload(self, key: str, path: Path) -> None:
        """See Store."""
        with path.open("rb") as source, self._writing(key) as part, part.open("wb") as target:
            copyfileobj(source, target, CHUNK_BYTES)

    def download(self, key: str, path: Path) -> None:
        """See Store."""
        source = self._path(key)
        with ExitStack() as stack:
            with named_errors("read", source):
                opened = stack.enter_context(source.open("rb"))
            target = stack.enter_context(written_whole(path))
            with target.open("wb") as stream:
                copyfileobj(opened, stream, CHUNK_BYTES)

    def copy(self, source: str, key: str) -> None:
        """See Store. No hard link: who changes a file by other programs changes one alone."""
        with ExitStack() as stack:
            with named_errors("read", self._path(source)):
                opened = stack.enter_context(self._path(source).open("rb"))
            with self._writing(key) as part, part.open("wb") as target:
                copyfileobj(opened, target, CHUNK_BYTES)

    def uri(self, key: str = "") -> str:
        """See Store. Characters that URIs do not allow are percent-encoded."""
        return (self._root / key).as_uri()

    def check(self, folder: str = "") -> None:
        """See Store. Makes the store's folder; leaves nothing else behind."""
        key = join(checked_folder(folder), PROBE_FOLDER, uuid4().hex)
        self.put(key, b"written to find out whether it can be")
        self.get(key)
        self.delete(key)

    def _path(self, key: str) -> Path:
        if checked_key(key).split("/")[0] == SCRATCH:
            raise InvalidKeyError(f"the key {key!r} cannot be used: {SCRATCH} is where unfinished files lie")
        return self._root / key

    @contextmanager
    def _writing(
        self, key: str, *, action: str = "write", settle: Callable[[Path, Path], None] = os.replace
    ) -> Iterator[Path]:
        path = self._path(key)
        with named_errors(action, path), written_whole(path, scratch=self._root / SCRATCH, settle=settle) as part:
            yield part

    def _wants(self, wanted: Callable[[str], bool]) -> Callable[[Path], bool]:
        return lambda path: wanted(path.relative_to(self._root).as_posix())

    def _info(self, path: Path) -> ObjectInfo | None:
        try:
            facts = path.stat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        if not S_ISREG(facts.st_mode):
            return None
        key = path.relative_to(self._root).as_posix()
        return DeferredObjectInfo(
            key, facts.st_size, datetime.fromtimestamp(facts.st_mtime, UTC), lambda: _digest(path)
        )


def _digest(path: Path) -> str | None:
    try:
        with named_errors("read", path):
            return file_md5(path)
    except NotFoundError:
        return None


def _files_below(folder: Path, above: frozenset[tuple[int, int]] = frozenset()) -> Iterator[Path]:
    try:
        facts = folder.stat()
        entries = sorted(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return
    identity = (facts.st_dev, facts.st_ino)
    if identity in above:  # a link to a folder that it lies in
        return
    for entry in entries:
        if entry.name == SCRATCH:
            continue
        if entry.is_dir():
            yield from _files_below(entry, above | {identity})
        else:
            yield entry
