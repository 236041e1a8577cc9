"""Models and data folders as local paths, wherever they come from; fetched once a pod."""

import os
from pathlib import Path

from finetune_core.canonical import short_hash
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

_HUB = "hf://"


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

    def model(self, uri: str) -> Path:
        """A model folder."""
        return self._folder(uri, repo_type="model")

    def data_file(self, uri: str, path: str) -> Path:
        """One file of a data folder; only that file is fetched."""
        if not uri.startswith("s3://"):
            return self._require(self._folder(uri, repo_type="dataset") / path, uri)
        local = self._work / "data" / short_hash(uri) / path
        if not local.exists():
            local.parent.mkdir(parents=True, exist_ok=True)
            try:
                self._open(uri).download(path, local)
            except NotFoundError as error:
                raise UserError(f"{path} is no longer at {uri}: {error}") from error
        return local

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

    def _folder(self, uri: str, *, repo_type: str) -> Path:
        if uri not in self._folders:
            self._folders[uri] = self._fetch(uri, repo_type)
        return self._folders[uri]

    def _fetch(self, uri: str, repo_type: str) -> Path:
        if uri.startswith(("pvc://", "file://")):
            return self.local_folder(uri)
        if uri.startswith(_HUB):
            return _snapshot(uri, repo_type)
        folder = self._work / repo_type / short_hash(uri)
        try:
            download_tree(self._open(uri), "", folder)
        except NotFoundError as error:
            raise UserError(f"nothing lies at {uri}: check bucket and path") from error
        return folder

    def _open(self, uri: str) -> Store:
        return open_store(uri, connection=self._connection, retry_seconds=self._retry_seconds)

    @staticmethod
    def _require(path: Path, uri: str) -> Path:
        if not path.exists():
            raise UserError(f"{path} (from {uri}) is not there: check the path")
        return path


def _snapshot(uri: str, repo_type: str) -> Path:
    from huggingface_hub import snapshot_download  # noqa: PLC0415 - only for hf://
    from huggingface_hub.errors import RepositoryNotFoundError, RevisionNotFoundError  # noqa: PLC0415

    name, _, revision = uri.removeprefix(_HUB).partition("@")
    try:
        return Path(snapshot_download(name, revision=revision or None, repo_type=repo_type))
    except (RepositoryNotFoundError, RevisionNotFoundError) as error:
        raise UserError(f"{uri} is not on the hub, or is private: check name, revision and HF_TOKEN") from error


def work_folder() -> Path:
    """Where pods keep files: $FINETUNE_WORK, or a folder below the current one's temporary folder."""
    return Path(os.environ.get("FINETUNE_WORK", "/tmp/finetune-work"))
