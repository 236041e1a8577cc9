"""Configurations of Random and Grid: in bounds, the same for everybody, and a grid once through."""

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finetune_core.api import Algorithm, Distribution, Space
from finetune_core.planning.search.space import configuration, grid_size


def space(**kinds: dict[str, Any]) -> Space:
    return {name: Distribution.model_validate(kind) for name, kind in kinds.items()}


WIDE = space(
    learningRate={"logUniform": [1e-6, 1e-1]},
    weightDecay={"uniform": [0.0, 0.5]},
    maxSteps={"int": [10, 20]},
    warmupSteps={"logInt": [1, 1000]},
    trainBatchSize={"choice": [16, 32]},
)


@given(seed=st.integers(0, 2**31 - 1), index=st.integers(0, 9_999))
def test_values_are_in_bounds_and_of_their_kind(seed: int, index: int) -> None:
    config = configuration(WIDE, algorithm=Algorithm.RANDOM, seed=seed, task="rte", index=index)

    assert list(config) == list(WIDE)
    assert 1e-6 <= config["learningRate"] <= 1e-1
    assert 0.0 <= config["weightDecay"] <= 0.5
    assert config["maxSteps"] in range(10, 21)
    assert config["warmupSteps"] in range(1, 1001)
    assert config["trainBatchSize"] in (16, 32)


@given(seed=st.integers(0, 2**31 - 1), index=st.integers(0, 9_999))
def test_a_hyperparameter_does_not_depend_on_what_else_is_searched(seed: int, index: int) -> None:
    alone = {"learningRate": WIDE["learningRate"]}

    one = configuration(alone, algorithm=Algorithm.RANDOM, seed=seed, task="rte", index=index)
    all_ = configuration(WIDE, algorithm=Algorithm.RANDOM, seed=seed, task="rte", index=index)

    assert one["learningRate"] == all_["learningRate"]


def test_trials_tasks_and_seeds_differ() -> None:
    drawn = {
        configuration(WIDE, algorithm=Algorithm.RANDOM, seed=seed, task=task, index=index)["learningRate"]
        for seed, task, index in itertools.product((1, 2), ("rte", "mrpc"), range(10))
    }
    assert len(drawn) == 40


def test_every_magnitude_is_as_likely_in_a_logarithmic_distribution() -> None:
    rates = [
        configuration(WIDE, algorithm=Algorithm.RANDOM, seed=7, task="rte", index=index)["learningRate"]
        for index in range(1000)
    ]
    below = sum(rate < 3.162e-4 for rate in rates)  # half of the five decades
    assert 430 < below < 570


@given(st.lists(st.integers(1, 4), min_size=1, max_size=3))
def test_a_grid_is_gone_through_once(sizes: list[int]) -> None:
    names = ("learningRate", "warmupRatio", "weightDecay")
    grid = space(**{name: {"grid": [k / 10 for k in range(size)]} for name, size in zip(names, sizes, strict=False)})
    count = grid_size(grid)

    points = [
        tuple(configuration(grid, algorithm=Algorithm.GRID, seed=1, task="rte", index=index).values())
        for index in range(count)
    ]

    assert points == list(itertools.product(*([k / 10 for k in range(size)] for size in sizes)))


@pytest.mark.parametrize("algorithm", [Algorithm.RANDOM, Algorithm.GRID])
def test_the_order_of_the_space_does_not_matter(algorithm: Algorithm) -> None:
    """Canonical JSON, as plans are written, sorts names."""
    made = WIDE | space(warmupRatio={"grid": [0, 0.1, 0.2]}, adamBeta1={"grid": [0.8, 0.9]})
    turned = dict(reversed(made.items()))
    for index in range(6):
        one, other = (
            configuration(each, algorithm=algorithm, seed=1, task="rte", index=index) for each in (made, turned)
        )
        assert one == other


def test_tpe_has_no_configuration_of_an_index() -> None:
    with pytest.raises(ValueError, match="no function of the index"):
        configuration(WIDE, algorithm=Algorithm.TPE, seed=1, task="rte", index=0)
