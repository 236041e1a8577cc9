"""LoRA and IA3 by the PEFT library: laid into a model, saved as PEFT saves them, merged.

The Trainer is given the model itself, whose layers PEFT has replaced: all that knows of models goes on as before.
See docs/decisions/0033-adapters.md.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import peft
import torch
from peft.utils import constants
from transformers.pytorch_utils import Conv1D

from finetune_core.planning.arguments.values import PeftType
from finetune_core.planning.settings import Settings
from finetune_trainer.errors import UserError
from finetune_trainer.model.files import reading
from finetune_trainer.sparse.masks import masked_modules

_KNOWN: Mapping[PeftType, Mapping[str, Any]] = {
    PeftType.LORA: constants.TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING,
    PeftType.IA3: constants.TRANSFORMERS_MODELS_TO_IA3_TARGET_MODULES_MAPPING,
}
_KNOWN_FEEDFORWARD = constants.TRANSFORMERS_MODELS_TO_IA3_FEEDFORWARD_MODULES_MAPPING
_CHANGED = (torch.nn.Linear, Conv1D)


@dataclass(frozen=True)
class Adapter:
    """An adapter in a model; `merge`: whether the model that is kept has it merged."""

    model: Any
    merge: bool

    def save(self, folder: Path) -> None:
        """adapter_config.json and adapter_model.safetensors, the head among them, for PeftModel.from_pretrained."""
        # Else PEFT asks the hub for the base model's vocabulary.
        self.model.save_pretrained(folder, save_embedding_layers=False)

    def merged(self) -> Any:
        """The model without PEFT's layers, the adapter added to its weights; the adapter is gone afterwards."""
        return self.model.merge_and_unload()


def make_adapter(model: Any, settings: Settings, uri: str, new: Iterable[str]) -> Adapter | None:
    """Lay the settings' adapter into a model of `uri`; None if they ask for none.

    Its head is trained whole, and so is what else of it is `new` (names of weights). UserError if it does not fit.
    """
    if settings.peft_type is None:
        return None
    if masked_modules(model):
        raise UserError(
            f"training.peftType {settings.peft_type}: zeros of {model.config.model_type} would not be kept in a merged "
            "model; remove peftType, or use a dense model"
        )
    whole = _trained_whole(model, new)
    targets = _targets(model, settings, whole)
    saved = (*whole, *_matching(model, "modulesToSave", settings.modules_to_save or ()))
    config = _config(model, settings, targets, saved)
    with reading(f"training.peftType {settings.peft_type}"):
        adapted = peft.get_peft_model(model, config)
    config.base_model_name_or_path, _, revision = uri.removeprefix("file://").removeprefix("hf://").partition("@")
    config.revision = revision or None
    return Adapter(adapted, settings.merge_adapter)


def _trained_whole(model: Any, new: Iterable[str]) -> tuple[str, ...]:
    """Modules beside the base model, and those of it that have new weights (poolers)."""
    base = model.base_model
    heads = [name for name, part in model.named_children() if part is not base and any(True for _ in part.parameters())]
    inside = {name.rpartition(".")[0] for name in new if name.startswith(f"{model.base_model_prefix}.")}
    return (*heads, *sorted(inside))


def _targets(model: Any, settings: Settings, whole: tuple[str, ...]) -> list[str]:
    """Ends of names of the modules to change; UserError if PEFT knows none, or if one of them changes nothing."""
    known = _KNOWN[settings.peft_type] if settings.peft_type else {}
    targets = settings.target_modules or tuple(known.get(model.config.model_type, ()))
    choice = _choice(model, whole)
    if not targets:
        raise UserError(
            f"training.targetModules: PEFT has no default for {settings.peft_type} of {model.config.model_type}: name "
            f"modules of {choice}"
        )
    below = {name for name, part in model.named_modules() if isinstance(part, _CHANGED) and not _in(name, whole)}
    for target in targets:
        if not any(_ends(name, target) for name in below):
            raise UserError(f"training.targetModules: no linear module below the head ends in {target}: use {choice}")
    return list(targets)


def _matching(model: Any, field: str, names: Iterable[str]) -> tuple[str, ...]:
    """The names; UserError if one of them names nothing."""
    modules = [name for name, _ in model.named_modules()]
    for wanted in names:
        if not any(_ends(name, wanted) for name in modules):
            known = ", ".join(sorted({name.rpartition(".")[2] for name in modules if name}))
            raise UserError(f"training.{field}: no module ends in {wanted}: use one of {known}")
    return tuple(names)


def _config(model: Any, settings: Settings, targets: list[str], saved: tuple[str, ...]) -> Any:
    rows_first = any(isinstance(part, Conv1D) for part in model.modules())
    shared: dict[str, Any] = {
        "task_type": peft.TaskType.SEQ_CLS,
        "target_modules": targets,
        "modules_to_save": list(saved),
        "fan_in_fan_out": rows_first,
    }
    if settings.peft_type == PeftType.IA3:
        feedforward = settings.feedforward_modules or _KNOWN_FEEDFORWARD[model.config.model_type]
        return peft.IA3Config(**shared, feedforward_modules=list(feedforward))
    return peft.LoraConfig(
        **shared,
        r=settings.lora_r,
        lora_alpha=settings.lora_alpha,
        lora_dropout=settings.lora_dropout,
        use_rslora=settings.use_rslora,
    )


def _choice(model: Any, whole: tuple[str, ...]) -> str:
    names = (name for name, part in model.named_modules() if isinstance(part, _CHANGED) and not _in(name, whole))
    return ", ".join(sorted({name.rpartition(".")[2] for name in names}))


def _in(name: str, modules: Iterable[str]) -> bool:
    return any(name == module or name.startswith(f"{module}.") for module in modules)


def _ends(name: str, target: str) -> bool:
    return name == target or name.endswith(f".{target}")
