"""The pretrained model with a head for a task, and the order in which it knows the labels."""

import hashlib
import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import transformers

from finetune_core.stored import read_json
from finetune_core.tasks import ProblemType, TaskDefinition
from finetune_trainer.errors import UserError
from finetune_trainer.sparse import require_sparse, sparse_config

logger = logging.getLogger(__name__)

_UNNAMED = re.compile(r"label_\d+")
_TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "vocab.txt", "vocab.json", "merges.txt", "spiece.model")


@dataclass(frozen=True)
class Head:
    """Label names in the order of the model's outputs; `order[definition id] = model id`, None for regression."""

    names: tuple[str, ...]
    order: npt.NDArray[np.int64] | None


def load_tokenizer(folder: Path) -> tuple[Any, str]:
    """The fast tokenizer and a digest of the files that decide what it does; UserError if there is none."""
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder, use_fast=True)
    except (OSError, ValueError) as error:
        raise UserError(f"the model folder holds no tokenizer that transformers can load: {error}") from error
    vocabulary = sorted(tokenizer.vocab_files_names.values())
    if not any((folder / name).exists() for name in vocabulary):
        # transformers makes one of five tokens then, to which every word is unknown.
        raise UserError(f"the model folder holds no tokenizer: add {' or '.join(vocabulary)} to it")
    digest = hashlib.sha256()
    for name in sorted({*_TOKENIZER_FILES, *vocabulary}):
        path = folder / name
        digest.update(name.encode() + b"\0" + (path.read_bytes() if path.exists() else b""))
    return tokenizer, digest.hexdigest()[:32]


def load_model(folder: Path, definition: TaskDefinition, model_type: str | None) -> tuple[Any, Head]:
    """A sequence classification model in fp32; its new head is initialised from torch's current seed.

    UserError if it cannot be loaded, or is not what `model_type` says; see `finetune_trainer.sparse` for sparse types.
    """
    try:
        config = _config(folder, model_type)
        head = _head(config, definition)
        regression = definition.problem_type == ProblemType.REGRESSION
        config.num_labels = 1 if regression else len(head.names)
        if not regression:
            config.id2label = dict(enumerate(head.names))
            config.label2id = {name: place for place, name in enumerate(head.names)}
        config.problem_type = "regression" if regression else "single_label_classification"
        model = transformers.AutoModelForSequenceClassification.from_pretrained(
            folder, config=config, ignore_mismatched_sizes=True, dtype="float32"
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"the model cannot be loaded: {error}") from error
    require_sparse(model)
    logger.info("the classification head is new and starts from the run's seed, unless the checkpoint has one")
    return model, head


def _config(folder: Path, model_type: str | None) -> Any:
    raw = read_json((folder / "config.json").read_bytes())
    if not isinstance(raw, dict):
        raise UserError(f"the model's config.json is {type(raw).__name__}, no object: replace it")
    if (sparse := sparse_config(raw, model_type)) is not None:
        return sparse
    said = raw.get("model_type")
    if said is None and model_type:
        return transformers.AutoConfig.for_model(model_type, **raw)
    return transformers.AutoConfig.from_pretrained(folder)


def _head(config: Any, definition: TaskDefinition) -> Head:
    """A checkpoint that knows the same label names, in whatever order, keeps its order; mapped by name."""
    if definition.problem_type == ProblemType.REGRESSION:
        return Head((), None)
    known = {str(name).lower(): int(place) for name, place in (config.label2id or {}).items()}
    wanted = [name.lower() for name in definition.labels]
    if set(known) == set(wanted) and sorted(known.values()) == list(range(len(wanted))):
        order = np.array([known[name] for name in wanted], np.int64)
    else:
        order = np.arange(len(wanted), dtype=np.int64)
        _warn_of_other_labels(known, wanted)
    names = [""] * len(wanted)
    for place, name in zip(order, definition.labels, strict=True):
        names[int(place)] = name
    return Head(tuple(names), order)


def _warn_of_other_labels(known: Mapping[str, int], wanted: Sequence[str]) -> None:
    """A checkpoint without labels of its own has Hugging Face's label_0, label_1 and so on."""
    if any(not _UNNAMED.fullmatch(name) for name in known):
        logger.warning(
            "the checkpoint's labels are %s, the task's are %s: they cannot be mapped by name, so its head is trained "
            "anew or, where it has as many outputs, in the task's order; correct id2label in config.json if they mean "
            "the same",
            ", ".join(known),
            ", ".join(wanted),
        )
