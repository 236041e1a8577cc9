"""What stops a trial early. The numbers are worked out by hand from the rules in docs/search.md."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finetune_core.api.search import Asha, TrialScheduler
from finetune_core.deciding.early_stopping import lags, score
from finetune_core.results.search.trial import TrialReport

ASHA, MEDIAN = TrialScheduler.ASHA, TrialScheduler.MEDIAN_STOPPING


def reports(*evaluations):
    """(progress, value) or (progress, value, loss)."""
    return [
        TrialReport(
            step=round(100 * progress),
            progress=progress,
            seconds=1.0,
            metrics={"score": value, **({"loss": loss[0]} if loss else {})},
        )
        for progress, value, *loss in evaluations
    ]


def judged(scheduler, history, *others, more=True, **asha):
    return lags(scheduler, Asha(**asha), history, others, metric="score", greater_is_better=more)


THREE = [reports((0.25, value), (1.0, value)) for value in (0.6, 0.7, 0.8)]


def test_asha_stops_a_trial_that_is_worse_than_those_of_other_drivers():
    others = [reports((0.25, 0.8), (1.0, 0.8))] * 3
    assert judged(ASHA, reports((0.25, 0.5)), *others)
    assert not judged(ASHA, reports((0.25, 0.9)), *others)


@pytest.mark.parametrize(
    ("factor", "value", "stops"),
    [
        # Of 0.6, 0.7, 0.8 the best third begins at two thirds of the way from the second to the third: 0.7 + 0.1 / 3.
        pytest.param(3, 0.733, True, id="below the best third"),
        pytest.param(3, 0.734, False, id="in the best third"),
        pytest.param(2, 0.699, True, id="below the best half"),
        pytest.param(2, 0.700, False, id="at the bound"),
    ],
)
def test_asha_lets_about_one_of_reduction_factor_trials_go_on(factor, value, stops):
    assert judged(ASHA, reports((0.25, value)), *THREE, reductionFactor=factor) is stops


def test_asha_lets_the_first_trial_at_a_rung_go_on():
    assert not judged(ASHA, reports((0.25, 0.1)))
    assert not judged(ASHA, reports((0.25, 0.1)), reports((0.2, 0.9)))


def test_asha_stops_nothing_before_every_trial_had_its_share_of_steps():
    for value in (0.9, 0.1):
        assert not judged(ASHA, reports((0.49, value)), *THREE, gracePeriod=0.5)


def test_asha_judges_a_trial_once_a_rung_by_its_first_evaluation_there():
    # Rungs at 0.25 and 0.75.
    assert judged(ASHA, reports((0.25, 0.1)), *THREE)
    assert not judged(ASHA, reports((0.25, 0.9), (0.5, 0.1)), *THREE)
    late = [reports((0.3, 0.2), (0.7, 0.9)), reports((0.3, 0.2), (0.8, 0.9))]
    assert not judged(ASHA, reports((0.25, 0.3)), *late), "what they had at their first evaluation counts"
    assert judged(ASHA, reports((0.25, 0.9), (0.75, 0.8)), *late), "at the second rung there is one, with 0.9"


def test_asha_compares_no_trial_with_the_end_of_one_that_was_evaluated_only_there():
    assert not judged(ASHA, reports((0.25, 0.1)), reports((1.0, 0.9)))


@pytest.mark.parametrize("grace", [0.1, 0.3, 0.07])
def test_a_rung_is_reached_by_the_step_at_its_share(grace):
    at = round(300 * grace) / 100
    assert judged(ASHA, reports((grace, 0.5), (at, 0.1)), reports((at, 0.9)), gracePeriod=grace)


@pytest.mark.parametrize("more", [True, False])
def test_of_trials_that_are_equal_asha_stops_the_one_with_the_higher_loss(more):
    first, worse, broken, better = (reports((0.25, 0.53, loss)) for loss in (0.69, 0.70, None, 0.60))
    assert not judged(ASHA, first, more=more)
    assert judged(ASHA, worse, first, more=more)
    assert judged(ASHA, broken, first, worse, more=more)
    assert not judged(ASHA, better, first, worse, broken, more=more)
    # One example more or less of a million is more than any loss.
    another = reports((0.25, 0.53 + (1e-6 if more else -1e-6), 9.0))
    assert not judged(ASHA, another, first, worse, broken, better, more=more)


@pytest.mark.parametrize("scheduler", [ASHA, MEDIAN])
def test_a_trial_at_its_last_step_ends_in_order(scheduler):
    assert not judged(scheduler, reports((1.0, 0.1)), *[reports((1.0, 0.9))] * 4)


def test_fifo_stops_nothing():
    assert not judged(TrialScheduler.FIFO, reports((0.5, 0.0)), *[reports((0.5, 0.9))] * 9)


def test_median_stopping_stops_what_is_below_the_median():
    others = []
    for value, stops in ((0.8, False), (0.8, False), (0.8, False), (0.2, True)):
        history = reports((0.5, value))
        assert judged(MEDIAN, history, *others) is stops
        others.append(history)


@pytest.mark.parametrize(
    ("history", "stops"),
    [
        # Means from a quarter on to a half: 0.6, 0.7 and 0.9; their median is 0.7.
        pytest.param([(0.25, 0.1), (0.5, 0.69)], True, id="best below"),
        pytest.param([(0.25, 0.71), (0.5, 0.1)], False, id="best above"),
        pytest.param([(0.2, 0.1)], False, id="before its share of steps"),
    ],
)
def test_a_trials_best_is_compared_with_the_means_of_others_up_to_there(history, stops):
    others = [
        reports((0.1, 0.0), (0.25, 0.5), (0.5, 0.7), (1.0, 1.0)),
        reports((0.25, 0.7), (0.5, 0.7)),
        reports((0.25, 0.9), (0.5, 0.9), (0.75, 0.0)),
        reports((0.25, 0.99)),  # it has not come so far
    ]
    assert judged(MEDIAN, reports(*history), *others) is stops
    assert not judged(MEDIAN, reports(*history), *others[1:]), "two others are too few"


def test_a_value_that_is_not_finite_is_worse_than_any_other():
    (broken,) = reports((0.5, float("nan")))
    for more in (True, False):
        assert score(broken, "score", greater_is_better=more) < -1e20


@pytest.mark.parametrize("scheduler", [ASHA, MEDIAN])
@given(value=st.floats(-1e3, 1e3), count=st.integers(1, 12), factor=st.integers(2, 10), more=st.booleans())
def test_none_of_those_that_are_equal_is_stopped(scheduler, value, count, factor, more):
    others = [reports(*((progress / 10, value) for progress in range(1, 11)))] * count
    for history in (reports((0.3, value)), reports((0.2, value), (0.8, value))):
        assert not judged(scheduler, history, *others, more=more, reductionFactor=factor)


@given(values=st.lists(st.floats(0, 1), min_size=1, max_size=30), factor=st.integers(2, 10), more=st.booleans())
def test_asha_never_stops_one_that_is_better_than_all_before(values, factor, more):
    best = max(values) if more else min(values)
    others = [reports((0.25, value)) for value in values]
    assert not judged(ASHA, reports((0.25, best)), *others, more=more, reductionFactor=factor)
