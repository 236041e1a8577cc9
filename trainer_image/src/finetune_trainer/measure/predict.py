"""Logits of a split in length-sorted batches, and the files of the GLUE leaderboard made from them."""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from finetune_core.results.run import PredictionFile
from finetune_core.tasks.metrics import ProblemType
from finetune_core.tasks.registry import REGRESSION_RANGE, SubmissionFile, TaskDefinition
from finetune_trainer.data.tokens import Collator, Tokens
from finetune_trainer.measure.predicted import Logits, given_labels, named_set
from finetune_trainer.ranks import ALONE, Ranks

_WINDOW = 1 << 16
"""Rows that are sorted by length at a time: every dev set of GLUE is one window, QQP's test set six."""


def predict_logits(
    model: Any,
    tokens: Tokens,
    collator: Collator,
    *,
    batch_size: int,
    autocast: Callable[[], AbstractContextManager[Any]],
    on_batch: Callable[[], None],
    ranks: Ranks = ALONE,
) -> Iterator[Logits]:
    """The logits of all rows in their order, in parts; batches hold rows of like length, so little is padded.

    The processes of a run take batches in turn; the first of them alone gets the logits. `on_batch` is called before
    each batch, equally often in all of them, and may raise to stop. ValueError for a split without rows.
    """
    if not len(tokens):
        raise ValueError("a split without rows cannot be predicted")
    lengths = tokens.lengths
    for start in range(0, len(tokens), _WINDOW):
        order = np.argsort(-lengths[start : start + _WINDOW], kind="stable")
        batches = [order[first : first + batch_size] for first in range(0, len(order), batch_size)]
        own = iter(ranks.share(batches))
        parts = []
        for _ in range(0, len(batches), ranks.count):
            on_batch()
            if (places := next(own, None)) is not None:
                batch = collator([start + int(place) for place in places])
                parts.append(_forward(model, batch, autocast))
        found = ranks.collected(parts)
        tokens.release()
        if ranks.leads:
            yield _in_order(order, [one for turn in zip_longest(*found) for one in turn if one is not None])


def _in_order(order: npt.NDArray[np.int64], parts: list[Logits]) -> Logits:
    """Logits that came in the order of `order`, by row."""
    window = np.empty((len(order), parts[0].shape[1]), np.float32)
    window[order] = np.concatenate(parts)
    return window


def _forward(model: Any, batch: dict[str, torch.Tensor], autocast: Callable[[], AbstractContextManager[Any]]) -> Logits:
    device = next(model.parameters()).device
    was_training = model.training
    model.eval()
    try:
        with torch.inference_mode(), autocast():
            inputs = {name: value.to(device) for name, value in batch.items() if name != "labels"}
            logits: Logits = model(**inputs).logits.float().cpu().numpy()
            return logits
    finally:
        model.train(was_training)


def write_predictions(
    path: Path,
    definition: TaskDefinition,
    logits: Iterable[Logits],
    names: tuple[str, ...],
    file: SubmissionFile | None,
) -> PredictionFile:
    """Write the TSV `index<TAB>prediction` of a test set as its logits come; labels by name, never by id."""
    digest, rows = hashlib.sha256(), 0
    with path.open("wb") as out:
        for text in _lines(definition, logits, names, file):
            out.write(text)
            digest.update(text)
            rows += 1
    # The header is no row.
    return PredictionFile(rows=rows - 1, sha256=digest.hexdigest())


def _lines(
    definition: TaskDefinition, logits: Iterable[Logits], names: tuple[str, ...], file: SubmissionFile | None
) -> Iterator[bytes]:
    yield b"index\tprediction\n"
    values = (value for window in logits for value in _values(definition, window, names, file))
    for index, value in enumerate(values):
        yield f"{index}\t{value}\n".encode()


def _values(
    definition: TaskDefinition, logits: Logits, names: tuple[str, ...], file: SubmissionFile | None
) -> Iterator[str]:
    if definition.problem_type == ProblemType.REGRESSION:
        scores = logits[:, 0].astype(np.float64)
        if definition.is_glue:
            scores = np.clip(scores, *REGRESSION_RANGE)
        return (f"{score:.3f}" for score in scores)
    if definition.several_labels:
        return (named_set(definition, names, row) for row in given_labels(logits))
    written = [file.written[name] if file and file.written else name for name in names]
    return (written[int(place)] for place in logits.argmax(axis=1))
