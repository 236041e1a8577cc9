"""Token ids of a split, compactly: one flat array and offsets; saved and loaded as .npz."""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from finetune_trainer.data.rows import Rows

_BATCH = 8192


@dataclass(frozen=True)
class Tokens:
    """n examples: `ids` and `types` are flat (int32, int8), example i is [offsets[i], offsets[i + 1])."""

    ids: npt.NDArray[np.int32]
    types: npt.NDArray[np.int8]
    offsets: npt.NDArray[np.int64]
    labels: npt.NDArray[np.float32] | None

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> npt.NDArray[np.int64]:
        """Tokens of each example."""
        return np.diff(self.offsets)

    def to_bytes(self) -> bytes:
        """The .npz form."""
        buffer = io.BytesIO()
        arrays: dict[str, Any] = {"ids": self.ids, "types": self.types, "offsets": self.offsets}
        if self.labels is not None:
            arrays["labels"] = self.labels
        np.savez(buffer, **arrays)
        return buffer.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes) -> "Tokens":
        """Back from `to_bytes`."""
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            labels = arrays.get("labels")
            return cls(arrays["ids"], arrays["types"], arrays["offsets"], labels)


def tokenise(rows: Rows, tokenizer: Any, max_length: int) -> Tokens:
    """Tokenise without padding, cut to `max_length`, in batches so that memory stays bounded."""
    ids, types, lengths = [], [], []
    for start in range(0, len(rows), _BATCH):
        texts = [column[start : start + _BATCH] for column in rows.texts]
        encoded = tokenizer(*texts, truncation=True, max_length=max_length, padding=False, return_attention_mask=False)
        lengths += [len(one) for one in encoded["input_ids"]]
        ids.append(np.fromiter(_flat(encoded["input_ids"]), np.int32))
        if "token_type_ids" in encoded:
            types.append(np.fromiter(_flat(encoded["token_type_ids"]), np.int8))
    flat = np.concatenate(ids)
    labels = None if rows.labels is None else np.asarray(rows.labels, np.float32)
    return Tokens(
        ids=flat,
        types=np.concatenate(types) if types else np.zeros(0, np.int8),
        offsets=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        labels=labels,
    )


def _flat(lists: list[list[int]]) -> Iterator[int]:
    return (value for one in lists for value in one)


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

    def __init__(self, tokens: Tokens, *, pad_id: int, label_order: npt.NDArray[np.int64] | None) -> None:
        self._tokens = tokens
        self._pad_id = pad_id
        self._label_order = label_order

    def __call__(self, indexes: list[int]) -> dict[str, torch.Tensor]:
        """`input_ids`, `attention_mask` (batch x length), `token_type_ids` where the model has them, `labels`."""
        tokens = self._tokens
        lengths = [int(tokens.offsets[i + 1] - tokens.offsets[i]) for i in indexes]
        width = -(-max(lengths) // 8) * 8
        ids = torch.full((len(indexes), width), self._pad_id, dtype=torch.long)
        mask = torch.zeros_like(ids)
        types = torch.zeros_like(ids) if len(tokens.types) else None
        for row, (index, length) in enumerate(zip(indexes, lengths, strict=True)):
            begin = tokens.offsets[index]
            ids[row, :length] = torch.from_numpy(tokens.ids[begin : begin + length])
            mask[row, :length] = 1
            if types is not None:
                types[row, :length] = torch.from_numpy(tokens.types[begin : begin + length])
        batch = {"input_ids": ids, "attention_mask": mask}
        if types is not None:
            batch["token_type_ids"] = types
        if tokens.labels is not None:
            batch["labels"] = self._labels(tokens.labels[indexes])
        return batch

    def _labels(self, values: npt.NDArray[np.float32]) -> torch.Tensor:
        if self._label_order is None:
            return torch.from_numpy(values)
        return torch.from_numpy(self._label_order[values.astype(np.int64)])
