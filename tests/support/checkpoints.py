"""Checkpoints of a run as they lie in a folder that is a store."""

import json
import re
from pathlib import Path

from finetune_core.layout import RunLayout
from finetune_core.results.checkpoint import CheckpointPointer
from finetune_store import file_sha256

POINTER = re.compile(r".*/checkpoint/[^/]+/\d+-[0-9a-f]{16}\.json")


def pointers(store: Path, layout: RunLayout) -> list[Path]:
    """The pointers of a run's checkpoints, those of lower steps first."""
    found = (store / layout.checkpoint).glob("*/*.json")
    return sorted(found, key=lambda path: int(path.name.partition("-")[0]))


def files(pointer: Path) -> Path:
    """The folder of the checkpoint that a pointer names."""
    return pointer.with_suffix("")


def point_anew(pointer: Path, **said: object) -> None:
    """As if its files had been saved as they are now, and its pointer had said `said`."""
    old = files(pointer)
    digests = {path.relative_to(old).as_posix(): file_sha256(path) for path in old.rglob("*") if path.is_file()}
    made = CheckpointPointer.model_validate({**json.loads(pointer.read_bytes()), "files": digests, **said})
    name = f"{made.step}-{made.checkpoint.digest}"
    old.rename(old.with_name(name))
    pointer.unlink()
    pointer.with_name(f"{name}.json").write_bytes(made.to_json())
