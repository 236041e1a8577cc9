"""What an evaluation says of each row of the dev sets: kept of the best one, in checkpoints and beside the metrics."""

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from finetune_core.results.dev_predictions import MOST_ROWS, Line, to_tsv
from finetune_core.results.run import DevPredictionFile
from finetune_core.tasks.metrics import ProblemType
from finetune_core.tasks.registry import TaskDefinition
from finetune_trainer.data.tokens import Tokens
from finetune_trainer.model.loading import Head
from finetune_trainer.run.predicted import Logits, softmax

Answers = Mapping[str, npt.NDArray[np.float32]]
"""Prefix of a dev set's metrics -> (2, rows): classes in the model's order, their probabilities; (1, rows): scores."""


def are_kept(definition: TaskDefinition, rows: int) -> bool:
    """Whether what is said of a dev set of so many rows is kept: one answer a row, and not too many."""
    return not definition.several_labels and rows <= MOST_ROWS


def answers_of(definition: TaskDefinition, logits: Logits) -> npt.NDArray[np.float32]:
    """What the logits (rows, outputs) of a dev set say of its rows."""
    if definition.problem_type == ProblemType.REGRESSION:
        return logits[:, :1].T.copy()
    probability = softmax(logits).max(axis=1)
    return np.stack([logits.argmax(axis=1).astype(np.float32), probability.astype(np.float32)])


def write_answers(
    path: Path,
    definition: TaskDefinition,
    head: Head,
    answers: npt.NDArray[np.float32],
    tokens: Tokens,
    *,
    data: str,
    prefix: str,
) -> DevPredictionFile:
    """Write the file of a dev set (see `finetune_core.results.dev_predictions`); its record."""
    digest = hashlib.sha256()
    with path.open("wb") as out:
        for line in to_tsv(_lines(definition, head, answers, tokens)):
            out.write(line)
            digest.update(line)
    return DevPredictionFile(
        rows=len(tokens),
        sha256=digest.hexdigest(),
        data=data,
        prefix=prefix,
        positive=definition.labels[1] if len(definition.labels) == 2 else None,
        regression=definition.problem_type == ProblemType.REGRESSION,
    )


def _lines(definition: TaskDefinition, head: Head, answers: npt.NDArray[np.float32], tokens: Tokens) -> Iterator[Line]:
    rows = range(len(tokens)) if tokens.rows is None else map(int, tokens.rows)
    truth = tokens.labels if tokens.labels is not None else np.full(len(tokens), np.nan, np.float32)
    if definition.problem_type == ProblemType.REGRESSION:
        for index, label, score in zip(rows, truth, answers[0], strict=True):
            yield index, f"{label:.9g}", f"{score:.9g}", ""
        return
    for index, label, place, share in zip(rows, truth, *answers, strict=True):
        yield index, definition.labels[int(label)], head.names[int(place)], f"{share:.6g}"
