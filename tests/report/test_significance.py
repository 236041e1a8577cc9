"""scipy's tests as the core asks for them, against numbers that were published or done by hand."""

import math

import pytest

from finetune_core.results.comparison.significance import Kind
from finetune_report.significance import t_test

# Student, The probable error of a mean, 1908: hours of sleep that two drugs gave to ten patients.
DRUG_1 = (0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0)
DRUG_2 = (1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4)


def test_students_sleep_data_paired() -> None:
    made = t_test(DRUG_1, DRUG_2, Kind.PAIRED)
    # As R's t.test(extra ~ group, data = sleep, paired = TRUE) says, with the sign of after - before.
    assert made.t == pytest.approx(4.0621, abs=5e-5)
    assert made.df == 9
    assert made.p == pytest.approx(0.002833, abs=5e-7)
    assert (made.low, made.high) == pytest.approx((0.7001142, 2.4598858), abs=5e-8)


def test_students_sleep_data_by_welch() -> None:
    made = t_test(DRUG_1, DRUG_2, Kind.WELCH)
    # As R's t.test(extra ~ group, data = sleep) says.
    assert made.t == pytest.approx(1.8608, abs=5e-5)
    assert made.df == pytest.approx(17.776, abs=5e-4)
    assert made.p == pytest.approx(0.07939, abs=5e-6)
    assert (made.low, made.high) == pytest.approx((-0.2054832, 3.3654832), abs=5e-8)


def test_two_pairs_done_by_hand() -> None:
    # Differences 1 and 3: mean 2, standard error 1, t = 2; with one degree of freedom p = 1 - 2/pi atan t.
    made = t_test((0.0, 0.0), (1.0, 3.0), Kind.PAIRED)
    assert (made.t, made.df) == (pytest.approx(2.0), 1)
    assert made.p == pytest.approx(1 - 2 / math.pi * math.atan(2))
    half = math.tan(math.pi * 0.475)
    assert (made.low, made.high) == pytest.approx((2 - half, 2 + half))


def test_one_sample_without_spread_is_tested_by_the_others_without_a_warning() -> None:
    # The spread is the second's alone: mean 0.7, standard error 0.1 / sqrt 3, two degrees of freedom.
    made = t_test((0.5271,) * 5, (0.6, 0.7, 0.8), Kind.WELCH)
    assert made.t == pytest.approx((0.7 - 0.5271) / (0.1 / math.sqrt(3)))
    assert made.df == pytest.approx(2)
