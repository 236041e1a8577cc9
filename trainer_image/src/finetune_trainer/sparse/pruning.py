"""From a dense BERT to a checkpoint of a sparse type, by magnitude and layer by layer.

Each covered matrix loses the same share of its weights, those of least magnitude (Han et al. 2015,
https://arxiv.org/abs/1506.02626, without retraining). Everything else in the checkpoint stays as it is.
"""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import torch
from safetensors.torch import load_file, save

from finetune_core.tasks.sparse import SparseType, covers
from finetune_trainer.errors import UserError
from finetune_trainer.model.files import read_config
from finetune_trainer.model.tokenizer import load_tokenizer
from finetune_trainer.sparse.masks import MASK

_WEIGHT = ".weight"


def magnitude_mask(weight: torch.Tensor, sparsity: float) -> torch.Tensor:
    """True for the round(sparsity * n) of n weights that are least in magnitude.

    ValueError unless 0 < sparsity < 1, or if a weight is not finite.
    """
    if not 0 < sparsity < 1:
        raise ValueError(f"sparsity {sparsity:g} is not between 0 and 1: 0.85 makes 85 % of the weights zero")
    if not bool(torch.isfinite(weight).all()):
        raise ValueError("a weight is not finite")
    size = weight.abs().flatten()
    off = torch.topk(size, round(sparsity * size.numel()), largest=False, sorted=False).indices
    return torch.zeros_like(size, dtype=torch.bool).index_fill_(0, off, True).view(weight.shape)


def prune_tensors(tensors: dict[str, torch.Tensor], kind: SparseType, sparsity: float) -> dict[str, int]:
    """Prune a state dict in place and add masks: matrix -> how many of its weights are zero now. As magnitude_mask."""
    off = {}
    for name in [name for name in tensors if name.endswith(_WEIGHT) and covers(kind, name.removesuffix(_WEIGHT))]:
        mask = magnitude_mask(tensors[name], sparsity)
        tensors[name] = tensors[name].masked_fill(mask, 0.0)
        tensors[f"{name.removesuffix(_WEIGHT)}.{MASK}"] = mask
        off[name] = int(mask.sum().item())
    return off


def prune_folder(source: Path, output: Path, kind: SparseType, sparsity: float) -> dict[str, int]:
    """Write a pruned copy of a dense BERT's folder, tokenizer included: matrix -> how many of its weights are zero.

    UserError if the source is no BERT with safetensors, or if `output` holds something already.
    """
    if output.exists() and any(output.iterdir()):
        raise UserError(f"{output} is not empty: name a folder that is not there yet")
    try:
        raw = read_config(source)
        tensors = dict(_tensors(source))
    except OSError as error:
        raise UserError(f"the model cannot be read: {error}") from error
    said = raw.get("model_type", "bert")
    if said != "bert":
        raise UserError(f"only a dense BERT can be pruned to {kind}, but config.json says model_type {said}")
    try:
        off = prune_tensors(tensors, kind, sparsity)
    except ValueError as error:
        raise UserError(f"{source} cannot be pruned: {error}") from error
    if not off:
        raise UserError(f"{source} holds no weights that {kind} covers: is it a BERT saved by transformers?")
    _write(source, output, tensors, {**raw, "model_type": kind.value, "sparsity": sparsity})
    return off


def _tensors(source: Path) -> Iterator[tuple[str, torch.Tensor]]:
    files = sorted(source.glob("*.safetensors"))
    if not files:
        raise UserError(f"{source} holds no *.safetensors: open the model with transformers and save it again")
    for file in files:
        yield from load_file(file).items()


def _write(source: Path, output: Path, tensors: dict[str, torch.Tensor], config: dict[str, object]) -> None:
    output.mkdir(parents=True, exist_ok=True)
    try:
        tokenizer, _ = load_tokenizer(source)
        tokenizer.save_pretrained(output)
        # The config's own architectures would open the checkpoint without its masks.
        config.pop("architectures", None)
        (output / "config.json").write_text(json.dumps(config, indent=2) + "\n")
        weights = {name: one.contiguous() for name, one in tensors.items()}
        # Not save_file: it makes a file that only its owner can read.
        (output / "model.safetensors").write_bytes(save(weights, {"format": "pt"}))
    except BaseException:
        shutil.rmtree(output)
        raise
