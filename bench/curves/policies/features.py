"""Hyperparameters as numbers: what a model of configurations measures distances in."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.float64]

_SCALES: Final[dict[str, tuple[float, float]]] = {
    "learningRate": (math.log(1e-6), math.log(1e-1)),
    "trainBatchSize": (math.log(8), math.log(64)),
    "numTrainEpochs": (math.log(1), math.log(8)),
    "warmupRatio": (0.0, 0.2),
    "weightDecay": (0.0, 0.1),
}
_LOGARITHMIC: Final = {"learningRate", "trainBatchSize", "numTrainEpochs"}
_LENGTHS: Final = (0.12, 1.0, 1.0, 3.0, 3.0)
"""How far apart two values, as shares of their range, say little of each other: the learning rate decides most."""


def features(configs: Sequence[Mapping[str, Any]]) -> Matrix:
    """A row a configuration; distances of 1 are far."""
    return np.array([[_one(name, config[name]) for name in _SCALES] for config in configs]) / np.array(_LENGTHS)


def similarity(one: Matrix, other: Matrix) -> Matrix:
    """Matérn 5/2 (https://gaussianprocess.org/gpml, eq. 4.17) between rows of features: 1 for the same, to 0."""
    squares = ((one[:, None, :] - other[None, :, :]) ** 2).sum(axis=-1)
    scaled = np.sqrt(5 * squares)
    return (1 + scaled + scaled**2 / 3) * np.exp(-scaled)


def _one(name: str, number: float) -> float:
    low, high = _SCALES[name]
    return ((math.log(number) if name in _LOGARITHMIC else number) - low) / (high - low)
