"""What a model says about the texts of a dev set, beside what is true, in the order of the task's labels."""

import json
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from finetune_core.tasks.metrics import ProblemType
from finetune_core.tasks.registry import TaskDefinition

Array = npt.NDArray[np.floating | np.integer]
Logits = npt.NDArray[np.float32]
"""(rows, outputs)."""


@dataclass(frozen=True)
class Predicted:
    """Class ids or scores (rows,); a 0 or 1 for each label (rows, labels) where a text can have several."""

    kind: ProblemType
    truth: Array
    guess: Array
    logits: Logits

    @classmethod
    def of(cls, definition: TaskDefinition, logits: Logits, labels: Array) -> Self:
        """From the outputs of a model, in the order of the task's labels, and the labels of a dev set."""
        kind = definition.problem_type
        if kind == ProblemType.REGRESSION:
            return cls(kind, labels.astype(np.float64), logits[:, 0].astype(np.float64), logits)
        guess: Array = logits.argmax(axis=1) if kind == ProblemType.CLASSIFICATION else given_labels(logits).astype(int)
        return cls(kind, labels.astype(np.int64), guess, logits)

    @property
    def probabilities(self) -> npt.NDArray[np.float64]:
        """Of each label (rows, labels): they sum to 1 where a text has one of them."""
        if self.kind == ProblemType.MULTI_LABEL:
            return np.exp(-np.logaddexp(0, -self.logits.astype(np.float64)))
        return softmax(self.logits)


def softmax(logits: Logits) -> npt.NDArray[np.float64]:
    """Probabilities (rows, labels) of texts that have one of the labels each."""
    wide = logits.astype(np.float64)
    powers = np.exp(wide - wide.max(axis=1, keepdims=True))
    shares: npt.NDArray[np.float64] = powers / powers.sum(axis=1, keepdims=True)
    return shares


def named_set(definition: TaskDefinition, names: tuple[str, ...], given: npt.NDArray[np.bool_]) -> str:
    """The names of the labels given, as a JSON list in the task's order: a name may hold what else could part them."""
    found = {name for name, one in zip(names, given, strict=True) if one}
    return json.dumps([name for name in definition.labels if name in found], ensure_ascii=False)


def given_labels(logits: Logits) -> npt.NDArray[np.bool_]:
    """Which labels a text is given where it can have several: those with a probability of 0.5 or more."""
    given: npt.NDArray[np.bool_] = logits >= 0
    return given
