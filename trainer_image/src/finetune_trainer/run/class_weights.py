"""How much each label counts in the loss: given by name, or worked out from the training data.

One label a text: torch's weighted cross entropy, sum(w_i * loss_i) / sum(w_i) over the examples of a step. Several: a
label's presence counts so many times its absence (`pos_weight` of torch's binary cross entropy), mean over all.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from sklearn.utils.class_weight import compute_class_weight

from finetune_core.planning.settings import Settings
from finetune_core.tasks.registry import TaskDefinition
from finetune_trainer.data.tokens import Tokens
from finetune_trainer.errors import UserError
from finetune_trainer.model.loading import Head

_SHOWN = 10


@dataclass(frozen=True)
class WeightedLoss:
    """`weights` are those of the model's outputs, `smoothing` the share of a label that is spread over all of them."""

    weights: torch.Tensor
    several: bool
    smoothing: float = 0.0

    def __call__(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """The loss of a batch: logits (rows, outputs), class ids (rows) or a 0 or 1 for each label (rows, outputs)."""
        weights = self.weights.to(logits.device)
        if self.several:
            return torch.nn.functional.binary_cross_entropy_with_logits(logits.float(), labels, pos_weight=weights)
        return torch.nn.functional.cross_entropy(logits.float(), labels, weight=weights, label_smoothing=self.smoothing)

    def mass(self, labels: torch.Tensor) -> torch.Tensor | float:
        """What a batch counts in a step: its loss is a mean over so much."""
        return float(len(labels)) if self.several else self.weights.to(labels.device)[labels].sum()


def weighted_loss(definition: TaskDefinition, settings: Settings, train: Tokens, head: Head) -> WeightedLoss | None:
    """None where all labels count the same. UserError where the training data give a label no weight."""
    if settings.class_weights is None and not settings.label_weights:
        return None
    given = settings.label_weights or {}
    found = (
        np.array([given.get(name, 1.0) for name in definition.labels])
        if given
        else _balanced(definition, train.labels if train.labels is not None else np.zeros(0, np.float32))
    )
    ordered = np.empty_like(found)
    ordered[head.order if head.order is not None else slice(None)] = found
    weights = torch.tensor(ordered, dtype=torch.float32)
    return WeightedLoss(weights, definition.several_labels, settings.label_smoothing_factor)


def _balanced(definition: TaskDefinition, labels: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """By scikit-learn's rule rows / (labels * rows of the label); rows without / rows with, where there are several."""
    if not definition.several_labels:
        counts = np.bincount(labels.astype(np.int64), minlength=len(definition.labels))
        _require(definition, counts > 0, "no row")
        ids = np.arange(len(definition.labels))
        weights: npt.NDArray[np.float64] = compute_class_weight("balanced", classes=ids, y=labels.astype(np.int64))
        return weights
    having: npt.NDArray[np.float64] = labels.sum(axis=0, dtype=np.float64)
    _require(definition, having > 0, "no row")
    _require(definition, having < len(labels), "every row")
    quotients: npt.NDArray[np.float64] = (len(labels) - having) / having
    return quotients


def _require(definition: TaskDefinition, fits: npt.NDArray[np.bool_], rows: str) -> None:
    wrong = [name for name, fit in zip(definition.labels, fits, strict=True) if not fit]
    if wrong:
        raise UserError(
            f"training.classWeights: {rows} of the training data has the label {', '.join(wrong[:_SHOWN])}, so that no "
            "weight balances it: correct the data or the labels, or give training.labelWeights"
        )
