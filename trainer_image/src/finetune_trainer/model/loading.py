"""The pretrained model with a head for a task, and the order in which it knows the labels."""

import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import transformers

from finetune_core.tasks.metrics import ProblemType
from finetune_core.tasks.registry import TaskDefinition
from finetune_trainer.errors import UserError
from finetune_trainer.model.files import read_config, reading
from finetune_trainer.model.weight_files import require_weights
from finetune_trainer.model.weights import Loading, require_loaded
from finetune_trainer.sparse import require_sparse, sparse_config

logger = logging.getLogger(__name__)

_PROBLEM_TYPES = {
    ProblemType.CLASSIFICATION: "single_label_classification",
    ProblemType.MULTI_LABEL: "multi_label_classification",
    ProblemType.REGRESSION: "regression",
}
"""By these models of transformers choose their loss: cross entropy, binary cross entropy, squared error."""

_UNNAMED = re.compile(r"label_\d+")


@dataclass(frozen=True)
class Head:
    """Label names in the order of the model's outputs; `order[definition id] = model id`, None for regression.

    `warnings` are what readers of the result have to know of how the model was loaded, `new` are the weights that the
    checkpoint did not give.
    """

    names: tuple[str, ...]
    order: npt.NDArray[np.int64] | None
    warnings: tuple[str, ...] = ()
    new: frozenset[str] = frozenset()

    def in_task_order(self, logits: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Logits (rows, outputs) with the outputs in the order of the task's labels."""
        return logits if self.order is None else logits[:, self.order]


def load_model(
    folder: Path, definition: TaskDefinition, model_type: str | None, *, pad_id: int | None = None
) -> tuple[Any, Head]:
    """A sequence classification model in fp32; its new head is initialised from torch's current seed.

    `pad_id` is the tokenizer's, by which a decoder finds a text's end. UserError if it cannot be loaded, if more of it
    than the head would be new, or if it is not what `model_type` says; see `finetune_trainer.sparse` for sparse types.
    """
    raw = read_config(folder)
    told = require_weights(folder, raw)
    with reading("the model cannot be loaded"):
        known = _known(raw, definition)
        config = _config(folder, raw, model_type)
        _require_own_type(config)
        names, order = _labels(known, definition)
        regression = definition.problem_type == ProblemType.REGRESSION
        config.num_labels = 1 if regression else len(names)
        if not regression:
            config.id2label = dict(enumerate(names))
            config.label2id = {name: place for place, name in enumerate(names)}
        config.problem_type = _PROBLEM_TYPES[definition.problem_type]
        if pad_id is not None:
            _set_pad_token(config.get_text_config(), pad_id)
        model, info = transformers.AutoModelForSequenceClassification.from_pretrained(
            folder, config=config, ignore_mismatched_sizes=True, dtype="float32", output_loading_info=True
        )
    loading = Loading.of(info)
    warnings = (*told, *require_loaded(model, loading))
    if not regression:
        warnings += _other_labels(known, definition.labels, head_is_new=bool(loading.new))
    require_sparse(model)
    for warning in warnings:
        logger.warning("%s", warning)
    return model, Head(names, order, warnings, loading.new)


def _config(folder: Path, raw: dict[str, Any], model_type: str | None) -> Any:
    if (sparse := sparse_config(raw, model_type)) is not None:
        return sparse
    said = raw.get("model_type")
    if said is None and model_type:
        return transformers.AutoConfig.for_model(model_type, **raw)
    # Unsaid, it asks whoever sits at the terminal.
    return transformers.AutoConfig.from_pretrained(folder, trust_remote_code=False)


def _require_own_type(config: Any) -> None:
    """UserError if config.json contradicts itself: names and shapes of a BERT's weights can fit RoBERTa too."""
    for name in config.architectures or ():
        saved = getattr(getattr(transformers, name, None), "config_class", None)
        if saved is not None and not isinstance(config, saved):
            raise UserError(
                f"config.json says model_type {config.model_type}, but its architectures say {name}, which is of "
                f"{saved.model_type}: correct the one that is wrong"
            )


def _set_pad_token(config: Any, pad_id: int) -> None:
    """A decoder's, and of any model that names none; an encoder may count its positions from the one that it names."""
    if pad_id >= getattr(config, "vocab_size", pad_id + 1):
        raise UserError(
            f"the tokenizer's pad token has id {pad_id}, but the model has embeddings for {config.vocab_size} tokens: "
            f"name another as pad_token in tokenizer_config.json, or call model.resize_token_embeddings({pad_id + 1}) "
            "and save it again"
        )
    if config.pad_token_id is None or type(config) not in transformers.MODEL_FOR_MASKED_LM_MAPPING:
        config.pad_token_id = pad_id


def _known(raw: Mapping[str, Any], definition: TaskDefinition) -> dict[str, int]:
    """The checkpoint's labels in lower case -> its outputs; UserError where it contradicts itself about the task's.

    Of the two tables that it can have, pipelines read id2label and training scripts label2id; either may be missing,
    or left as transformers made it.
    """
    by_name = {str(name).lower(): int(place) for name, place in (raw.get("label2id") or {}).items()}
    by_place = {str(name).lower(): int(place) for place, name in (raw.get("id2label") or {}).items()}
    tables = [table for table in (by_place, by_name) if table]
    named = [table for table in tables if not all(_UNNAMED.fullmatch(name) for name in table)]
    wanted = {name.lower() for name in definition.labels}
    if len(named) > 1 and by_place != by_name and wanted in (set(by_place), set(by_name)):
        raise UserError(
            f"config.json contradicts itself about the labels: id2label says {by_place}, label2id {by_name}: correct "
            "the one that is wrong"
        )
    return (named or tables or [{}])[0]


def _labels(
    known: Mapping[str, int], definition: TaskDefinition
) -> tuple[tuple[str, ...], npt.NDArray[np.int64] | None]:
    """A checkpoint that knows the same label names, in whatever order, keeps its order; mapped by name."""
    if definition.problem_type == ProblemType.REGRESSION:
        return (), None
    wanted = [name.lower() for name in definition.labels]
    order = np.arange(len(wanted), dtype=np.int64)
    if set(known) == set(wanted) and sorted(known.values()) == list(range(len(wanted))):
        order = np.array([known[name] for name in wanted], np.int64)
    names = [""] * len(wanted)
    for place, name in zip(order, definition.labels, strict=True):
        names[int(place)] = name
    return tuple(names), order


def _other_labels(known: Mapping[str, int], labels: Sequence[str], *, head_is_new: bool) -> tuple[str, ...]:
    """A warning where the checkpoint has labels of its own: others than Hugging Face's label_0, label_1 and so on."""
    if {name.lower() for name in labels} == set(known) or all(_UNNAMED.fullmatch(name) for name in known):
        return ()
    head = "its head is trained anew" if head_is_new else "its head is kept, its outputs in the task's order"
    return (
        f"the checkpoint's labels cannot be mapped by name, so {head}: they are {', '.join(known)}, the task's are "
        f"{', '.join(labels)}; correct id2label in config.json if they mean the same",
    )
