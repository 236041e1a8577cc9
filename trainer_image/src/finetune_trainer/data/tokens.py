"""Token ids of a split in files that are mapped into memory, and batches made of them.

A folder holds ids.bin, types.bin, ends.bin and labels.bin, and tokens.json, written last, which says how long they are.
"""

import json
import mmap
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from pydantic import TypeAdapter

from finetune_core.stored import Count
from finetune_trainer.data.padding import Padding
from finetune_trainer.data.rows import Rows
from finetune_trainer.errors import UserError

MANIFEST = "tokens.json"

_TYPES: dict[str, type[np.generic]] = {"ids": np.int32, "types": np.int8, "ends": np.int64, "labels": np.float32}
_SIZES = TypeAdapter(dict[Literal["ids", "types", "ends", "labels"], Count])


@dataclass(frozen=True)
class Tokens:
    """n examples: `ids` and `types` are flat (int32, int8), example i is [ends[i - 1], ends[i])."""

    ids: npt.NDArray[np.int32]
    types: npt.NDArray[np.int8]
    ends: npt.NDArray[np.int64]
    labels: npt.NDArray[np.float32] | None
    mappings: tuple[mmap.mmap, ...] = ()
    """The files that the arrays lie in, where they do."""
    rows: npt.NDArray[np.int64] | None = None
    """Of a part of a split: which of its rows these are."""

    def __len__(self) -> int:
        return len(self.ends)

    @property
    def lengths(self) -> npt.NDArray[np.int64]:
        """Tokens of each example."""
        return np.diff(self.ends, prepend=0)

    def at(self, index: int) -> slice:
        """Where an example's ids and types are."""
        return slice(int(self.ends[index - 1]) if index else 0, int(self.ends[index]))

    def take(self, rows: npt.NDArray[np.int64]) -> "Tokens":
        """Some of the rows, in memory."""
        places = [self.at(int(row)) for row in rows]
        ids, types = _taken(self.ids, places), _taken(self.types, places)
        labels = None if self.labels is None else self.labels[rows]
        return Tokens(ids, types, np.cumsum(self.lengths[rows]), labels, rows=rows)

    def release(self) -> None:
        """Give the memory back that the arrays' files took so far; it is read from them again when it is needed."""
        for mapping in self.mappings:
            mapping.madvise(mmap.MADV_DONTNEED)

    @classmethod
    def open(cls, folder: Path) -> "Tokens":
        """What `tokenise` wrote. FileNotFoundError or ValueError if it is not there, or not whole."""
        # The cache is written by all experiments of a namespace: it names no other files than these.
        sizes = _SIZES.validate_json((folder / MANIFEST).read_bytes())
        # What is empty cannot be mapped.
        mappings = {name: _mapped(folder / f"{name}.bin") for name, size in sizes.items() if size}
        arrays = {
            name: np.frombuffer(mappings.get(name, b""), _TYPES[name], count=size) for name, size in sizes.items()
        }
        return cls(arrays["ids"], arrays["types"], arrays["ends"], arrays.get("labels"), tuple(mappings.values()))


def _taken(flat: npt.NDArray[Any], places: list[slice]) -> npt.NDArray[Any]:
    return np.concatenate([flat[place] for place in places]) if len(flat) else flat


def _mapped(path: Path) -> mmap.mmap:
    with path.open("rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def tokenise(parts: Iterable[Rows], tokenizer: Any, max_length: int, folder: Path) -> Tokens:
    """Tokenise without padding, cut to `max_length`, into files of a new folder; a part is in memory at a time.

    UserError if a label is not finite as a float32.
    """
    folder.mkdir(parents=True)
    sizes: dict[str, int] = dict.fromkeys(("ids", "types", "ends"), 0)
    with ExitStack() as stack:
        files = {name: stack.enter_context((folder / f"{name}.bin").open("wb")) for name in _TYPES}
        for part in parts:
            for name, values in _arrays(part, tokenizer, max_length, sizes).items():
                files[name].write(values.tobytes())
                sizes[name] = sizes.get(name, 0) + len(values)
    (folder / MANIFEST).write_text(json.dumps(sizes))
    return Tokens.open(folder)


def _arrays(part: Rows, tokenizer: Any, max_length: int, before: Mapping[str, int]) -> dict[str, npt.NDArray[Any]]:
    """What is to be added to each file; `before` says how many values are there already."""
    encoded = tokenizer(*part.texts, truncation=True, max_length=max_length, padding=False, return_attention_mask=False)
    ids = encoded["input_ids"]
    arrays: dict[str, npt.NDArray[Any]] = {
        "ids": np.fromiter(chain.from_iterable(ids), np.int32),
        "ends": np.cumsum([len(one) for one in ids], dtype=np.int64) + before["ids"],
    }
    if "token_type_ids" in encoded:
        arrays["types"] = np.fromiter(chain.from_iterable(encoded["token_type_ids"]), np.int8)
    if part.labels is not None:
        arrays["labels"] = _labels(part.labels, before["ends"])
    return arrays


def _labels(values: list[float], before: int) -> npt.NDArray[np.float32]:
    """Labels as the loss takes them; `before` examples were read already."""
    with np.errstate(over="ignore"):
        labels = np.asarray(values, np.float32)
    wrong = np.flatnonzero(~np.isfinite(labels))
    if len(wrong):
        place = int(wrong[0])
        raise UserError(
            f"example {before + place + 1} has the score {values[place]}, which is not finite in float32 (at most "
            f"{np.finfo(np.float32).max:.1e}): correct it, or scale the scores"
        )
    return labels


class TokenDataset(torch.utils.data.Dataset[int]):
    """Indexes into `Tokens`; the collator makes whole batches at once, without a Python object an example."""

    def __init__(self, tokens: Tokens) -> None:
        self.tokens = tokens

    def __len__(self) -> int:
        return len(self.tokens)

    def __getitem__(self, index: int) -> int:
        return index


class Collator:
    """Pads a batch of indexes to its own longest example, rounded up to a multiple of 8."""

    def __init__(self, tokens: Tokens, *, padding: Padding, label_order: npt.NDArray[np.int64] | None) -> None:
        self._tokens = tokens
        self._padding = padding
        self._label_order = label_order

    def __call__(self, indexes: list[int]) -> dict[str, torch.Tensor]:
        """`input_ids`, `attention_mask` (batch x length), `token_type_ids` where the model has them, `labels`."""
        places = [self._tokens.at(index) for index in indexes]
        width = self._padding.width(max(place.stop - place.start for place in places))
        batch = self._inputs(places, width)
        if self._tokens.labels is not None:
            batch["labels"] = self._labels(self._tokens.labels[indexes])
        return batch

    def padded(self, index: int, width: int) -> dict[str, torch.Tensor]:
        """One example without its label, as long as told: (1 x width)."""
        return self._inputs([self._tokens.at(index)], width)

    def _inputs(self, places: list[slice], width: int) -> dict[str, torch.Tensor]:
        tokens, padding = self._tokens, self._padding
        ids = torch.full((len(places), width), padding.token, dtype=torch.long)
        mask = torch.zeros_like(ids)
        types = torch.full_like(ids, padding.type) if len(tokens.types) and padding.types else None
        for row, place in enumerate(places):
            own = padding.place(place.stop - place.start, width)
            ids[row, own] = torch.from_numpy(tokens.ids[place].astype(np.int64))
            mask[row, own] = 1
            if types is not None:
                types[row, own] = torch.from_numpy(tokens.types[place].astype(np.int64))
        batch = {"input_ids": ids, "attention_mask": mask}
        return batch if types is None else {**batch, "token_type_ids": types}

    def _labels(self, values: npt.NDArray[np.float32]) -> torch.Tensor:
        if self._label_order is None:
            return torch.from_numpy(values)
        return torch.from_numpy(self._label_order[values.astype(np.int64)])
