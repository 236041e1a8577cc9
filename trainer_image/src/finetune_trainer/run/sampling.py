"""The order of training examples: batches of like length, decided by seed and epoch alone.

Hugging Face's own length-grouped sampler draws from torch's global state, so a run that is resumed would see another
order than one that was not; this one depends on nothing but its arguments.
"""

from collections.abc import Iterator, Sequence

import torch
from transformers.trainer_pt_utils import get_length_grouped_indices


class EpochSampler(torch.utils.data.Sampler[int]):
    """Indexes of one epoch after another, grouped by length; `set_epoch` is called by the Trainer."""

    def __init__(self, lengths: Sequence[int], *, batch_size: int, seed: int) -> None:
        self._lengths = list(lengths)
        self._batch_size = batch_size
        self._seed = seed
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """The epoch whose order is wanted next."""
        self._epoch = epoch

    def __len__(self) -> int:
        return len(self._lengths)

    def __iter__(self) -> Iterator[int]:
        generator = torch.Generator().manual_seed(self._seed + 1_000_003 * self._epoch)
        return iter(get_length_grouped_indices(self._lengths, self._batch_size, generator=generator))
