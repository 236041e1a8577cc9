"""Keeps the zeros of a sparse model while it is trained, counts them, and fails the run that loses them."""

from typing import Any

import torch
import transformers

from finetune_core.results.run import FailureReason, Sparsity, SparsityRecord
from finetune_trainer.errors import GaveUpError
from finetune_trainer.sparse.masks import Rezeroing, census, digest, masked_modules, off_weights_moved


class RezeroWeights(transformers.TrainerCallback):
    """Sets masked weights to zero after every optimizer step.

    The Trainer calls `on_optimizer_step` once an optimizer step, thus once a global batch however it is accumulated,
    after clipping and scaling, also where mixed precision has skipped the step; weights are fp32 in every precision.
    What the gradients of masked weights do otherwise is left as in the published method: they count in the clipped
    norm, and moments are kept of them.
    """

    def __init__(self, guard: "SparsityGuard") -> None:
        self._guard = guard

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """A checkpoint that training goes on from was not necessarily written by us."""
        self._guard.check("before the first step")

    def on_optimizer_step(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Before anything looks at the weights."""
        self._guard.rezero()


class SparsityGuard:
    """The masks of one model as they were loaded; does nothing for a dense one.

    Everything that looks at the zeros (`check`, `census`, `record`) takes them as they are, without setting any first.
    """

    def __init__(self, model: torch.nn.Module) -> None:
        self._model = model
        self._modules = masked_modules(model)
        self._masks = digest(self._modules)
        self.rezero = Rezeroing(self._modules)
        self._before: Sparsity | None = census(model) if self._modules else None

    @property
    def callbacks(self) -> list[transformers.TrainerCallback]:
        """What the Trainer has to call."""
        return [RezeroWeights(self)] if self._modules else []

    def check(self, when: str) -> None:
        """GaveUpError (SparsityLost) if a masked weight is not zero, or if the masks are others than were loaded."""
        moved = off_weights_moved(self._modules)
        if moved:
            name, count = max(moved.items(), key=lambda one: one[1])
            self._fail(
                f"{sum(moved.values())} masked weights are not zero any more {when}, {count} of them in {name}.weight"
            )
        if digest(self._modules) != self._masks:
            self._fail(f"the masks are no longer those of the checkpoint {when}")

    def census(self, when: str) -> Sparsity | None:
        """The zeros as they are now, None of a dense model; as `check`."""
        if not self._modules:
            return None
        self.check(when)
        return census(self._model)

    def record(self) -> SparsityRecord | None:
        """For result.json: as it was loaded and as it is now; as `check`."""
        if self._before is None:
            return None
        self.check("in the weights of the best step")
        kind = str(self._model.config.model_type)  # type: ignore[union-attr]
        return SparsityRecord(type=kind, before=self._before, after=census(self._model))

    @staticmethod
    def _fail(problem: str) -> None:
        raise GaveUpError(
            FailureReason.SPARSITY_LOST,
            f"{problem}: a static sparse model has to keep its zeros, so this run has no result. Either the run's "
            "checkpoint in the store was altered (delete it, set execution.retryToken), or the trainer is at fault",
        )
