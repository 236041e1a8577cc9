"""Folders of files to and from a store, and other things that every store can do."""

from pathlib import Path
from uuid import uuid4

from finetune_store._directory import DirectoryStore
from finetune_store._errors import NotFoundError
from finetune_store._keys import PROBE_FOLDER, checked_folder, checked_key, join, relative_key
from finetune_store._model import Store


def upload_tree(store: Store, folder: Path, prefix: str) -> int:
    """Write every file below a folder as an object below `prefix`; how many.

    Objects that are there already and have no file stay. NotADirectoryError if there is no such folder; StoreError.
    """
    if not folder.is_dir():
        raise NotADirectoryError(f"{folder} is no folder")
    keys = [info.key for info in DirectoryStore(folder).list()]
    for key in keys:
        store.upload(join(checked_folder(prefix), key), folder / key)
    return len(keys)


def download_tree(store: Store, prefix: str, folder: Path) -> int:
    """Write every object below `prefix` as a file below a folder; how many. NotFoundError if there are none."""
    base = checked_folder(prefix)
    keys = [checked_key(info.key) for info in store.list(base)]
    if not keys:
        raise NotFoundError(f"there is nothing below {store.uri(base)}: check the path")
    for key in keys:
        store.download(key, folder / relative_key(key, base))
    return len(keys)


def delete_tree(store: Store, prefix: str) -> int:
    """Remove every object below `prefix`; how many there were."""
    keys = [info.key for info in store.list(prefix)]
    for key in keys:
        store.delete(key)
    return len(keys)


def creates_once(store: Store, folder: str = "") -> bool:
    """Whether `create` refuses an object that exists, found out by doing it below `folder`; StoreError.

    AWS S3, MinIO, SeaweedFS (tried: 4.48) and directories do. A server that ignores If-None-Match overwrites the
    object and reports success to every claimant: there claims are not safe, and this is how to know beforehand.
    """
    key = join(checked_folder(folder), PROBE_FOLDER, uuid4().hex)
    try:
        return store.create(key, b"first") and not store.create(key, b"second")
    finally:
        store.delete(key)
