"""A run's resumable states in the store: what names one, what it is made of, which of two is further along.

    checkpoint/<attempt>/<step>-<digest>/...      its files, written first
    checkpoint/<attempt>/<step>-<digest>.json     its pointer: the SHA-256 of each file

The digest is of what the pointer says, so a key never gets other content: attempts that are at work at once, the
processes of one attempt included, write nothing that another one reads as its own.
"""

import re
from dataclasses import dataclass
from typing import Self

from finetune_core.canonical import short_hash
from finetune_core.frozen import Document
from finetune_core.layout import RunLayout
from finetune_core.stored import Count, RelativePath, Segment, Sha256, Stored

_KEY = re.compile(r"(?P<attempt>[^/]+)/(?P<step>\d{1,16})-(?P<digest>[0-9a-f]{16})(?P<rest>\.json|/.+)")


class CheckpointPointer(Document, Stored):
    """Names a whole checkpoint, of which run and attempt it is, and the SHA-256 of each of its files."""

    run_id: Segment
    attempt: Segment
    step: Count
    files: dict[RelativePath, Sha256]

    @property
    def folder(self) -> str:
        """`<run id>/<attempt>`."""
        return f"{self.run_id}/{self.attempt}"

    @property
    def checkpoint(self) -> "Checkpoint":
        """The checkpoint that it names."""
        content = self.model_dump(mode="json", include={"run_id", "attempt", "step", "files"})
        return Checkpoint(self.step, self.attempt, short_hash(content))


@dataclass(frozen=True, order=True)
class Checkpoint:
    """One checkpoint of a run; the greater one is further along.

    No two are equal in this order: of two attempts, each with a checkpoint of the same step, one drops the other's.
    """

    step: int
    attempt: str
    digest: str

    @classmethod
    def of(cls, layout: RunLayout, key: str) -> Self | None:
        """The checkpoint that an object of a run's checkpoint folder belongs to; None if it belongs to none."""
        found = _KEY.fullmatch(key.removeprefix(f"{layout.checkpoint}/"))
        return found and cls(int(found["step"]), found["attempt"], found["digest"])

    def files(self, layout: RunLayout) -> str:
        """The folder of its files."""
        return f"{layout.checkpoint}/{self.attempt}/{self.step}-{self.digest}"

    def pointer(self, layout: RunLayout) -> str:
        """Its pointer."""
        return f"{self.files(layout)}.json"
