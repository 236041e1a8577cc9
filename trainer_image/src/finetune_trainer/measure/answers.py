"""What an evaluation says of each row of the dev sets: kept of the best one, in checkpoints and beside the metrics."""

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from finetune_core.results.dev_predictions import MOST_MARKS, MOST_ROWS, Line, to_tsv
from finetune_core.results.run import DevPredictionFile
from finetune_core.tasks.metrics import ProblemType
from finetune_core.tasks.registry import TaskDefinition
from finetune_trainer.data.tokens import Tokens
from finetune_trainer.measure.predicted import Logits, given_labels, named_set, softmax
from finetune_trainer.model.loading import Head

Answers = Mapping[str, npt.NDArray[np.float32]]
"""Prefix of a dev set's metrics -> what is said of its rows, in the model's order of labels.

(2, rows): classes and their probabilities; (1, rows): scores; where a text can have several labels (labels + 1, rows):
a 0 or 1 for each label, and the probability of all of them.
"""


def too_many(definition: TaskDefinition, rows: int) -> str | None:
    """Why what is said of a dev set of so many rows is not kept; None where it is."""
    if rows > MOST_ROWS:
        return f"more than {MOST_ROWS} rows"
    if definition.several_labels and rows * len(definition.labels) > MOST_MARKS:
        return f"more than {MOST_MARKS} rows times labels"
    return None


def answers_of(definition: TaskDefinition, logits: Logits) -> npt.NDArray[np.float32]:
    """What the logits (rows, outputs) of a dev set say of its rows."""
    if definition.problem_type == ProblemType.REGRESSION:
        return logits[:, :1].T.copy()
    if definition.several_labels:
        # Of a label that is not given it is that of its absence; they are independent, as in the loss.
        chance = np.exp(-np.logaddexp(0, -np.abs(logits.astype(np.float64))).sum(axis=1))
        return np.stack([*given_labels(logits).T, chance]).astype(np.float32)
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
        labels=definition.labels if definition.several_labels else (),
    )


def _lines(definition: TaskDefinition, head: Head, answers: npt.NDArray[np.float32], tokens: Tokens) -> Iterator[Line]:
    rows = range(len(tokens)) if tokens.rows is None else map(int, tokens.rows)
    truth = tokens.labels if tokens.labels is not None else np.full(len(tokens), np.nan, np.float32)
    if definition.problem_type == ProblemType.REGRESSION:
        for index, label, score in zip(rows, truth, answers[0], strict=True):
            yield index, f"{label:.9g}", f"{score:.9g}", ""
        return
    if definition.several_labels:
        *given, shares = answers
        for index, having, guess, share in zip(rows, truth > 0, np.stack(given, axis=1) > 0, shares, strict=True):
            label = named_set(definition, definition.labels, having)
            yield index, label, named_set(definition, head.names, guess), f"{share:.6g}"
        return
    for index, label, place, share in zip(rows, truth, *answers, strict=True):
        yield index, definition.labels[int(label)], head.names[int(place)], f"{share:.6g}"
