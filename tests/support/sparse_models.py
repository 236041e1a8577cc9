"""Small sparse BERTs and data to train them on."""

from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from finetune_core.tasks.registry import GLUE_TASKS
from finetune_core.tasks.sparse import SparseType
from finetune_trainer.data.tokens import Tokens
from finetune_trainer.model.loading import load_model
from finetune_trainer.sparse.pruning import prune_folder

WEIGHTS = "model.safetensors"


def pruned(dense: Path, folder: Path, kind: SparseType, sparsity: float = 0.75) -> Path:
    """A pruned copy of a dense model, made once a folder."""
    if not folder.exists():
        prune_folder(dense, folder, kind, sparsity)
    return folder


def classifier(folder: Path, kind: SparseType | None = None) -> torch.nn.Module:
    """As a run loads it: with a head for RTE."""
    model, _ = load_model(folder, GLUE_TASKS["rte"], kind)
    return model


def rewrite(folder: Path, change) -> None:
    """Change the state dict of a model folder: `change` takes and returns one."""
    save_file(change(load_file(folder / WEIGHTS)), folder / WEIGHTS, {"format": "pt"})


def random_tokens(rows: int, seed: int = 0) -> Tokens:
    """Sentences of 8 random tokens with random labels of two classes."""
    random = np.random.default_rng(seed)
    return Tokens(
        ids=random.integers(5, 100, rows * 8).astype(np.int32),
        types=np.zeros(rows * 8, np.int8),
        ends=np.arange(8, rows * 8 + 1, 8).astype(np.int64),
        labels=random.integers(0, 2, rows).astype(np.float32),
    )
