"""Resumable states: uploaded whole, named by a pointer written last, found again by the next attempt.

A checkpoint is what Hugging Face's Trainer saves (model, optimizer, schedule, random states, trainer state) plus
`finetune.json` (history, best step) and `best.safetensors` (the best weights so far).
"""

import json
import logging
import shutil
from pathlib import Path

from finetune_core.layout import RunLayout
from finetune_store import NotFoundError, Store, delete_tree, download_tree, upload_tree

logger = logging.getLogger(__name__)


class Checkpoints:
    """The checkpoints of one run in the store; locally they are only passing through."""

    def __init__(self, store: Store, layout: RunLayout, folder: Path) -> None:
        self._store = store
        self._layout = layout
        self._folder = folder

    def save(self, local: Path, step: int) -> None:
        """Upload a local checkpoint, point to it, drop the older ones and the local one."""
        sizes = {path.relative_to(local).as_posix(): path.stat().st_size for path in local.rglob("*") if path.is_file()}
        upload_tree(self._store, local, f"{self._layout.checkpoint}/{step}")
        pointer = {"step": step, "files": sizes}
        self._store.put(self._layout.checkpoint_pointer, json.dumps(pointer).encode())
        for old in self._steps() - {step}:
            delete_tree(self._store, f"{self._layout.checkpoint}/{old}")
        shutil.rmtree(local)
        logger.info("checkpoint of step %d is saved", step)

    def restore(self) -> tuple[Path, int] | None:
        """The newest whole checkpoint as a local folder with its step; None if there is none that can be used."""
        try:
            pointer = json.loads(self._store.get(self._layout.checkpoint_pointer))
            step, sizes = int(pointer["step"]), dict(pointer["files"])
            local = self._folder / f"checkpoint-{step}"
            download_tree(self._store, f"{self._layout.checkpoint}/{step}", local)
        except NotFoundError:
            return None
        except (ValueError, KeyError, TypeError) as error:
            logger.warning("the checkpoint's pointer cannot be read (%s); starting anew", error)
            return None
        found = {path.relative_to(local).as_posix(): path.stat().st_size for path in local.rglob("*") if path.is_file()}
        if any(found.get(name) != size for name, size in sizes.items()):
            logger.warning("the checkpoint of step %d is not whole; starting anew", step)
            shutil.rmtree(local)
            return None
        return local, step

    def clear(self) -> None:
        """Remove all checkpoints: the run has its result."""
        delete_tree(self._store, self._layout.checkpoint)

    def _steps(self) -> set[int]:
        base = f"{self._layout.checkpoint}/"
        parts = {info.key.removeprefix(base).partition("/")[0] for info in self._store.list(self._layout.checkpoint)}
        return {int(part) for part in parts if part.isdigit()}
