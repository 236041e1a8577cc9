import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finetune_core.deciding.outcome import Outcome
from finetune_core.results.best_run import best_run, rank

values = st.one_of(
    st.none(),
    # Few distinct values, so that ties happen.
    st.sampled_from([0.0, -0.0, 0.5, 0.8, 1.0, math.nan, math.inf, -math.inf]),
    st.floats(),
)


def outcome(run: int, value: float | None, *, greater_is_better: bool = True) -> Outcome:
    return Outcome(
        run_id=f"{run:016x}",
        task="cola",
        run=run,
        seed=run,
        attempt="a",
        metric="matthews_correlation" if greater_is_better else "loss",
        greater_is_better=greater_is_better,
        value=value,
        step=10,
    )


def test_greatest_value_wins() -> None:
    best = best_run([outcome(0, 0.7), outcome(1, 0.9), outcome(2, 0.8)])
    assert best is not None
    assert best.run == 1


def test_least_value_wins_where_less_is_better() -> None:
    best = best_run([outcome(run, value, greater_is_better=False) for run, value in enumerate([0.7, 0.2, 0.8])])
    assert best is not None
    assert best.run == 1


@pytest.mark.parametrize("greater_is_better", [True, False])
def test_tie_goes_to_the_lower_run_index_in_any_order(greater_is_better: bool) -> None:
    tied = [outcome(run, 0.5, greater_is_better=greater_is_better) for run in (3, 1, 2)]
    for order in (tied, tied[::-1], sorted(tied, key=lambda one: one.run)):
        best = best_run(order)
        assert best is not None
        assert best.run == 1


@pytest.mark.parametrize("value", [None, math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("greater_is_better", [True, False])
def test_what_is_not_finite_never_wins(value: float | None, greater_is_better: bool) -> None:
    assert rank(outcome(0, value, greater_is_better=greater_is_better)) is None
    assert best_run([outcome(0, value, greater_is_better=greater_is_better)]) is None
    best = best_run([outcome(0, value, greater_is_better=greater_is_better), outcome(1, 0.0)])
    assert best is not None
    assert best.run == 1


def test_no_results_no_best() -> None:
    assert best_run([]) is None


@given(st.lists(values, max_size=12), st.booleans(), st.randoms(use_true_random=False))
def test_best_is_finite_unbeaten_first_and_independent_of_order(values, greater_is_better, random) -> None:
    outcomes = [outcome(run, value, greater_is_better=greater_is_better) for run, value in enumerate(values)]
    best = best_run(outcomes)
    finite = [one for one in outcomes if one.value is not None and math.isfinite(one.value)]
    shuffled = random.sample(outcomes, len(outcomes))
    assert best_run(shuffled) == best
    if not finite:
        assert best is None
        return
    assert best is not None
    extreme = (max if greater_is_better else min)(one.value for one in finite)
    assert best.value == extreme
    assert best.run == min(one.run for one in finite if one.value == extreme)
