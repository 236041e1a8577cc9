"""Whether what was fetched is what the plan pinned: a run id must not stand for other content."""

import hashlib
from collections.abc import Collection
from pathlib import Path

from finetune_core.planning.identity import FileEntry, content_digest
from finetune_store import DirectoryStore, Store
from finetune_store.folders import list_folder
from finetune_trainer.errors import UserError

_SHA256_DIGITS = 64
_BLOCK = 1 << 20


def require_pinned(folder: Path, store: Store, digest: str, paths: Collection[str] | None = None) -> str:
    """The digest of a folder; UserError, with both digests, where its files are others than those of the plan's digest.

    `store` is where they were fetched from; `paths` are those that the digest covers (default: all).
    """
    here = _entries(DirectoryStore(folder), paths)
    found = content_digest(here)
    # ETags are no MD5s in buckets that encrypt with KMS keys, and of other programs' uploads in parts. There the bucket
    # itself is asked whether it still holds what was pinned.
    if found == digest or _still_there(here, _entries(store, paths), digest):
        return found
    raise UserError(
        f"what lies at {store.uri()} is no longer what was planned with: its content is {found}, the plan's {digest}. "
        "Put the files back, or set execution.retryToken to plan with what lies there now"
    )


def digest_of(folder: Path) -> str:
    """The digest of a folder's files as they are now, by their MD5s."""
    return content_digest(_entries(DirectoryStore(folder), None))


def require_hash(file: Path, what: str, planned: str | None) -> None:
    """UserError where a file is another than the one of a plan's hash, by SHA-256 or as a git blob."""
    found = hash_of(file, like=planned or "")
    if found != planned:
        raise UserError(
            f"{what} is not what was planned with: its hash is {found}, the plan's {planned}. "
            "Remove it from the hub's cache (HF_HOME) if it is damaged, or set execution.retryToken to plan anew"
        )


def hash_of(file: Path, *, like: str) -> str:
    """The hash that the hub has of a file: its SHA-256 where `like` is one, else its git blob id."""
    digest = hashlib.sha1(b"blob %d\0" % file.stat().st_size, usedforsecurity=False)
    if len(like) == _SHA256_DIGITS:
        digest = hashlib.sha256()
    with file.open("rb") as content:
        while block := content.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def _still_there(here: list[FileEntry], there: list[FileEntry], digest: str) -> bool:
    return content_digest(there) == digest and _sizes(here) == _sizes(there)


def _sizes(entries: list[FileEntry]) -> dict[str, int]:
    return {entry.path: entry.size for entry in entries}


def _entries(store: Store, paths: Collection[str] | None) -> list[FileEntry]:
    return [entry for entry in list_folder(store, "").files if paths is None or entry.path in paths]
