"""What is kept of a split beside its tokens: what its user is to be told, and a hash of each row's texts."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path

import numpy as np
import numpy.typing as npt

from finetune_core.tasks.data_files import TRAIN
from finetune_core.tasks.registry import TaskDefinition
from finetune_trainer.data.rows import Rows

_NOTES = "notes.json"
_HASHES = "texts.bin"
_HASH_BYTES = 8

_OFFICIAL_SHARE = 0.05
"""GLUE's own splits share some texts (1.5 % of CoLA's dev set): that many say nothing about a copy of them."""


@dataclass
class SplitRecord:
    """Notes on a split's files; 64 bits of a hash of the texts of each row (n)."""

    notes: list[str] = field(default_factory=list)
    hashes: npt.NDArray[np.uint64] = field(default_factory=lambda: np.zeros(0, np.uint64))

    def tell(self, note: str) -> None:
        """Keep a note."""
        self.notes.append(note)

    def follow(self, parts: Iterable[Rows]) -> Iterator[Rows]:
        """The same parts; the rows of those with labels are remembered, as no others can be learnt from or scored."""
        seen: list[bytes] = []
        for part in parts:
            if part.labels is not None:
                seen += [_hash(texts) for texts in zip(*part.texts, strict=True)]
            yield part
        self.hashes = np.frombuffer(b"".join(seen), np.uint64)

    def part(self, rows: npt.NDArray[np.int64], *, notes: list[str]) -> "SplitRecord":
        """Of some of the rows."""
        return SplitRecord(notes, self.hashes[rows])

    def write(self, folder: Path) -> None:
        """Into a split's folder."""
        (folder / _NOTES).write_text(json.dumps(self.notes))
        (folder / _HASHES).write_bytes(self.hashes.tobytes())

    @classmethod
    def read(cls, folder: Path) -> "SplitRecord":
        """What `write` wrote."""
        return cls(
            json.loads((folder / _NOTES).read_bytes()), np.frombuffer((folder / _HASHES).read_bytes(), np.uint64)
        )


def _hash(texts: tuple[str, ...]) -> bytes:
    return blake2b("\0".join(texts).encode(), digest_size=_HASH_BYTES).digest()


def data_warnings(definition: TaskDefinition, records: Mapping[str, SplitRecord]) -> Iterator[str]:
    """The notes of all splits, and how many rows of each dev set are in the training set too."""
    for record in records.values():
        yield from (f"{definition.name}, {note}" for note in record.notes)
    for split in definition.evaluation_splits.values():
        if split not in records or TRAIN not in records:
            continue
        dev = records[split].hashes
        shared = int(np.isin(dev, records[TRAIN].hashes).sum())
        if shared > (_OFFICIAL_SHARE * len(dev) if definition.is_glue else 0):
            yield (
                f"{definition.name}, {split} and train: {shared} of {len(dev)} rows ({shared / len(dev):.1%}) have "
                "texts that are in the training data too, so that scores are better than they would be on other texts"
            )
