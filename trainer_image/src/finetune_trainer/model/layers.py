"""The layers of a model by their depth: freezing the lowest of them, learning rates that fall with depth."""

import re
from typing import Any

import torch

from finetune_core.planning.settings import Settings
from finetune_trainer.errors import UserError

_EMBEDDINGS = re.compile(r"(^|\.)(\w*embed\w*|wte|wpe|shared|relative_attention_bias|rel_embeddings)(\.|$)")


def freeze(model: Any, settings: Settings) -> None:
    """Take the settings' layers and embeddings out of training; UserError if the model has no such.

    Also where the learning rate is to fall with depth, since nothing may be found out after training has begun.
    """
    if settings.layerwise_lr_decay != 1:
        _stack(model, "layerwiseLrDecay")
    if settings.freeze_embeddings:
        for name, parameter in _of_base(model).items():
            if _layer(model, name) is None and _EMBEDDINGS.search(name):
                parameter.requires_grad_(False)
    if not settings.freeze_layers:
        return
    _, layers = _stack(model, "freezeLayers")
    if settings.freeze_layers > len(layers):
        raise UserError(f"training.freezeLayers is {settings.freeze_layers}, but the model has {len(layers)} layers")
    layers[: settings.freeze_layers].requires_grad_(False)


def depths(model: Any) -> dict[str, int]:
    """Of each parameter: 0 for the head and what follows the last layer, 1 for the last layer, most for embeddings."""
    _, layers = _stack(model, "layerwiseLrDecay")
    below = _of_base(model)

    def depth(name: str) -> int:
        layer = _layer(model, name)
        if layer is not None:
            return len(layers) - layer
        return len(layers) + 1 if name in below and _EMBEDDINGS.search(name) else 0

    return {name: depth(name) for name, _ in model.named_parameters()}


def _of_base(model: Any) -> dict[str, torch.nn.Parameter]:
    return {name: one for name, one in model.named_parameters() if name.startswith(f"{model.base_model_prefix}.")}


def _layer(model: Any, name: str) -> int | None:
    """The place of the layer that a parameter is in; None for others, and where there is more than one stack."""
    stacks = _stacks(model)
    start = next((f"{path}." for path in stacks if name.startswith(f"{path}.")), None)
    return None if start is None else int(name.removeprefix(start).partition(".")[0])


def _stack(model: Any, field: str) -> tuple[str, torch.nn.ModuleList]:
    stacks = _stacks(model)
    if len(stacks) != 1:
        raise UserError(
            f"training.{field} needs a model with one stack of layers, and this {model.config.model_type} has "
            f"{len(stacks)}: remove it"
        )
    ((path, layers),) = stacks.items()
    return path, layers


def _stacks(model: Any) -> dict[str, torch.nn.ModuleList]:
    """The outermost lists of modules: BERT's encoder.layer, Llama's layers, both of BART."""
    lists = {name: part for name, part in model.named_modules() if isinstance(part, torch.nn.ModuleList) and len(part)}
    return {name: part for name, part in lists.items() if not any(name.startswith(f"{other}.") for other in lists)}
