"""Files of an experiment from its store to a folder, which has all of them or none."""

import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from finetune_client.errors import NotFoundError, RefusedError
from finetune_store import Store


@dataclass(frozen=True)
class Wanted:
    """An object, and where below the folder it is written."""

    key: str
    path: str
    size: int


def below(store: Store, prefix: str, folder: str) -> list[Wanted]:
    """Every object below a prefix, to be written below `folder`; NotFoundError if there are none."""
    infos = list(store.list(prefix))
    if not infos:
        raise NotFoundError(f"there is nothing below {store.uri(prefix)}", "Was it removed from the store?")
    return [Wanted(info.key, f"{folder}/{info.key.removeprefix(f'{prefix}/')}", info.size) for info in infos]


def single(store: Store, key: str, path: str) -> Wanted:
    """One object; NotFoundError if it is not there."""
    info = store.stat(key)
    if info is None:
        raise NotFoundError(f"{store.uri(key)} is not there", "Was it removed from the store?")
    return Wanted(key, path, info.size)


def download(store: Store, wanted: Iterable[Wanted], folder: Path, scratch: Path) -> None:
    """Write the objects below `scratch`, and once all are there move them to `folder`. StoreError, RefusedError."""
    for one in wanted:
        store.download(one.key, scratch / one.path)
    _move(scratch, folder)


@contextmanager
def scratch_of(folder: Path) -> Iterator[Path]:
    """A new folder beside `folder`, on the same file system; it is gone afterwards. RefusedError."""
    scratch = folder.parent / f".{folder.name}-{uuid4().hex[:8]}.part"
    try:
        scratch.mkdir(parents=True)
        yield scratch
    except OSError as error:
        raise RefusedError(f"cannot write to {folder}: {error}", "Choose another folder: --to.") from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def size_of(folder: Path) -> int:
    """Bytes of the files below a folder that others are writing to."""
    total = 0
    for root, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.stat(os.path.join(root, name)).st_size
            except FileNotFoundError:
                # Renamed since the folder was read; the next look counts it.
                continue
    return total


def _move(scratch: Path, folder: Path) -> None:
    if not folder.exists():
        scratch.rename(folder)
        return
    for file in sorted(path for path in scratch.rglob("*") if path.is_file()):
        target = folder / file.relative_to(scratch)
        target.parent.mkdir(parents=True, exist_ok=True)
        file.replace(target)
