"""Configurations of Random and Grid searches: pure functions of the search's seed, the task and the trial's index."""

import hashlib
import math
import random
from typing import Any

from finetune_core.api.search import Algorithm, Distribution, Space
from finetune_core.planning.settings import Config

_DIGITS = 6
"""Significant digits of drawn floats: more say nothing, and are hard to read."""


def configuration(space: Space, *, algorithm: Algorithm, seed: int, task: str, index: int) -> Config:
    """The configuration of trial `index`. ValueError for TPE, whose configurations depend on results.

    Random draws every hyperparameter by itself, so that adding one does not change the others. Grid takes the grids'
    points in order, the last one by name varying fastest and the whole beginning again after its end, and draws the
    rest. The space's own order does not matter: a plan written as canonical JSON does not keep it.
    """
    if algorithm == Algorithm.TPE:
        raise ValueError("TPE's configurations are no function of the index")
    place = index % grid_size(space)
    config: Config = {}
    for name in sorted(space, reverse=True):
        one = space[name]
        if one.grid is not None and algorithm == Algorithm.GRID:
            place, digit = divmod(place, len(one.grid))
            config[name] = one.grid[digit]
        else:
            config[name] = _draw(one, _generator(seed, task, index, name))
    return {name: config[name] for name in space}


def grid_size(space: Space) -> int:
    """How many points the grids of a space have together; 1 without any."""
    return math.prod(len(one.grid) for one in space.values() if one.grid is not None)


def _generator(seed: int, task: str, index: int, name: str) -> random.Random:
    text = f"configuration\0{seed}\0{task}\0{index}\0{name}".encode()
    return random.Random(int.from_bytes(hashlib.sha256(text).digest()[:8], "big"))


def _draw(one: Distribution, generator: random.Random) -> Any:
    if one.uniform is not None:
        return _rounded(generator.uniform(*one.uniform), *one.uniform)
    if one.log_uniform is not None:
        low, high = one.log_uniform
        return _rounded(math.exp(generator.uniform(math.log(low), math.log(high))), low, high)
    if one.int_ is not None:
        return generator.randint(*one.int_)
    if one.log_int is not None:
        low, high = one.log_int
        drawn = math.floor(math.exp(generator.uniform(math.log(low), math.log(high + 1))))
        return min(max(drawn, low), high)
    return generator.choice(one.choice or one.grid or (None,))


def _rounded(value: float, low: float, high: float) -> float:
    return min(max(float(f"{value:.{_DIGITS}g}"), low), high)
