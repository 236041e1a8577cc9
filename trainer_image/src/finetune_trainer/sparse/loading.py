"""What `model.type` asks for and what a checkpoint is: found out before anything is trained."""

import logging
from typing import Any

import torch

from finetune_core.tasks.sparse import SPARSE_TYPES, SparseType, covers, type_problem
from finetune_trainer.errors import UserError
from finetune_trainer.sparse.architectures import CONFIGS, SparseBertConfig
from finetune_trainer.sparse.masks import census, masked_modules

logger = logging.getLogger(__name__)

_SPARSE_ABOVE = 0.1
_DENSE_BELOW = 0.01
"""Of the covered weights: single zeros (BERT's embedding of [PAD], for one) are no mask."""


def sparse_config(raw: dict[str, Any], wanted: str | None) -> SparseBertConfig | None:
    """The configuration of a sparse model; None if neither config.json (`raw`) nor `model.type` asks for one.

    UserError if the two contradict each other, also where neither is sparse, or if a sparse type is asked for and the
    checkpoint is of another architecture than BERT.
    """
    said = raw.get("model_type")
    if (problem := type_problem(wanted, said)) is not None:
        raise UserError(problem)
    kind = wanted or said
    if kind is None or kind not in SPARSE_TYPES:
        return None
    fields = {name: value for name, value in raw.items() if name != "model_type"}
    return CONFIGS[SparseType(kind)](**fields)


def require_sparse(model: torch.nn.Module) -> None:
    """UserError if a model of a sparse type is dense.

    A warning where some of its layers are, and where a model of a dense type has many zeros, which will not be kept.
    """
    modules = masked_modules(model)
    if not modules:
        _warn_of_zeros(model)
        return
    found, kind = census(model), SparseType(model.config.model_type)  # type: ignore[arg-type, union-attr]
    if found.masked < _DENSE_BELOW * found.weights:
        raise UserError(
            f"model.type {kind} needs a checkpoint with zeros, but {found.masked} of the {found.weights} weights that "
            f"the type covers are masked: use model.type bert, or prune the model first: finetune-trainer prune "
            f"--model MODEL --type {kind} --sparsity 0.85 --output FOLDER"
        )
    if dense := [name for name, module in modules.items() if not bool(module.zero_mask.any())]:  # type: ignore[operator]
        logger.warning("%d of the %d layers that %s covers are dense: %s", len(dense), len(modules), kind, dense[0])
    logger.info("%s: %.4f of %d weights are zero and stay so", kind, found.sparsity, found.weights)


def _warn_of_zeros(model: torch.nn.Module) -> None:
    weights = [
        one for name, one in model.named_parameters() if covers(SparseType.ENCODER, name.removesuffix(".weight"))
    ]
    zeros = sum(one.numel() - int(torch.count_nonzero(one).item()) for one in weights)
    total = sum(one.numel() for one in weights)
    if zeros > _SPARSE_ABOVE * total:
        logger.warning(
            "%.0f %% of the encoder's weights are zero and will not stay so: set model.type to %s to keep them",
            100 * zeros / total,
            SparseType.ENCODER,
        )
