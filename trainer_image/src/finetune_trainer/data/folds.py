"""Which rows of a training file a fold trains on, and which it is scored on: by scikit-learn's splitters.

They see the row count, labels and groups of the file and the plan's seed, and nothing else: the same for every run.
"""

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.model_selection import GroupKFold, KFold, StratifiedGroupKFold, StratifiedKFold

from finetune_core.tasks.registry import Folds
from finetune_trainer.data.labels import shown
from finetune_trainer.errors import UserError

Places = npt.NDArray[np.int64]
"""Indexes of rows, ascending."""


def fold_rows(
    folds: Folds, fold: int, labels: npt.NDArray[np.float32], groups: Sequence[str] | None, *, stratified: bool
) -> tuple[Places, Places]:
    """The rows that a fold trains on, and those of its dev set. UserError where there are too few rows or groups."""
    kind: Any = {
        (True, False): StratifiedKFold,
        (True, True): StratifiedGroupKFold,
        (False, False): KFold,
        (False, True): GroupKFold,
    }[stratified, groups is not None]
    splitter = kind(folds.count, shuffle=True, random_state=folds.seed)
    try:
        with warnings.catch_warnings():
            # A class with fewer rows than there are folds: `rare_labels` says which.
            warnings.filterwarnings("ignore", "The least populated class", UserWarning)
            parts = list(splitter.split(np.zeros(len(labels)), labels if stratified else None, groups))
    except ValueError as error:
        raise UserError(f"the training file cannot be cut into {folds.count} folds ({error}): lower folds") from error
    if not all(len(rows) for part in parts for rows in part):
        raise UserError(f"of {folds.count} folds some have no rows, for there are too few groups: lower folds")
    train, dev = parts[fold]
    return np.asarray(train, np.int64), np.asarray(dev, np.int64)


def rare_labels(folds: Folds, labels: npt.NDArray[np.float32], names: Sequence[str]) -> list[str]:
    """Labels that cannot be in every fold."""
    counts = np.bincount(labels.astype(np.int64), minlength=len(names))
    return [name for name, count in zip(names, counts, strict=True) if 0 < count < folds.count]


def group_names(values: Sequence[object], places: Sequence[int], where: str) -> list[str]:
    """Groups as texts; UserError for a row without one."""
    for value, place in zip(values, places, strict=True):
        if not isinstance(value, str | int | float) or value != value or not str(value).strip():  # noqa: PLR0124  NaN
            raise UserError(f"{where} {place}: the group is {shown(value)}: give each row one, a text or a number")
    return [str(value).strip() for value in values]
