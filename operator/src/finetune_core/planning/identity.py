"""Who a run is: seeds, content digests and run ids.

A run id is a hash of everything that decides the run's result, and of nothing else: the same id means the same
work, which is then never done twice and never overwritten by other work.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from finetune_core.canonical import short_hash
from finetune_core.tasks.hub_files import HubFile

RECIPE_VERSION = 1
"""Raised by hand when a change to the trainer changes what a run's result means."""

_SEED_BITS = 31


@dataclass(frozen=True, order=True)
class FileEntry:
    """A file below a folder or bucket prefix: relative path with `/`, MD5 of the content (hex), size in bytes."""

    path: str
    md5: str
    size: int


def derive_seed(purpose: Literal["final", "search"], base_seed: int, task: str, run: int) -> int:
    """The seed of run `run` (0, 1, ...) of a task: 31 bits, the same whatever other tasks and runs there are.

    `purpose` keeps the seeds of searches away from those of final runs, so that a tuned value is never scored on
    the seed that it was picked by.
    """
    text = f"{purpose}\0{base_seed}\0{task}\0{run}".encode()
    return int.from_bytes(hashlib.sha256(text).digest()[:8], "big") >> (64 - _SEED_BITS)


def content_digest(entries: Iterable[FileEntry]) -> str:
    """`md5s:<32 hex>`: the same for the same files in a bucket and in a local folder, in any order."""
    lines = sorted(f"{entry.path}\0{entry.md5}\0{entry.size}\n" for entry in entries)
    return "md5s:" + hashlib.sha256("".join(lines).encode()).hexdigest()[:32]


def hub_digest(files: Iterable[HubFile]) -> str:
    """`oids:<32 hex>`: the same for the same files, in any order and at any commit."""
    lines = sorted(f"{file.path}\0{file.oid}\0{file.size}\n" for file in files)
    return "oids:" + hashlib.sha256("".join(lines).encode()).hexdigest()[:32]


def run_id(
    *,
    model_digest: str,
    data_digest: str,
    task: dict[str, Any],
    settings: dict[str, Any],
    seed: int,
    model_type: str | None = None,
    retake: int = 0,
    fold: int | None = None,
) -> str:
    """16 hex digits over model content, data content, task definition, settings, seed and recipe version.

    `model_type` is what the spec says beside the model's own config.json: a BERT is other work as a sparse one.
    `retake` counts the quarantined runs that this one takes the place of. `fold` says which part is the dev set.
    """
    facts = {
        "recipeVersion": RECIPE_VERSION,
        "model": model_digest,
        "data": data_digest,
        "task": task,
        "settings": settings,
        "seed": seed,
    }
    # Only where there is something to say: ids of before there was such a thing stay what they are.
    said: dict[str, str | int] = {"modelType": model_type} if model_type is not None else {}
    said |= {} if fold is None else {"fold": fold}
    return short_hash({**facts, **said, **({"retake": retake} if retake else {})})
