"""The files that a folder's weights lie in: that they are whole, are within the folder, and are no quantized ones."""

import zipfile
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open

from finetune_core.stored import is_relative, read_json
from finetune_trainer.errors import UserError
from finetune_trainer.model.files import reading

_POINTER = b"version https://git-lfs"
_USED, _OLD = "model.safetensors", "pytorch_model.bin"
_PLAIN = frozenset({torch.float64, torch.float32, torch.float16, torch.bfloat16})
_OTHER = ("I", "U", "BOOL", "F8", "F6_", "F4")
"""How safetensors' names of types begin that hold weights only together with scales."""

_COMPARED = 16
_CLOSE = 1e-2
"""A file in half precision rounds what the other holds."""


def require_weights(folder: Path, raw: dict[str, Any]) -> tuple[str, ...]:
    """UserError for weights that cannot be taken as they are; a warning where two files hold different ones.

    Quantized weights would be loaded as those that they were made from, without the scales to turn them back.
    """
    if isinstance(quantized := raw.get("quantization_config"), dict):
        raise UserError(_quantized(f"config.json has a quantization_config ({quantized.get('quant_method')})"))
    for index in sorted(folder.glob("*.index.json")):
        _require_shards(index)
    for path in _weight_files(folder):
        with path.open("rb") as file:
            if file.read(len(_POINTER)) == _POINTER:
                raise UserError(f"{path.name} is a git-lfs pointer, not the weights: run `git lfs pull` in the folder")
        if (found := next(_scaled(path), None)) is not None:
            raise UserError(_quantized(f"{path.name} holds {found}"))
    return tuple(_two_of_them(folder))


def _weight_files(folder: Path) -> list[Path]:
    """Those that transformers takes: *.bin where there is nothing else, and none of what Trainer leaves beside it."""
    return sorted(folder.glob("*.safetensors")) or sorted(folder.glob("pytorch_model*.bin"))


def _require_shards(index: Path) -> None:
    """UserError if an index names files that are elsewhere, or not there."""
    with reading(f"the model cannot be loaded: {index.name}"):
        shards = sorted(set(read_json(index.read_bytes())["weight_map"].values()))
    for name in shards:
        if not isinstance(name, str) or not is_relative(name) or "/" in name:
            raise UserError(f"{index.name} names {name!r}, which is no file of the model folder: save the model again")
        if not (index.parent / name).exists():
            raise UserError(f"{index.name} names {name}, which is not there: copy the folder again, with all its parts")


def _scaled(path: Path) -> Iterator[str]:
    """Weights of whole numbers or of one byte; buffers (position_ids, GPT-2's attn.bias) are named otherwise."""
    if path.suffix == ".bin":
        weights = ((name, one) for name, one in _torch_weights(path).items() if name.endswith(".weight"))
        yield from (f"{name} as {one.dtype}" for name, one in weights if one.dtype not in _PLAIN)
        return
    try:
        with safe_open(path, "pt") as file:
            for name in (name for name in file.keys() if name.endswith(".weight")):  # noqa: SIM118 - it is no mapping
                kind = file.get_slice(name).get_dtype()
                if kind.startswith(_OTHER):
                    yield f"{name} as {kind}"
    except SafetensorError as error:
        raise UserError(f"the model cannot be loaded: {path.name} is damaged ({error}): copy it again") from error


def _torch_weights(path: Path) -> dict[str, torch.Tensor]:
    """The tensors of a .bin file; they stay in the file where its format allows for it."""
    with reading(f"the model cannot be loaded: {path.name}"):
        held = torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
        return {name: one for name, one in held.items() if isinstance(one, torch.Tensor)}


def _two_of_them(folder: Path) -> Iterator[str]:
    used, other = folder / _USED, folder / _OLD
    if used.exists() and other.exists() and (differ := _difference(used, other)):
        yield (
            f"the model folder holds {_USED} and {_OLD} with other weights ({differ}): {_USED} is used; remove the one "
            "that is not meant"
        )


def _difference(used: Path, other: Path) -> str:
    """A weight that is not the same in both files; of the long ones only the shapes are looked at."""
    try:
        theirs = _torch_weights(other)
    except UserError as error:
        return f"{_OLD} cannot be read: {error}"
    with safe_open(used, "pt") as file:
        both = [name for name in file.keys() if name in theirs]  # noqa: SIM118 - it is no mapping
        shapes = [name for name in both if list(theirs[name].shape) != file.get_slice(name).get_shape()]
        # Biases and norms change in any training.
        short = islice((name for name in both if theirs[name].dim() == 1 and name not in shapes), _COMPARED)
        differ = shapes or [name for name in short if not _same(file.get_tensor(name), theirs[name])]
    if not both:
        return "they have no name in common"
    return f"{differ[0]} is not the same in both" if differ else ""


def _same(one: torch.Tensor, other: torch.Tensor) -> bool:
    return torch.allclose(one.float(), other.float(), rtol=_CLOSE, atol=_CLOSE * float(one.float().abs().max() + 1e-6))


def _quantized(found: str) -> str:
    return f"{found}: a quantized model cannot be trained: take the one that it was made from"
