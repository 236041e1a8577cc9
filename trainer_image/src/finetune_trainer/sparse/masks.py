"""Masks of sparse models: a boolean buffer `zero_mask` beside each covered weight, true where it has to be zero.

The buffer is saved with the model, so that a weight which is zero only by chance is not taken for a masked one later.
The name is that of nupic.torch's SparseWeights modules, whose checkpoints carry it too.
"""

import hashlib
from collections.abc import Collection, Mapping

import torch

from finetune_core.results.run import Sparsity
from finetune_core.tasks.sparse import SparseType, covers

MASK = "zero_mask"

_BITS = {2: torch.int16, 4: torch.int32, 8: torch.int64}
"""Bytes of a weight -> the integer of the same size."""

_CHUNK = 2**18
"""Weights at a time: torch widens the bytes into a copy, and a large one (of word embeddings) is slow to allocate."""

Modules = Mapping[str, torch.nn.Module]
"""Dotted name -> a module with `weight` and `zero_mask` of the same shape."""


def attach(model: torch.nn.Module, kind: SparseType) -> None:
    """Give every covered module a mask, which at first masks nothing."""
    for name, module in model.named_modules():
        if covers(kind, name) and not hasattr(module, MASK):
            mask = torch.zeros_like(_weight(module), dtype=torch.bool, requires_grad=False)
            module.register_buffer(MASK, mask)


def masked_modules(model: torch.nn.Module) -> dict[str, torch.nn.Module]:
    """The modules that have a mask; none in a dense model."""
    return {name: module for name, module in model.named_modules() if hasattr(module, MASK)}


def settle(model: torch.nn.Module, missing: Collection[str]) -> None:
    """Masks of a model that was just loaded: from the checkpoint where it carries them, else from its zeros.

    `missing` are the names that the checkpoint lacks. ValueError if it lacks a covered weight, or if one of its masks
    covers weights that are not zero.
    """
    modules = masked_modules(model)
    if lacking := sorted(f"{name}.weight" for name in modules if f"{name}.weight" in missing):
        raise ValueError(f"the checkpoint lacks {len(lacking)} of the weights that are to be sparse: {_some(lacking)}")
    for name, module in modules.items():
        weight = _weight(module)
        carried = f"{name}.{MASK}" not in missing
        # Older checkpoints hold masks of bytes or floats.
        setattr(module, MASK, _mask(module).to(torch.bool) if carried else weight.detach() == 0)
    if wrong := sorted(off_weights_moved(modules)):
        raise ValueError(
            f"the checkpoint contradicts itself: its {MASK} buffers mask weights that are not zero in {_some(wrong)}"
        )


class Rezeroing:
    """Sets every masked weight to +0, whatever it is (also infinite or not a number); kept weights keep their bits.

    As an AND of bits with one byte a weight, which a CPU does several times as fast as `masked_fill_`: that branches on
    every weight. The bytes are made from the masks as they are when it is first called, where the weights are then.
    """

    def __init__(self, modules: Modules) -> None:
        self._modules = modules
        self._keep: dict[str, torch.Tensor] = {}

    @torch.no_grad()
    def __call__(self) -> None:
        """Do it."""
        for name, module in self._modules.items():
            weight = _weight(module)
            keep = self._keep.get(name)
            if keep is None or keep.device != weight.device:
                # -1 has all bits set, in whatever integer type it is widened to.
                keep = self._keep[name] = (~_mask(module)).to(torch.int8).neg_()
            rows = max(1, _CHUNK // weight.shape[1])
            bits = weight.view(_BITS[weight.element_size()])
            for part, kept in zip(bits.split(rows), keep.split(rows), strict=True):
                part.bitwise_and_(kept)


def off_weights_moved(modules: Modules) -> dict[str, int]:
    """Masked weights that are not zero: module -> how many, without modules that have none. NaN is not zero."""
    counts = {
        name: int(((_weight(module).detach() != 0) & _mask(module)).sum().item()) for name, module in modules.items()
    }
    return {name: count for name, count in counts.items() if count}


def census(model: torch.nn.Module) -> Sparsity:
    """What of a sparse model is zero; ValueError for a model without masks."""
    modules = masked_modules(model).values()
    weights = sum(_weight(module).numel() for module in modules)
    if not weights:
        raise ValueError("the model has no masks: it is of no sparse type")
    non_zero = sum(int(torch.count_nonzero(_weight(module).detach()).item()) for module in modules)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    return Sparsity(
        weights=weights,
        masked=sum(int(_mask(module).sum().item()) for module in modules),
        non_zero=non_zero,
        sparsity=1 - non_zero / weights,
        parameters=parameters,
        non_zero_parameters=parameters - (weights - non_zero),
    )


def digest(modules: Modules) -> str:
    """The same for the same masks (SHA-256)."""
    found = hashlib.sha256()
    for name, module in sorted(modules.items()):
        found.update(f"{name}\0{tuple(_mask(module).shape)}\0".encode())
        found.update(_mask(module).cpu().contiguous().numpy().tobytes())
    return found.hexdigest()


def _weight(module: torch.nn.Module) -> torch.Tensor:
    weight = module.weight
    assert isinstance(weight, torch.Tensor)
    return weight


def _mask(module: torch.nn.Module) -> torch.Tensor:
    mask = getattr(module, MASK)
    assert isinstance(mask, torch.Tensor)
    return mask


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
