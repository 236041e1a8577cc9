"""Warm start: what finished searches of the same task say of configurations decides which ones begin.

The chance that a trial is taken by the prior and not by its turn is a half, as PriorBand's (https://arxiv.org/abs/2306.12370)
random configurations keep a wrong prior from harm: half of the trials that begin are drawn as without it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from curves.policies.features import Matrix, features, similarity
from curves.recorded import Curve


@dataclass(frozen=True)
class Known:
    """A trial of a finished search: its configuration, and its value there."""

    config: Mapping[str, Any]
    value: float


def known(curves: Sequence[Curve]) -> list[Known]:
    """What a full search over these curves leaves behind."""
    return [Known(curve.config, curve.best_values[-1]) for curve in curves]


def misleading(prior: Sequence[Known]) -> list[Known]:
    """The same configurations with the values turned round: what was best is worst."""
    low, high = min(one.value for one in prior), max(one.value for one in prior)
    return [Known(one.config, low + high - one.value) for one in prior]


def expected(configs: Sequence[Mapping[str, Any]], prior: Sequence[Known]) -> Matrix:
    """The value of each configuration by its likeness to known ones: a kernel's weighted mean (Nadaraya 1964)."""
    weights = similarity(features(configs), features([one.config for one in prior])) + 1e-9
    found: Matrix = weights @ np.array([one.value for one in prior]) / weights.sum(axis=1)
    return found


def begun(curves: Sequence[Curve], prior: Sequence[Known], count: int) -> tuple[Curve, ...]:
    """`count` of the trials: the one that the prior expects most of, the next one in turn, and so on."""
    hopes = expected([curve.config for curve in curves], prior)
    by_hope, by_turn = sorted(range(len(curves)), key=lambda place: -hopes[place]), list(range(len(curves)))
    chosen: list[int] = []
    while len(chosen) < min(count, len(curves)):
        order = by_turn if len(chosen) % 2 else by_hope
        chosen.append(next(place for place in order if place not in chosen))
    return tuple(curves[place] for place in chosen)
