"""Models and data folders as local paths, wherever they come from; fetched once a pod."""

import logging
import os
import shutil
from collections.abc import Collection, Iterable
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
from finetune_trainer.cached import Cache, mark_of, one_at_a_time
from finetune_trainer.errors import UserError
from finetune_trainer.hub import hub_file, hub_snapshot
from finetune_trainer.pinned import digest_of, require_hash, require_pinned

logger = logging.getLogger(__name__)

_HUB = "hf://"
_S3 = "s3://"


class Inputs:
    """Fetches below `work`, or into the `cache` that pods share; the same URI is fetched once.

    `retry_seconds` is how long an unreachable store is waited for.
    """

    def __init__(
        self,
        work: Path,
        *,
        connection: S3Connection,
        retry_seconds: float,
        pvc_root: Path,
        cache: Cache | None = None,
    ) -> None:
        self._work = work
        self._cache = cache or Cache(None)
        self._connection = connection
        self._retry_seconds = retry_seconds
        self._pvc_root = pvc_root
        self._folders: dict[str, Path] = {}
        self._pinned: set[str] = set()
        self._hub_files: dict[tuple[str, str], Path] = {}

    def model(self, uri: str, digest: str = "") -> Path:
        """A model folder; UserError where its content is not that of a digest, if there is one."""
        return self._folder(uri, repo_type="model", digest=digest)

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
        place = data.uri, path
        if place not in self._hub_files:
            file = self._cache.fetch(lambda cache: hub_file(data.uri, path, cache))
            require_hash(file, f"{path} of {data.uri}", data.hashes.get(path))
            self._hub_files[place] = file
        return self._hub_files[place]

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

    def _require_pinned(self, uri: str, folder: Path, digest: str, paths: Collection[str]) -> None:
        if digest in self._pinned:
            return
        try:
            require_pinned(folder, self._open(uri), digest, paths)
        except UserError:
            # The next run of this pod looks at what lies there by then.
            shutil.rmtree(folder, ignore_errors=True)
            raise
        self._pinned.add(digest)

    def _fetch(self, uri: str, repo_type: str, digest: str) -> Path:
        if uri.startswith(("pvc://", "file://")):
            return self.local_folder(uri)
        if uri.startswith(_HUB):
            return self._cache.fetch(lambda cache: hub_snapshot(uri, repo_type, cache))
        place = Path(repo_type) / short_hash([uri, digest])
        if not digest:
            # What lies there may change while others use it.
            return self._fetch_into(self._work / place, uri, digest)
        return self._cache.fetch(lambda cache: self._fetch_into((cache or self._work) / place, uri, digest))

    def _fetch_into(self, folder: Path, uri: str, digest: str) -> Path:
        """UserError where what lies at the URI is not what a digest names, if there is one."""
        if _is_kept(folder, digest):
            return folder
        with one_at_a_time(folder):
            if _is_kept(folder, digest):
                return folder
            _remove(folder)
            try:
                self._download(uri, folder)
                if digest:
                    mark_of(folder).write_text(require_pinned(folder, self._open(uri), digest))
            except (OSError, UserError):
                # On a full disk it would be in the way of all others; the next run looks at what lies there by then.
                _remove(folder)
                raise
        logger.info("fetched %s into %s", uri, folder)
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


def _is_kept(folder: Path, digest: str) -> bool:
    """Whether a process has left there what a digest names, and it is still as it was.

    What no digest names may have changed at its source.
    """
    if not digest or not mark_of(folder).exists():
        return False
    intact = digest_of(folder) == mark_of(folder).read_text()
    if not intact:
        logger.warning("what was kept in %s is damaged, it is fetched again", folder)
    return intact


def _remove(folder: Path) -> None:
    mark_of(folder).unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)


def work_folder() -> Path:
    """Where pods keep files: $FINETUNE_WORK, or a folder below the current one's temporary folder."""
    return Path(os.environ.get("FINETUNE_WORK", "/tmp/finetune-work"))


def volumes() -> Path:
    """Where pods see the volumes of pvc:// URIs: $FINETUNE_PVC_ROOT, or a folder of its own."""
    return Path(os.environ.get("FINETUNE_PVC_ROOT", "/mnt/pvc"))
