"""The order of training examples: batches of like length, decided by seed and epoch alone; and who trains on which.

Hugging Face's own length-grouped sampler draws from torch's global state, so a run that is resumed would see another
order than one that was not; this one depends on nothing but its arguments. accelerate gives each process whole batches
and, where they do not come out even, examples twice; here the processes share each step's batch, and each example is
trained on once.
"""

from collections.abc import Iterator, Sequence

import torch
from transformers.trainer_pt_utils import get_length_grouped_indices

from finetune_trainer.ranks import ALONE, Ranks


class EpochSampler(torch.utils.data.Sampler[int]):
    """Indexes of one epoch after another, grouped by length."""

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


class StepBatches(torch.utils.data.Sampler[list[int]]):
    """This process' batches: its share of each step's examples, in passes of at most `pass_size`.

    A step has `batch_size` examples of all processes together, an epoch's last one what is left. `batch_size` is a
    multiple of processes and pass size, so that each step but the last has equally many passes.
    """

    def __init__(self, order: EpochSampler, *, batch_size: int, pass_size: int, ranks: Ranks = ALONE) -> None:
        self._order = order
        # By these names accelerate and Trainer ask.
        self.batch_size = pass_size
        self._step_size = batch_size
        self._ranks = ranks

    def set_epoch(self, epoch: int) -> None:
        """The epoch whose batches are wanted next; called by the Trainer."""
        self._order.set_epoch(epoch)

    def __len__(self) -> int:
        full, rest = divmod(len(self._order), self._step_size)
        share = self._step_size // self._ranks.count
        return full * -(-share // self.batch_size) + -(-max(self._own(rest), bool(rest)) // self.batch_size)

    def __iter__(self) -> Iterator[list[int]]:
        indexes = list(self._order)
        for start in range(0, len(indexes), self._step_size):
            step = indexes[start : start + self._step_size]
            # All take part in a step: who has no example takes one that counts for nothing, see `shares`.
            own = self._ranks.share(step) or step[:1]
            for first in range(0, len(own), self.batch_size):
                yield list(own[first : first + self.batch_size])

    def shares(self, step: int) -> tuple[int, int]:
        """(examples of a training step, counted from 0, in all processes; those of them that are this one's)."""
        steps = -(-len(self._order) // self._step_size)
        examples = min(self._step_size, len(self._order) - step % steps * self._step_size)
        return examples, self._own(examples)

    def _own(self, examples: int) -> int:
        return len(self._ranks.share(range(examples)))
