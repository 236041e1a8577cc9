"""Logits of a split in length-sorted batches, and the files of the GLUE leaderboard made from them."""

import hashlib
import io
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from finetune_core.results import PredictionFile
from finetune_core.tasks import REGRESSION_RANGE, ProblemType, SubmissionFile, TaskDefinition
from finetune_trainer.data.tokens import Collator, Tokens


def predict_logits(
    model: Any,
    tokens: Tokens,
    collator: Collator,
    *,
    batch_size: int,
    autocast: Callable[[], AbstractContextManager[Any]],
    on_batch: Callable[[], None],
) -> npt.NDArray[np.float32]:
    """(rows, outputs) in the order of the rows; batches hold rows of like length, so little is padded.

    `on_batch` is called before each batch and may raise to stop.
    """
    order = np.argsort(-tokens.lengths, kind="stable")
    device = next(model.parameters()).device
    outputs: npt.NDArray[np.float32] | None = None
    was_training = model.training
    model.eval()
    try:
        with torch.inference_mode(), autocast():
            for start in range(0, len(order), batch_size):
                on_batch()
                chosen = order[start : start + batch_size]
                batch = collator([int(index) for index in chosen])
                batch.pop("labels", None)
                logits = model(**{name: value.to(device) for name, value in batch.items()}).logits
                values = logits.float().cpu().numpy()
                if outputs is None:
                    outputs = np.empty((len(order), values.shape[1]), np.float32)
                outputs[chosen] = values
    finally:
        model.train(was_training)
    if outputs is None:
        raise ValueError("a split without rows cannot be predicted")
    return outputs


def prediction_file(
    definition: TaskDefinition, logits: npt.NDArray[np.float32], names: tuple[str, ...], file: SubmissionFile | None
) -> tuple[bytes, PredictionFile]:
    """The TSV `index<TAB>prediction` of a test set, with its record; labels by name, never by id."""
    buffer = io.BytesIO()
    buffer.write(b"index\tprediction\n")
    for index, value in enumerate(_values(definition, logits, names, file)):
        buffer.write(f"{index}\t{value}\n".encode())
    data = buffer.getvalue()
    return data, PredictionFile(rows=len(logits), sha256=hashlib.sha256(data).hexdigest())


def _values(
    definition: TaskDefinition, logits: npt.NDArray[np.float32], names: tuple[str, ...], file: SubmissionFile | None
) -> Iterator[str]:
    if definition.problem_type == ProblemType.REGRESSION:
        scores = logits[:, 0].astype(np.float64)
        if definition.is_glue:
            scores = np.clip(np.nan_to_num(scores), *REGRESSION_RANGE)
        return (f"{score:.3f}" for score in scores)
    written = [file.written[name] if file and file.written else name for name in names]
    return (written[int(place)] for place in logits.argmax(axis=1))
