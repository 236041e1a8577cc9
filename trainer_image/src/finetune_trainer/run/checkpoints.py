"""Resumable states: uploaded whole, named by a pointer written last, found again by the next attempt.

A checkpoint is what Hugging Face's Trainer saves (model, optimizer, schedule, random states, trainer state) plus
`finetune.json` (history, best step) and `best.safetensors` (the best weights so far).
"""

import logging
import shutil
from pathlib import Path

from finetune_core.layout import RunLayout
from finetune_core.results.run import CheckpointPointer
from finetune_store import NotFoundError, Store, delete_tree, download_tree, upload_tree
from finetune_store.documents import find_or_warn

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
        self._store.put(self._layout.checkpoint_pointer, CheckpointPointer(step=step, files=sizes).to_json())
        for old in self._steps() - {step}:
            delete_tree(self._store, f"{self._layout.checkpoint}/{old}")
        shutil.rmtree(local)
        logger.info("checkpoint of step %d is saved", step)

    def restore(self) -> tuple[Path, int] | None:
        """The newest whole checkpoint as a local folder with its step; None if there is none that can be used."""
        pointer = find_or_warn(self._store, self._layout.checkpoint_pointer, CheckpointPointer)
        if pointer is None:
            return None
        local = self._folder / f"checkpoint-{pointer.step}"
        try:
            download_tree(self._store, f"{self._layout.checkpoint}/{pointer.step}", local)
        except NotFoundError:
            return None
        found = {path.relative_to(local).as_posix(): path.stat().st_size for path in local.rglob("*") if path.is_file()}
        if any(found.get(name) != size for name, size in pointer.files.items()):
            logger.warning("the checkpoint of step %d is not whole; starting anew", pointer.step)
            shutil.rmtree(local)
            return None
        return local, pointer.step

    def clear(self) -> None:
        """Remove all checkpoints: the run has its result."""
        delete_tree(self._store, self._layout.checkpoint)

    def _steps(self) -> set[int]:
        base = f"{self._layout.checkpoint}/"
        parts = {info.key.removeprefix(base).partition("/")[0] for info in self._store.list(self._layout.checkpoint)}
        return {int(part) for part in parts if part.isdigit()}
