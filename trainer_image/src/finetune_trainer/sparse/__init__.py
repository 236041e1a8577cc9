"""Sparse BERTs: their architectures, and what keeps their zeros zero while they are trained.

coverage (finetune_core.tasks.sparse) -> masks -> architectures (registered on import) -> loading -> guard, prune
"""

from finetune_trainer.sparse.guard import SparsityGuard
from finetune_trainer.sparse.loading import require_sparse, sparse_config

__all__ = ["SparsityGuard", "require_sparse", "sparse_config"]
