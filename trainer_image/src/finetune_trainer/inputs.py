"""Models and data folders as local paths, wherever they come from; fetched once a pod."""

import fcntl
import os
import shutil
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from finetune_core.canonical import short_hash
from finetune_core.planning.plan import ResolvedData
from finetune_core.stored import is_relative
from finetune_store import (
    InvalidConfigurationError,
    NotFoundError,
    S3Connection,
    Store,
    download_tree,
    local_folder,
    open_store,
)
from finetune_trainer.errors import UserError
from finetune_trainer.hub import hub_file, hub_snapshot
from finetune_trainer.pinned import require_hash, require_pinned

_HUB = "hf://"
_S3 = "s3://"


class Inputs:
    """Fetches below `work`; the same URI is fetched once.

    `retry_seconds` is how long an unreachable store is waited for.
    """

    def __init__(self, work: Path, *, connection: S3Connection, retry_seconds: float, pvc_root: Path) -> None:
        self._work = work
        self._connection = connection
        self._retry_seconds = retry_seconds
        self._pvc_root = pvc_root
        self._folders: dict[str, Path] = {}
        self._pinned: set[str] = set()
        self._compared: set[Path] = set()

    def model(self, uri: str, digest: str = "") -> Path:
        """A model folder; UserError where its content is not that of a digest, if there is one."""
        folder = self._folder(uri, repo_type="model", digest=digest)
        if digest:
            self._require_pinned(uri, folder, digest)
        return folder

    def fetched(self, uri: str) -> Path | None:
        """The folder of a model or data that is here already."""
        return self._folders.get(uri)

    def found(self) -> tuple[dict[str, Path], set[str]]:
        """What is here already: the folders by URI, and digests that were compared."""
        return self._folders, self._pinned

    def take_over(self, found: tuple[dict[str, Path], set[str]]) -> None:
        """Take what another process of this machine has found."""
        folders, pinned = found
        self._folders |= folders
        self._pinned |= pinned

    def data_files(self, data: ResolvedData, paths: Iterable[str], decisive: Collection[str]) -> list[Path]:
        """Files of a task's data; UserError where the decisive ones, which its digest covers, have changed."""
        if data.uri.startswith(_S3) and decisive:
            for path in sorted(decisive):
                self.data_file(data.uri, path, data.digest)
            self._require_pinned(data.uri, self._data_folder(data.uri, data.digest), data.digest, decisive)
        if data.uri.startswith(_HUB):
            return [self._hub_file(data, path) for path in paths]
        return [self.data_file(data.uri, path, data.digest) for path in paths]

    def data_file(self, uri: str, path: str, digest: str = "") -> Path:
        """One file of a data folder; only that file is fetched."""
        if not uri.startswith(_S3):
            return self._require(self._folder(uri, repo_type="dataset") / path, uri)
        local = self._data_folder(uri, digest) / path
        if not local.exists():
            local.parent.mkdir(parents=True, exist_ok=True)
            try:
                self._open(uri).download(path, local)
            except NotFoundError as error:
                raise UserError(f"{path} is no longer at {uri}: {error}") from error
        return local

    def _hub_file(self, data: ResolvedData, path: str) -> Path:
        file = hub_file(data.uri, path)
        if file not in self._compared:
            require_hash(file, f"{path} of {data.uri}", data.hashes.get(path))
            self._compared.add(file)
        return file

    def local_folder(self, uri: str) -> Path:
        """The folder of a pvc:// or file:// URI; UserError if it is not there."""
        if uri.startswith("pvc://"):
            path = uri.removeprefix("pvc://")
            if not is_relative(path.rstrip("/")):
                raise UserError(f"{uri} leads out of its volume: write pvc://claim/path")
            return self._require(self._pvc_root / path, uri)
        try:
            return self._require(local_folder(uri), uri)
        except InvalidConfigurationError as error:
            raise UserError(str(error)) from error

    def _folder(self, uri: str, *, repo_type: str, digest: str = "") -> Path:
        if uri not in self._folders:
            self._folders[uri] = self._fetch(uri, repo_type, digest)
        return self._folders[uri]

    def _data_folder(self, uri: str, digest: str) -> Path:
        # On one's own machine it outlives the run: other content must not be taken for this one.
        return self._work / "data" / short_hash([uri, digest])

    def _require_pinned(self, uri: str, folder: Path, digest: str, paths: Collection[str] | None = None) -> None:
        if digest in self._pinned or not uri.startswith(_S3):
            return
        try:
            require_pinned(folder, self._open(uri), digest, paths)
        except UserError:
            # The next run of this pod looks at what lies there by then.
            self._folders.pop(uri, None)
            _mark_of(folder).unlink(missing_ok=True)
            shutil.rmtree(folder, ignore_errors=True)
            raise
        self._pinned.add(digest)

    def _fetch(self, uri: str, repo_type: str, digest: str) -> Path:
        if uri.startswith(("pvc://", "file://")):
            return self.local_folder(uri)
        if uri.startswith(_HUB):
            return hub_snapshot(uri, repo_type)
        folder = self._work / repo_type / short_hash([uri, digest])
        with _one_at_a_time(folder):
            # What no digest names may have changed since another process fetched it.
            if not (digest and _mark_of(folder).exists()):
                self._download(uri, folder)
                _mark_of(folder).touch()
        return folder

    def _download(self, uri: str, folder: Path) -> None:
        try:
            download_tree(self._open(uri), "", folder)
        except NotFoundError as error:
            raise UserError(f"nothing lies at {uri}: check bucket and path") from error

    def _open(self, uri: str) -> Store:
        return open_store(uri, connection=self._connection, retry_seconds=self._retry_seconds)

    @staticmethod
    def _require(path: Path, uri: str) -> Path:
        if not path.exists():
            raise UserError(f"{path} (from {uri}) is not there: check the path")
        return path


def _mark_of(folder: Path) -> Path:
    """There when a folder is whole."""
    return folder.with_name(f"{folder.name}.whole")


@contextmanager
def _one_at_a_time(folder: Path) -> Iterator[None]:
    """Of the processes of this machine that fetch a folder, one does, and the others wait for it."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_name(f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def work_folder() -> Path:
    """Where pods keep files: $FINETUNE_WORK, or a folder below the current one's temporary folder."""
    return Path(os.environ.get("FINETUNE_WORK", "/tmp/finetune-work"))


def volumes() -> Path:
    """Where pods see the volumes of pvc:// URIs: $FINETUNE_PVC_ROOT, or a folder of its own."""
    return Path(os.environ.get("FINETUNE_PVC_ROOT", "/mnt/pvc"))
