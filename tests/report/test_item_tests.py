"""McNemar's test and the bootstrap over rows, against values worked out by hand, by scikit-learn and by scipy."""

from collections.abc import Callable
from fractions import Fraction
from math import comb, isnan

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn import metrics as sk

from finetune_core.results.comparison.items import Items
from finetune_core.tasks.metrics import CLASSIFICATION_METRICS, REGRESSION_METRICS, SET_METRICS
from finetune_report.item_tests import MEASURES, SET_MEASURES, bootstrap, mcnemar

SKLEARN: dict[str, Callable[..., float]] = {
    "accuracy": sk.accuracy_score,
    "f1": lambda truth, guess: sk.f1_score(truth, guess, zero_division=0),
    "f1_macro": lambda truth, guess: sk.f1_score(truth, guess, average="macro", zero_division=0),
    "matthews_correlation": sk.matthews_corrcoef,
    "precision": lambda truth, guess: sk.precision_score(truth, guess, zero_division=0),
    "recall": lambda truth, guess: sk.recall_score(truth, guess, zero_division=0),
    "pearson": lambda truth, guess: stats.pearsonr(truth, guess)[0],
    "spearmanr": lambda truth, guess: stats.spearmanr(truth, guess)[0],
    "mse": sk.mean_squared_error,
    "mae": sk.mean_absolute_error,
    "rmse": sk.root_mean_squared_error,
}


def items(labels: str, before: str, after: str, positive: str | None = "1") -> Items:
    return Items(list(labels), [list(before)], [list(after)], positive)


@pytest.mark.parametrize(
    ("only_before", "only_after", "p"),
    [
        (0, 0, 1.0),
        (5, 5, 1.0),
        (0, 5, 2 / 2**5),
        (1, 9, 2 * (1 + 10) / 2**10),
        # statsmodels' mcnemar([[101, 121], [59, 33]], exact=True), as its own tests have it.
        (121, 59, 4.434444926375551e-06),
    ],
)
def test_mcnemars_p_is_that_of_the_binomial_distribution(only_before: int, only_after: int, p: float) -> None:
    assert mcnemar(only_before, only_after) == pytest.approx(p)
    assert mcnemar(only_after, only_before) == pytest.approx(p)


@given(st.integers(0, 60), st.integers(0, 60))
def test_mcnemars_p_is_twice_the_tail_and_at_most_one(only_before: int, only_after: int) -> None:
    n = only_before + only_after
    tail = sum(Fraction(comb(n, k), 2**n) for k in range(min(only_before, only_after) + 1))
    assert mcnemar(only_before, only_after) == pytest.approx(float(min(Fraction(1), 2 * tail)))


def test_every_metric_that_runs_measure_can_be_resampled() -> None:
    assert set(MEASURES) == {*CLASSIFICATION_METRICS, *REGRESSION_METRICS} == set(SKLEARN)


@pytest.mark.filterwarnings("ignore:A single label was found")
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=30), st.booleans())
def test_metrics_of_labels_are_scikit_learns(pairs: list[tuple[int, int]], binary: bool) -> None:
    truth, guess = (np.array(column) for column in zip(*pairs, strict=True))
    if binary:
        truth, guess = truth % 2, guess % 2
    for name in CLASSIFICATION_METRICS:
        if binary or name in {"accuracy", "f1_macro", "matthews_correlation"}:
            expected = pytest.approx(SKLEARN[name](truth, guess))
            assert float(MEASURES[name](truth, guess)) == expected, name
            # Of resampled dev sets at once as of each.
            assert list(MEASURES[name](np.stack([truth, truth]), np.stack([guess, truth]))) == [
                expected, pytest.approx(SKLEARN[name](truth, truth))
            ], name  # fmt: skip


def test_metrics_of_scores_are_scipys_and_scikit_learns() -> None:
    truth, guess = np.random.default_rng(1).normal(size=(2, 25)).round(1)
    for name in REGRESSION_METRICS:
        assert float(MEASURES[name](truth, guess)) == pytest.approx(SKLEARN[name](truth, guess)), name


def test_metrics_of_several_labels_are_scikit_learns_over_rows_that_are_drawn_often_or_never() -> None:
    random = np.random.default_rng(2)
    # No row has the last label.
    truth, guess = (random.random((2, 40, 4)) < [0.5, 0.3, 0.1, 0]).astype(float)
    drawn = random.integers(0, 40, (3, 40))
    times = np.stack([np.bincount(rows, minlength=40) for rows in drawn]).astype(float)
    averages = {"f1_micro": "micro", "f1_macro": "macro"}
    assert set(SET_MEASURES) == set(SET_METRICS)
    for name, measure in SET_MEASURES.items():
        expected = [
            sk.f1_score(truth[rows], guess[rows], average=averages[name], zero_division=0)
            if name in averages
            else sk.accuracy_score(truth[rows], guess[rows])
            for rows in drawn
        ]
        assert list(measure(times, truth, guess)) == pytest.approx(expected), name


def test_several_labels_are_resampled_by_rows() -> None:
    both, one, none = '["a", "b"]', '["b"]', "[]"
    before, after = [both] * 110 + [one] * 90, [none] * 10 + [both] * 130 + [one] * 60
    rows = Items([both] * 200, [before], [after], None, ("a", "b"))
    # Whole sets as the labels of the test below.
    made = bootstrap("subset_accuracy", rows)
    assert (made.before, made.after) == (0.55, 0.65)
    assert (made.low, made.high) == pytest.approx((0.1 - 0.0604, 0.1 + 0.0604), abs=0.007)
    # Of 400 labels 310 are given before, 320 after, none of them wrongly.
    micro = bootstrap("f1_micro", rows)
    assert (micro.before, micro.after) == pytest.approx((620 / 710, 640 / 720))


def test_the_interval_of_a_difference_of_accuracies_is_that_of_its_multinomial_distribution() -> None:
    # Of 200 rows the first alone is right about 10, the second about 30: difference 0.1, and the variance of a
    # resampled one is ((10 + 30) / 200 - 0.1 ** 2) / 200, so the normal interval is 0.1 +- 0.0604.
    made = bootstrap("accuracy", items("1" * 200, "1" * 110 + "0" * 90, "0" * 10 + "1" * 130 + "0" * 60))
    assert (made.before, made.after) == (0.55, 0.65)
    assert (made.low, made.high) == pytest.approx((0.1 - 0.0604, 0.1 + 0.0604), abs=0.007)


def test_two_models_of_each_side_are_averaged_and_the_same_rows_drawn_for_all() -> None:
    same = Items(list("0110"), [list("0111"), list("0100")], [list("0100"), list("0111")], "1")
    made = bootstrap("accuracy", same)
    assert (made.before, made.after, made.low, made.high) == (0.75, 0.75, 0.0, 0.0)


def test_f1_is_of_the_positive_label_whatever_its_name() -> None:
    labels, before, after = "yyynn", "ynnnn", "yyyyy"
    made = bootstrap("f1", items(labels, before, after, positive="n"))
    assert (made.before, made.after) == pytest.approx(
        (sk.f1_score(list(labels), list(before), pos_label="n"), sk.f1_score(list(labels), list(after), pos_label="n"))
    )


def test_scores_are_compared_as_numbers() -> None:
    made = bootstrap("mae", Items(["1", "2.5"], [["1", "2"]], [["1.5", "3"]], None))
    assert (made.before, made.after) == (0.25, 0.5)


def test_the_same_rows_give_the_same_interval_and_one_row_none() -> None:
    some = items("0101" * 10, "0111" * 10, "0100" * 10)
    assert bootstrap("f1", some) == bootstrap("f1", some)
    assert isnan(bootstrap("accuracy", items("1", "1", "0")).low)
