"""Freeze-thaw Bayesian optimisation (Swersky, Snoek and Adams 2014, https://arxiv.org/abs/1406.3896).

A Gaussian process over configurations says where curves end; around its end each curve is a process of its own, with
the paper's exponential decay kernel (alpha 1). The trial with the highest expected improvement of its end
goes on. The paper's hyperparameters are sampled; here they are fixed, and curves are scaled to their spread.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from curves.policies.features import Matrix, features, similarity
from curves.search import Policy, Score, Search

_BETA = 0.3
_CURVE = 2.0
_ENDS = 1.0
_NOISE = 0.05
_MOST_POINTS = 5
"""Of each curve: the last one and others evenly before it, so that a decision takes a millisecond."""


@dataclass(frozen=True)
class FreezeThaw:
    """`first` is the share that each trial gets before any is compared, `budget` the share of all trials' steps.

    `score` is what is modelled of a trial's evaluations. `stride` is how many evaluations a trial goes on at once.
    """

    first: float
    budget: float
    score: Score
    stride: int = 2


def freeze_thaw(settings: FreezeThaw) -> Policy:
    """What it holds best goes on to its end with the last of the budget, which a stride may exceed."""

    def policy(search: Search) -> int | None:
        if (trial := _begun(search, settings)) is not None:
            return trial
        open_ = [trial for trial in search.trials if not search.ended(trial)]
        if not open_:
            return None
        means, deviations = predicted_ends(search, settings.score)
        best = int(np.argmax(means))
        left = settings.budget * search.all_steps - search.steps
        if left <= _rest(search, best):
            return None if search.ended(best) else best
        gains = improvement(means, deviations, float(means[best]))
        return max(open_, key=lambda trial: (gains[trial], -trial))

    return policy


def _begun(search: Search, settings: FreezeThaw) -> int | None:
    """A trial that has not had its first share, or is within a stride."""
    for trial in search.trials:
        seen, first = search.seen[trial], search.count_at(trial, settings.first)
        if seen < first or (not search.ended(trial) and (seen - first) % settings.stride):
            return trial
    return None


def _rest(search: Search, trial: int) -> int:
    rows, seen = search.curves[trial].rows, search.seen[trial]
    return rows[-1][0] - rows[seen - 1][0]


def predicted_ends(search: Search, score: Score) -> tuple[Matrix, Matrix]:
    """Mean and standard deviation of every trial's score at its end, in units of the spread of what is seen."""
    owners, times, values = _observed(search, score)
    latest = np.array([score(search, trial) for trial in search.trials])
    spread = float(np.std(latest)) or 1.0
    scaled = (values - latest.mean()) / spread
    alike = _alike(tuple(_frozen(search.config(trial)) for trial in search.trials))
    covariance = _ENDS * alike[np.ix_(owners, owners)]
    covariance += (owners[:, None] == owners) * _decay(times[:, None], times[None, :])
    covariance += _NOISE * np.eye(len(owners))
    trials = np.arange(len(search.curves))
    cross = _ENDS * alike[np.ix_(trials, owners)]
    cross += (trials[:, None] == owners) * _decay(np.ones((len(trials), 1)), times[None, :])
    solved = np.linalg.solve(covariance, np.column_stack([scaled, cross.T]))
    means = cross @ solved[:, 0]
    prior = _ENDS + float(_decay(np.ones(1), np.ones(1))[0])
    variances = prior - np.einsum("ij,ji->i", cross, solved[:, 1:])
    return means, np.sqrt(np.maximum(variances, 1e-9))


def improvement(means: Matrix, deviations: Matrix, best: float) -> Matrix:
    """Expected improvement over `best` (Jones et al. 1998, equation 15)."""
    z = (means - best) / deviations
    density = np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)
    below = np.array([0.5 * (1 + math.erf(one / math.sqrt(2))) for one in z])
    return (means - best) * below + deviations * density


def _decay(one: Matrix, other: Matrix) -> Matrix:
    return _CURVE * _BETA / (one + other + _BETA)


def _observed(search: Search, score: Score) -> tuple[Matrix, Matrix, Matrix]:
    """Of each point: its trial, its progress, its score."""
    points = []
    then = Search(search.curves, list(search.seen))
    for trial in search.trials:
        for seen in _chosen(search.seen[trial]):
            then.seen[trial] = seen
            points.append((trial, then.progress(trial), score(then, trial)))
        then.seen[trial] = search.seen[trial]
    owners, times, values = zip(*points, strict=True)
    return np.array(owners), np.array(times), np.array(values)


def _chosen(seen: int) -> Sequence[int]:
    return sorted({seen - round(seen * place / _MOST_POINTS) for place in range(_MOST_POINTS)} - {0})


def _frozen(config: dict[str, float]) -> tuple[tuple[str, float], ...]:
    return tuple(config.items())


@lru_cache(maxsize=256)
def _alike(configs: tuple[tuple[tuple[str, float], ...], ...]) -> Matrix:
    found = features([dict(config) for config in configs])
    return similarity(found, found)
