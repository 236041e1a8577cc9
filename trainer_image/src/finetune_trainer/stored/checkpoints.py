"""Resumable states: uploaded whole, named by a pointer written last, found again by the next attempt.

A checkpoint is what Hugging Face's Trainer saves (model, optimizer, schedule, random states, trainer state) plus
`finetune.json` (history, best step) and `best.safetensors` (the best weights so far).

Several attempts may be at work at once: a pod that the API server has lost goes on beside its successor. Each writes
below its own folder, and none drops what is further along than its own, so the furthest checkpoint always stays.
"""

import logging
import shutil
from collections.abc import Iterator
from pathlib import Path

from finetune_core.layout import RunLayout
from finetune_core.results.checkpoint import Checkpoint, CheckpointPointer
from finetune_store import NotFoundError, Store, delete_tree, file_sha256, upload_tree
from finetune_store.documents import find_or_warn

logger = logging.getLogger(__name__)


class Checkpoints:
    """The checkpoints of one run in the store, written by one attempt; locally they are only passing through."""

    def __init__(self, store: Store, layout: RunLayout, attempt: str, folder: Path) -> None:
        self._store = store
        self._layout = layout
        self._attempt = attempt
        self._folder = folder

    def save(self, local: Path, step: int) -> None:
        """Upload a local checkpoint, point to it, drop those that it is further along than, and the local one."""
        files = {path.relative_to(local).as_posix(): file_sha256(path) for path in local.rglob("*") if path.is_file()}
        pointer = CheckpointPointer(run_id=self._layout.run_id, attempt=self._attempt, step=step, files=files)
        saved = pointer.checkpoint
        upload_tree(self._store, local, saved.files(self._layout))
        self._store.put(saved.pointer(self._layout), pointer.to_json())
        self._drop_before(saved)
        shutil.rmtree(local)
        logger.info("checkpoint of step %d is saved", step)

    def restore(self) -> tuple[Path, int] | None:
        """The furthest checkpoint whose content is what was saved, as a local folder, with its step; None without any.

        Those of all attempts are looked at. Looked again after each that cannot be used: another attempt that is still
        at work drops it only once there is one that is further along.
        """
        tried: set[Checkpoint] = set()
        while (found := max(self._saved() - tried, default=None)) is not None:
            tried.add(found)
            local = self._fetched(found)
            if local is not None:
                return local, found.step
        return None

    def clear(self) -> None:
        """Remove all checkpoints: the run has its result."""
        delete_tree(self._store, self._layout.checkpoint)

    def _saved(self) -> set[Checkpoint]:
        """The checkpoints that have a pointer."""
        keys = set(self._keys())
        found = {checkpoint for key in keys if (checkpoint := Checkpoint.of(self._layout, key))}
        if not found and keys:
            # Versions before attempts had folders of their own let them write over each other's.
            logger.warning("the checkpoint of an earlier version of the trainer is not used: nothing says whose it is")
        return {checkpoint for checkpoint in found if checkpoint.pointer(self._layout) in keys}

    def _fetched(self, checkpoint: Checkpoint) -> Path | None:
        local = self._folder / f"checkpoint-{checkpoint.step}"
        why = self._damage(checkpoint, local)
        if why is None:
            return local
        shutil.rmtree(local, ignore_errors=True)
        logger.warning(
            "the checkpoint of step %d that attempt %s saved is not used: %s; the next older one is, or the run starts "
            "anew",
            checkpoint.step,
            checkpoint.attempt,
            why,
        )
        return None

    def _damage(self, checkpoint: Checkpoint, local: Path) -> str | None:
        """Fetch a checkpoint; why it cannot be used, None if it can."""
        folder = f"{self._layout.run_id}/{checkpoint.attempt}"
        pointer = find_or_warn(self._store, checkpoint.pointer(self._layout), CheckpointPointer, folder)
        if pointer is None or pointer.checkpoint != checkpoint:
            return "its pointer is gone, or is not the one that was written for it"
        for name, saved in sorted(pointer.files.items()):
            try:
                self._store.download(f"{checkpoint.files(self._layout)}/{name}", local / name)
            except NotFoundError:
                return f"{name} is missing"
            if (found := file_sha256(local / name)) != saved:
                return f"{name} has SHA-256 {found}, and was saved with {saved}"
        return None

    def _drop_before(self, own: Checkpoint) -> None:
        """What is not as far along, whoever wrote it; pointers first, so that nothing half gone has one."""
        stale = [key for key in self._keys() if (of := Checkpoint.of(self._layout, key)) is None or of < own]
        for key in sorted(stale, key=self._is_no_pointer):
            self._store.delete(key)

    def _is_no_pointer(self, key: str) -> bool:
        of = Checkpoint.of(self._layout, key)
        return of is None or of.pointer(self._layout) != key

    def _keys(self) -> Iterator[str]:
        return (info.key for info in self._store.list(self._layout.checkpoint))
