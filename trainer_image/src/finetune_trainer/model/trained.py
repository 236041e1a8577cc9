"""Which of a model's weights are trained: what a checkpoint and the best step have to keep."""

import torch

from finetune_core.results.run import ParameterCount


def trained_state(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    """The state without frozen parameters, which loading and the seed give again; all of it where none is frozen."""
    frozen = frozen_names(model)
    return {name: tensor for name, tensor in model.state_dict().items() if name not in frozen}


def frozen_names(model: torch.nn.Module) -> set[str]:
    """Parameters that training does not change, under each name of those that are tied."""
    parameters = model.named_parameters(remove_duplicate=False)
    return {name for name, parameter in parameters if not parameter.requires_grad}


def count_parameters(model: torch.nn.Module) -> ParameterCount | None:
    """None where all are trained; the head's first values, which PEFT keeps, are not counted."""
    used = [one for name, one in model.named_parameters() if ".original_module." not in name]
    trainable = sum(one.numel() for one in used if one.requires_grad)
    total = sum(one.numel() for one in used)
    return None if trainable == total else ParameterCount(trainable=trainable, total=total)
