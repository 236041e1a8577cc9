"""Intervals of means, against scipy's and against tables."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from finetune_core.results.intervals import (
    FEWEST,
    half_width,
    mean_curve,
    mean_of,
    mean_score,
    score_ends,
    t_quantile,
    what_is_drawn,
)
from finetune_core.tables import figures
from finetune_core.tasks.metrics import metric_range
from support.documents import document_of


@pytest.mark.parametrize(
    ("freedom", "quantile"), [(1, 12.706), (2, 4.303), (3, 3.182), (4, 2.776), (9, 2.262), (30, 2.042)]
)
def test_the_quantiles_are_those_of_printed_tables(freedom: int, quantile: float) -> None:
    assert t_quantile(freedom) == pytest.approx(quantile, abs=5e-4)


@pytest.mark.parametrize("freedom", [*range(1, 40), 99, 100, 999, 1000, 5000])
def test_the_quantiles_are_scipys(freedom: int) -> None:
    assert t_quantile(freedom) == pytest.approx(float(stats.t.ppf(0.975, freedom)), rel=1e-3)


@given(st.lists(st.integers(-10_000, 10_000), min_size=FEWEST, max_size=30, unique=True))
def test_an_interval_is_scipys(hundredths: list[int]) -> None:
    values = [one / 100 for one in hundredths]
    made = mean_of(values)
    assert made is not None
    assert made.interval is not None
    low, high = stats.t.interval(0.95, len(values) - 1, loc=made.value, scale=stats.sem(values))
    ends = pytest.approx(low, rel=1e-6, abs=1e-9), pytest.approx(high, rel=1e-6, abs=1e-9)
    assert (made.interval.low, made.interval.high) == ends


@given(st.lists(st.floats(0, 100), min_size=FEWEST, max_size=8))
def test_an_interval_ends_where_the_values_can_and_holds_their_mean(values: list[float]) -> None:
    made = mean_of(values, (0.0, 100.0))
    assert made is not None
    assert made.interval is not None
    low, high = made.interval.low, made.interval.high
    assert 0 <= low <= high <= 100
    assert low - 1e-9 <= made.value <= high + 1e-9


def test_fewer_than_three_have_a_mean_and_no_interval_and_none_have_no_mean() -> None:
    for values in ([0.5], [0.5, 0.7]):
        made = mean_of(values)
        assert made is not None
        assert (made.value, made.n, made.interval, made.error) == (
            pytest.approx(sum(values) / len(values)), len(values), None, None,
        )  # fmt: skip
    three = mean_of([0.5, 0.6, 0.7])
    assert three is not None
    assert three.error == pytest.approx((0.2484, 0.2484), abs=1e-4)
    assert mean_of([]) is None
    assert mean_of([1e308, 1e308, -1e308]) is None
    assert half_width(1, None) is None


def test_a_curve_has_intervals_where_three_runs_have_a_value() -> None:
    curves = [[(10, 99.0), (20, 90.0)], [(10, 100.0), (20, 92.0)], [(10, 94.0), (20, None)]]
    [(_, first), (_, second)] = mean_curve(curves, (0.0, 100.0))
    assert first.interval is not None
    assert first.interval.high == 100
    assert (second.value, second.n, second.interval) == (91, 2, None)


def test_scores_are_cut_at_what_their_own_metrics_can_be() -> None:
    document = document_of({"cola": [0.1, 0.5, 0.9], "rte": [0.1, 0.5, 0.9], "stsb": [0.2, 0.3]})
    ends = {task.task: score_ends(task) for task in document.tasks}
    assert ends == {"cola": (-100, 100), "rte": (0, 100), "stsb": (-100, 100)}
    told = {task.task: mean_score(document, task) for task in document.tasks}
    assert {name: mean.interval and (mean.interval.low, mean.interval.high) for name, mean in told.items() if mean} == {
        "cola": (pytest.approx(-49.37, abs=0.01), 100),
        "rte": (0, 100),
        "stsb": None,
    }


@pytest.mark.parametrize(
    ("counts", "said"),
    [
        ([3, 5], "mean over runs, 95 % interval"),
        ([2, 5], "mean over runs, 95 % interval from 3 runs on"),
        ([1, 2], "mean over runs (no interval below 3 runs)"),
    ],
)
def test_a_legend_says_which_means_have_an_interval(counts: list[int], said: str) -> None:
    assert what_is_drawn(counts) == said


@pytest.mark.parametrize(
    ("metric", "ends"),
    [
        ("accuracy", (0, 1)),
        ("eval_accuracy", (0, 1)),
        ("mm_accuracy", (0, 1)),
        ("f1_weighted", (0, 1)),
        ("matthews_correlation", (-1, 1)),
        ("spearmanr", (-1, 1)),
        ("loss", (0, None)),
        ("train_loss", (0, None)),
        ("rmse", (0, None)),
        ("neg_mean_squared_error", (None, 0)),
        ("r2", (None, 1)),
        ("of_my_own", (None, None)),
    ],
)
def test_the_range_of_a_metric(metric: str, ends: tuple[float | None, float | None]) -> None:
    assert metric_range(metric) == ends


def test_the_range_of_a_metric_as_people_read_it() -> None:
    assert figures.ends("matthews_correlation") == (-100, 100)
    assert figures.ends("rmse") == (0, None)
