"""Models and data of the Hugging Face hub, fetched by its own client into its own cache, or into one of many pods."""

import logging
import re
from collections.abc import Callable
from pathlib import Path

from finetune_trainer.errors import UserError
from finetune_trainer.pinned import hash_of

logger = logging.getLogger(__name__)

_HUB = "hf://"
_OID = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


def hub_snapshot(uri: str, repo_type: str, cache: Path | None = None) -> Path:
    """The folder of a whole repository; UserError if it is not there."""
    from huggingface_hub import snapshot_download  # noqa: PLC0415 - only for hf://

    name, revision = _named(uri)

    def fetch(to: Path | None) -> str:
        return snapshot_download(name, revision=revision, repo_type=repo_type, cache_dir=to)

    return _whole(uri, fetch, cache)


def hub_file(uri: str, path: str, cache: Path | None = None) -> Path:
    """One file of a data set, and no other; UserError if it is not there."""
    from huggingface_hub import hf_hub_download  # noqa: PLC0415 - only for hf://

    name, revision = _named(uri)

    def fetch(to: Path | None) -> str:
        return hf_hub_download(name, path, revision=revision, repo_type="dataset", cache_dir=to)

    return _whole(f"{path} of {uri}", fetch, cache)


def _named(uri: str) -> tuple[str, str | None]:
    name, _, revision = uri.removeprefix(_HUB).partition("@")
    return name, revision or None


def _whole(what: str, fetch: Callable[[Path | None], str], cache: Path | None) -> Path:
    """What is fetched; what others have left in a cache is compared with its hashes first."""
    if cache is None:
        return _fetched(what, fetch, None)
    found = _fetched(what, fetch, cache / "hub")
    if damaged := _damaged(found):
        logger.warning("what was kept of %s is damaged, it is fetched again: %s", what, damaged[0])
        for blob in damaged:
            blob.unlink(missing_ok=True)
        found = _fetched(what, fetch, cache / "hub")
    return found


def _damaged(found: Path) -> list[Path]:
    """Files whose content is not what they are named after.

    The files of a cache are links to blobs, whose names are the hub's hashes of them:
    https://huggingface.co/docs/huggingface_hub/guides/manage-cache
    """
    files = (path.resolve() for path in (found.rglob("*") if found.is_dir() else (found,)) if path.is_file())
    return [blob for blob in files if _OID.fullmatch(blob.name) and hash_of(blob, like=blob.name) != blob.name]


def _fetched(what: str, fetch: Callable[[Path | None], str], to: Path | None) -> Path:
    from huggingface_hub.errors import (  # noqa: PLC0415
        RemoteEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    try:
        return Path(fetch(to))
    except (RepositoryNotFoundError, RevisionNotFoundError, RemoteEntryNotFoundError) as error:
        raise UserError(f"{what} is not on the hub, or is private: check name, revision and HF_TOKEN") from error
