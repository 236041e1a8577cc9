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


def require_pinned(folder: Path, store: Store, digest: str, paths: Collection[str] | None = None) -> None:
    """UserError, with both digests, where the files of a folder are others than those of the digest.

    `store` is where they were fetched from; `paths` are those that the digest covers (default: all).
    """
    here = _entries(DirectoryStore(folder), paths)
    found = content_digest(here)
    # ETags are no MD5s in buckets that encrypt with KMS keys, and of other programs' uploads in parts. There the bucket
    # itself is asked whether it still holds what was pinned.
    if found == digest or _still_there(here, _entries(store, paths), digest):
        return
    raise UserError(
        f"what lies at {store.uri()} is no longer what was planned with: its content is {found}, the plan's {digest}. "
        "Put the files back, or set execution.retryToken to plan with what lies there now"
    )


def require_hash(file: Path, what: str, planned: str | None) -> None:
    """UserError where a file is another than the one of a plan's hash, by SHA-256 or as a git blob."""
    size = file.stat().st_size
    digest = hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False)
    if planned and len(planned) == _SHA256_DIGITS:
        digest = hashlib.sha256()
    with file.open("rb") as content:
        while block := content.read(_BLOCK):
            digest.update(block)
    if digest.hexdigest() != planned:
        raise UserError(
            f"{what} is not what was planned with: its hash is {digest.hexdigest()}, the plan's {planned}. "
            "Remove it from the hub's cache (HF_HOME) if it is damaged, or set execution.retryToken to plan anew"
        )


def _still_there(here: list[FileEntry], there: list[FileEntry], digest: str) -> bool:
    return content_digest(there) == digest and _sizes(here) == _sizes(there)


def _sizes(entries: list[FileEntry]) -> dict[str, int]:
    return {entry.path: entry.size for entry in entries}


def _entries(store: Store, paths: Collection[str] | None) -> list[FileEntry]:
    return [entry for entry in list_folder(store, "").files if paths is None or entry.path in paths]
