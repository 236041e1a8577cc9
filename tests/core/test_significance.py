from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finetune_core.results.comparison.significance import Estimate, Kind, Samples, Seeded, holm, samples

P_VALUES = st.dictionaries(st.text(max_size=3), st.floats(0, 1), max_size=8)


def runs(values: dict[int, float | None]) -> list[Seeded]:
    return [Seeded(seed, value) for seed, value in values.items()]


def never(before: object, after: object, kind: object) -> Estimate:
    raise AssertionError("the test is not asked")


def test_the_same_seeds_are_paired_by_seed_whatever_their_order() -> None:
    made = samples(runs({3: 0.3, 1: 0.1, 2: 0.2}), runs({2: 0.5, 3: 0.6, 1: 0.4}))
    assert made == Samples(Kind.PAIRED, (0.1, 0.2, 0.3), (0.4, 0.5, 0.6))


def test_a_seed_without_a_value_on_one_side_is_no_pair() -> None:
    made = samples(runs({1: 0.1, 2: None, 3: 0.3}), runs({1: 0.4, 2: 0.5, 3: 0.6}))
    assert made == Samples(Kind.PAIRED, (0.1, 0.3), (0.4, 0.6))


def test_runs_that_were_added_to_one_side_do_not_undo_the_pairs() -> None:
    assert samples(runs({1: 0.1, 2: 0.2}), runs({1: 0.4, 2: 0.5, 3: 0.6})).before == (0.1, 0.2)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({1: 0.1, 2: 0.2}, {3: 0.3, 4: 0.4}),
        ({1: 0.1, 2: 0.2}, {2: 0.3, 4: 0.4}),
    ],
)
def test_other_seeds_are_tested_as_two_samples(before: dict[int, float], after: dict[int, float]) -> None:
    assert samples(runs(before), runs(after)) == Samples(Kind.WELCH, (0.1, 0.2), (0.3, 0.4))


def test_a_seed_twice_in_one_experiment_has_no_partner_of_its_own() -> None:
    twice = [Seeded(1, 0.1), Seeded(1, 0.2)]
    assert samples(twice, runs({1: 0.3, 2: 0.4})).kind == Kind.WELCH


def test_which_test_it_is_never_depends_on_the_values() -> None:
    other = runs({1: 0.4, 2: 0.5, 3: 0.6})
    for lost in permutations((None, 0.1, 0.2)):
        assert samples(runs(dict(enumerate(lost, start=1))), other).kind == Kind.PAIRED


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("values", [(), (0.5,)])
def test_fewer_than_two_values_are_not_enough(kind: Kind, values: tuple[float, ...]) -> None:
    made = Samples(kind, values, values)
    assert not made.enough
    assert made.estimate(never) is None


@pytest.mark.parametrize("kind", Kind)
def test_equal_values_without_spread_are_no_difference(kind: Kind) -> None:
    made = Samples(kind, (0.5271, 0.5271), (0.5271, 0.5271)).estimate(never)
    assert made is not None
    assert (made.p, made.low, made.high) == (1.0, 0.0, 0.0)


def test_a_shift_without_spread_is_more_than_a_t_test_can_judge() -> None:
    assert Samples(Kind.WELCH, (0.5, 0.5), (0.7, 0.7)).estimate(never) is None
    # 0.1 more each, but for rounding.
    assert Samples(Kind.PAIRED, (0.5, 0.6, 0.7), (0.6, 0.7, 0.8)).estimate(never) is None


def test_what_overflows_is_not_judged() -> None:
    nothing = Estimate(t=0.0, df=1.0, p=float("nan"), low=0.0, high=0.0)
    assert Samples(Kind.WELCH, (1e308, 0.0), (1.0, 2.0)).estimate(lambda *_: nothing) is None


def test_holm_on_numbers_done_by_hand() -> None:
    # 4 x 0.005, 3 x 0.01, then 2 x 0.03 = 0.06 for both: an adjusted p is never below one before it.
    made = holm({"a": 0.01, "b": 0.04, "c": 0.03, "d": 0.005})
    assert made == pytest.approx({"d": 0.02, "a": 0.03, "c": 0.06, "b": 0.06})


def test_holm_never_gives_more_than_one() -> None:
    assert holm({"a": 0.6, "b": 0.9}) == {"a": 1.0, "b": 1.0}


@given(P_VALUES)
def test_holm_keeps_the_order_and_is_between_p_and_bonferronis(values: dict[str, float]) -> None:
    made = holm(values)
    assert made.keys() == values.keys()
    assert all(p <= made[name] <= min(1.0, len(values) * p) for name, p in values.items())
    ordered = sorted(values, key=lambda name: values[name])
    assert [made[name] for name in ordered] == sorted(made.values())


@given(P_VALUES)
def test_holm_does_not_depend_on_the_order(values: dict[str, float]) -> None:
    assert holm(dict(reversed(values.items()))) == holm(values)
