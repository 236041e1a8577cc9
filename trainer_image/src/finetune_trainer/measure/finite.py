"""What is not finite is no value: the step at which a training loss stopped being finite, and logits that are not."""

import numpy as np
import numpy.typing as npt
import torch

from finetune_core.api import Precision
from finetune_trainer.errors import DivergedError
from finetune_trainer.ranks import ALONE, Ranks

_EVERY_STEPS = 50
"""How often the device is asked: it has to wait for the answer."""


class LossWatch:
    """Remembers, on the device, the first step whose loss was NaN or infinite."""

    def __init__(self, precision: Precision, ranks: Ranks = ALONE) -> None:
        self._precision = precision
        self._ranks = ranks
        self._first: torch.Tensor | None = None
        self._asked_at = 0

    def note(self, loss: torch.Tensor, step: int) -> None:
        """A loss of the step (1-based), one number; asks nothing of the device but at every 50th step. As `check`."""
        now = torch.where(torch.isfinite(loss.detach()), torch.inf, float(step))
        self._first = now if self._first is None else torch.minimum(self._first, now)
        if step % _EVERY_STEPS == 0 and step != self._asked_at:
            self._asked_at = step
            self.check()

    def check(self) -> None:
        """DivergedError if a loss was not finite, of whichever process of the run; all of them ask at once."""
        first = self._ranks.least(torch.inf if self._first is None else float(self._first))
        if first != torch.inf:
            raise DivergedError(f"the training loss is not finite at step {first:.0f}: {remedy(self._precision)}")


def require_finite(logits: npt.NDArray[np.float32], where: str, *, step: int, precision: Precision) -> None:
    """DivergedError if a row of logits (rows, outputs) holds NaN or infinity."""
    wrong = int((~np.isfinite(logits)).any(axis=1).sum())
    if wrong:
        rows = f"{wrong} of {len(logits)} rows of {where}"
        raise DivergedError(f"the logits of {rows} are not finite after step {step}: {remedy(precision)}")


def remedy(precision: Precision) -> str:
    """What to do, by what the run was calculated in."""
    wider = {Precision.FP16: ", use precision bf16 or fp32", Precision.BF16: ", use precision fp32"}.get(precision, "")
    return (
        f"the run has no value; lower training.learningRate or raise warmup{wider}, or look for what is odd in the data"
    )
