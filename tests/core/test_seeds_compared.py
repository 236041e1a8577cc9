"""`compare --until-decided`: looks at fixed numbers of seeds, alpha shared out over them and over tasks."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench_seeds import t_test as fast_t_test
from finetune_core.results.comparison.significance import Kind
from finetune_core.results.schema import ResultsDocument
from finetune_core.seeds.comparing import by_holm, seeds_needed
from finetune_core.seeds.pairing import SeedRun, sequence_of
from finetune_core.seeds.schema import Decided, SeedsNeeded, TaskSeeds
from finetune_core.seeds.spending import boundaries, levels, looks
from finetune_report.significance import t_test
from support.documents import FAILED, MISSING, document_of

LOW = [0.60, 0.62, 0.61, 0.63, 0.60, 0.61, 0.62, 0.60, 0.63, 0.61]
HIGH = [0.70, 0.71, 0.73, 0.72, 0.71, 0.72, 0.70, 0.73, 0.71, 0.70]
NEAR = [0.61, 0.61, 0.62, 0.62, 0.61, 0.60, 0.63, 0.61, 0.62, 0.61]


def needed(before: ResultsDocument, after: ResultsDocument, most: int = 10) -> SeedsNeeded:
    return seeds_needed(before, after, t_test, most)


def only(before: ResultsDocument, after: ResultsDocument, most: int = 10) -> TaskSeeds:
    (task,) = needed(before, after, most).tasks
    return task


def test_boundaries_are_those_of_the_literature() -> None:
    # Lan and DeMets' function of Pocock's kind at five equal looks, Jennison and Turnbull 2000, section 7.2.
    found = boundaries((0.2, 0.4, 0.6, 0.8, 1.0), 0.05)
    assert found == pytest.approx((2.4380, 2.4268, 2.4101, 2.3966, 2.3859), abs=2e-3)


@pytest.mark.parametrize(
    ("most", "seen"), [(2, (2,)), (5, (5,)), (6, (5, 6)), (10, (5, 7, 10)), (20, (5, 7, 10, 15, 20))]
)
def test_looks_follow_from_the_most_seeds_alone(most: int, seen: tuple[int, ...]) -> None:
    assert looks(most) == seen


def test_a_single_look_may_spend_all() -> None:
    assert levels(4, 0.05) == pytest.approx((0.05,))


@settings(max_examples=10, deadline=None)
@given(st.integers(2, 30), st.integers(1, 9))
def test_each_look_spends_a_part(most: int, tasks: int) -> None:
    alpha = 0.05 / tasks
    found = levels(most, alpha)
    assert all(0 < level < alpha + 1e-9 for level in found)
    assert sum(found) >= 0.85 * alpha - 1e-6, "looks have values in common, so that more than all can be spent"


def test_one_seed_is_no_plan() -> None:
    with pytest.raises(ValueError, match="1 seeds have no spread: give 2 or more"):
        levels(1, 0.05)


def test_a_clear_difference_is_decided_at_the_first_look() -> None:
    task = only(document_of({"rte": LOW}), document_of({"rte": HIGH}))
    assert (task.verdict, task.test, task.looked_at) == (Decided.BETTER, Kind.PAIRED, 5)
    assert (task.next_look, task.before_more, task.after_more) == (None, 0, 0)
    assert task.difference == pytest.approx(0.102), "over the seeds of the look alone"


def test_worse_and_less_is_better() -> None:
    assert only(document_of({"rte": HIGH}), document_of({"rte": LOW})).verdict == Decided.WORSE
    assert only(document_of({"price": HIGH}), document_of({"price": LOW})).verdict == Decided.BETTER


def test_fewer_seeds_than_a_look_has_are_added_on_either_side() -> None:
    task = only(document_of({"rte": LOW[:3]}), document_of({"rte": HIGH[:4]}))
    assert (task.verdict, task.seeds, task.looked_at, task.next_look) == (Decided.UNDECIDED, 3, None, 5)
    assert (task.before_more, task.after_more) == (2, 1)


def test_no_difference_until_the_last_look_is_none_found() -> None:
    task = only(document_of({"rte": LOW[:7]}), document_of({"rte": NEAR[:7]}))
    assert (task.verdict, task.looked_at, task.next_look, task.after_more) == (Decided.UNDECIDED, 7, 10, 3)
    ended = only(document_of({"rte": LOW}), document_of({"rte": NEAR}))
    assert (ended.verdict, ended.looked_at, ended.after_more) == (Decided.NO_DIFFERENCE, 10, 0)


def test_other_seeds_are_compared_by_welch() -> None:
    task = only(document_of({"rte": LOW}), document_of({"rte": HIGH[:6]}, seed=7))
    assert (task.verdict, task.test, task.seeds) == (Decided.BETTER, Kind.WELCH, 6)


def test_a_failed_run_costs_its_pair_and_one_more_is_planned() -> None:
    task = only(document_of({"rte": [FAILED, *LOW[1:5]]}), document_of({"rte": HIGH[:5]}))
    assert (task.seeds, task.before_more, task.after_more) == (4, 1, 1)


def test_what_has_not_ended_is_waited_for_and_nothing_behind_it_is_looked_at() -> None:
    task = only(document_of({"rte": [LOW[0], MISSING, *LOW[2:6]]}), document_of({"rte": HIGH[:6]}))
    assert (task.verdict, task.seeds, task.before_more, task.after_more) == (Decided.UNDECIDED, 1, 0, 0)


def test_values_without_any_spread_decide_nothing() -> None:
    task = only(document_of({"rte": [0.5] * 5}), document_of({"rte": [0.6] * 5}), most=5)
    assert (task.verdict, task.p) == (Decided.NO_DIFFERENCE, None)


def test_a_decided_task_hands_its_alpha_on() -> None:
    # p of the second is about 0.04: too much for half of alpha at one look, and little enough for all of it.
    close = [value + step for value, step in zip(LOW[:5], (0.01, 0.02, 0.001, 0.03, 0.01), strict=True)]
    alone = needed(document_of({"cola": LOW[:5], "rte": LOW[:5]}), document_of({"cola": LOW[:5], "rte": close}), 5)
    both = needed(document_of({"cola": LOW[:5], "rte": LOW[:5]}), document_of({"cola": HIGH[:5], "rte": close}), 5)
    assert 0.025 < (alone.tasks[1].p or 0) < 0.05
    assert [task.verdict for task in alone.tasks] == [Decided.NO_DIFFERENCE, Decided.NO_DIFFERENCE]
    assert [task.verdict for task in both.tasks] == [Decided.BETTER, Decided.BETTER]


def test_another_metric_is_not_compared() -> None:
    before, after = document_of({"rte": LOW}), document_of({"rte": HIGH})
    (row,) = after.tasks
    after = after.model_copy(update={"tasks": (row.model_copy(update={"metric": "loss"}),)})
    task = only(before, after)
    assert (task.verdict, task.metric) == (Decided.NOT_COMPARED, "accuracy/loss")
    assert "another metric decides" in (task.reason or "")


VALUES = st.lists(st.none() | st.just(FAILED) | st.just(MISSING) | st.floats(0, 1), min_size=1, max_size=12)


@settings(max_examples=40, deadline=None)
@given(VALUES, VALUES, st.lists(st.floats(0, 1), min_size=1, max_size=4), st.sampled_from([1, 2]))
def test_what_is_decided_stays_so_whatever_is_added(
    first: list[float | str | None], second: list[float | str | None], more: list[float], seed: int
) -> None:
    now = only(document_of({"rte": first}), document_of({"rte": second}, seed=seed))
    later = only(document_of({"rte": first + more}), document_of({"rte": second + more}, seed=seed))
    if now.test == later.test and now.verdict in {Decided.BETTER, Decided.WORSE}:
        assert (later.verdict, later.looked_at) == (now.verdict, now.looked_at)
    if now.verdict == Decided.UNDECIDED:
        assert min(now.before_more, now.after_more) >= 0
        assert (now.next_look or 0) > (now.looked_at or 0)


def test_equal_experiments_are_seldom_called_different_and_others_are_told_apart() -> None:
    """A small version of bench/bench_seeds.py: the bounds allow for the error of so many experiments."""
    rng = random.Random(11)

    def found(shift: float) -> bool:
        sides = [[rng.gauss(mean, 1) for _ in range(20)] for mean in (0, shift)]
        first, second = ([SeedRun(seed, ended=True, value=v) for seed, v in enumerate(side)] for side in sides)
        return by_holm({"rte": sequence_of(first, second)}, fast_t_test, 20)["rte"].decides

    assert sum(found(0) for _ in range(300)) <= 25, "5 % of 300, and 2.7 standard deviations"
    assert sum(found(2) for _ in range(50)) >= 45
