"""One rule for each kind of figure; the expected texts are written by hand."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finetune_core.tables import figures
from finetune_core.tasks.metrics import (
    CLASSIFICATION_METRICS,
    HIGHER_IS_BETTER,
    LOWER_IS_BETTER,
    REGRESSION_METRICS,
    is_share,
)
from finetune_core.tasks.registry import GLUE_TASKS


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("accuracy", 0.66116, "66.12"),
        ("eval_accuracy", 0.66116, "66.12"),
        ("mm_accuracy", 1.0, "100.00"),
        ("matthews_correlation", -0.0312, "-3.12"),
        ("f1", -0.00001, "0.00"),
        ("loss", 0.43215, "0.4321"),
        ("loss", 12.0, "12"),
        ("mse", 0.00012345, "0.0001234"),
        ("perplexity", 21.375, "21.38"),
        ("my_metric", 0.5, "0.5"),
        ("accuracy", None, "–"),
    ],
)
def test_shares_are_per_cent_and_all_else_is_as_measured(name: str, value: float | None, text: str) -> None:
    assert figures.metric(name, value) == text


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [("accuracy", 0.012, "+1.20"), ("accuracy", -0.00001, "+0.00"), ("loss", -0.05, "-0.05"), ("loss", 0.05, "+0.05")],
)
def test_a_difference_has_a_sign(name: str, value: float, text: str) -> None:
    assert figures.metric(name, value, signed=True) == text


def test_a_mean_has_its_deviation_and_number_where_there_are_such() -> None:
    assert figures.spread("accuracy", 0.612, 0.013, 5) == "61.20 ± 1.30 (5)"
    assert figures.spread("loss", 0.95, 0.070711, 2) == "0.95 ± 0.07071 (2)"
    assert figures.spread("accuracy", 0.612, None) == "61.20"
    assert figures.spread("accuracy", None, None, 0) == "– (0)"


def test_an_interval_stands_behind_its_difference() -> None:
    assert figures.interval("accuracy", 0.095, -0.01, 0.25) == "+9.50 [-1.00, +25.00]"
    assert figures.interval("accuracy", 0.1, None, None) == "+10.00"
    assert figures.interval("accuracy", None, None, None) == "–"


def test_a_score_is_a_hundredfold_already() -> None:
    assert (figures.score(84.2149), figures.score(-0.001, signed=True), figures.score(None)) == ("84.21", "+0.00", "–")


@pytest.mark.parametrize(("value", "text"), [(0.0124, "0.012"), (0.0009, "<0.001"), (0.001, "0.001"), (None, "–")])
def test_a_small_p_is_a_bound(value: float | None, text: str) -> None:
    assert figures.p_value(value) == text


def test_hyperparameters() -> None:
    config = {"learningRate": 2e-5, "maxSteps": 100000, "lrSchedulerType": "linear", "weightDecay": 0.0}
    assert figures.settings(config) == "learningRate 2e-05, maxSteps 100000, lrSchedulerType linear, weightDecay 0"
    assert figures.settings({}) == "–"


@pytest.mark.parametrize(
    ("seconds", "text"), [(12.4, "12 s"), (184, "3 min 4 s"), (7500, "2 h 5 min"), (59.6, "1 min 0 s"), (None, "–")]
)
def test_a_duration(seconds: float | None, text: str) -> None:
    assert figures.duration(seconds) == text


@pytest.mark.parametrize(
    ("then", "text"),
    [
        ("2026-01-01T11:59:15Z", "45s"),
        ("2026-01-01T11:58:30+00:00", "90s"),
        ("2026-01-01T11:48:00Z", "12m"),
        ("2025-12-29T12:00:00Z", "3d"),
        ("2026-01-01T12:00:09Z", "0s"),
        ("yesterday", ""),
        ("2026-01-01T00:00:00", ""),
        (None, ""),
    ],
)
def test_an_age_is_as_kubectl_has_it(then: str | None, text: str) -> None:
    assert figures.age(then, datetime(2026, 1, 1, 12, tzinfo=UTC)) == text


def test_every_metric_of_a_task_is_known_to_be_a_share_or_not() -> None:
    measured = {
        *CLASSIFICATION_METRICS,
        *REGRESSION_METRICS,
        *(m for task in GLUE_TASKS.values() for m in task.metrics),
    }
    assert measured <= HIGHER_IS_BETTER | LOWER_IS_BETTER
    assert not any(is_share(name) for name in LOWER_IS_BETTER)


@given(st.sampled_from(sorted(HIGHER_IS_BETTER | LOWER_IS_BETTER)), st.floats(-1, 1))
def test_plots_have_the_unit_of_the_tables(name: str, value: float) -> None:
    text = figures.metric(name, value)
    assert float(text) == pytest.approx(figures.in_unit(name, value), rel=1e-3, abs=0.0051)
    assert bool(figures.unit(name)) == is_share(name)
