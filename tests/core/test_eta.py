"""How long it still takes, and how coarsely that is said."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finetune_core.deciding.experiment.eta import remaining_seconds
from finetune_core.deciding.outcome import Outcome
from finetune_core.planning.plan import Plan
from finetune_core.results.run import Progress
from finetune_core.tables import figures
from support.plans import outcome, plan

PLAN = plan({"rte": 2, "wnli": 2})
ALL = frozenset(run.run_id for run in PLAN.runs)


def run_id(task: str, run: int) -> str:
    return PLAN.runs_of(task)[run].run_id


def done(task: str, run: int) -> dict[str, Outcome]:
    """A run that took the 10 s that `support.plans.outcome` gives it."""
    planned = PLAN.runs_of(task)[run]
    return {planned.run_id: outcome(planned, value=0.5)}


def progress(left: float | None, elapsed: float = 0.0) -> Progress:
    return Progress(step=1, total_steps=2, seconds_left=left, elapsed_seconds=elapsed, attempt="a", time="t")


def remaining(
    waiting: frozenset[str], *, parallelism: int = 1, of: Plan = PLAN, outcomes: dict | None = None, **at_work: Progress
) -> float | None:
    return remaining_seconds(of, outcomes or {}, at_work, waiting, parallelism=parallelism)


def test_nothing_is_said_while_nothing_is_known() -> None:
    assert remaining(ALL) is None


def test_a_living_run_says_itself_how_long_it_takes() -> None:
    one = run_id("rte", 0)
    assert remaining(frozenset({one}), **{one: progress(120.0, 10.0)}) == 120.0


def test_other_runs_of_a_task_take_as_long_as_those_that_are_done() -> None:
    waiting = frozenset({run_id("rte", 1)})
    assert remaining(waiting, outcomes=done("rte", 0)) == pytest.approx(10.0)


def test_a_task_without_any_run_done_is_estimated_by_its_cost() -> None:
    waiting = frozenset({run_id("wnli", 0)})
    # rte's recipe has 1,562 steps of 32, and scores 277 rows 21 times; wnli's 50, and 71 rows 5 times.
    rte, wnli = 1562 * 32 + (21 * 277 + 3000) / 3, 50 * 32 + (5 * 71 + 146) / 3
    assert remaining(waiting, outcomes=done("rte", 0)) == pytest.approx(10.0 * wnli / rte)


def test_runs_share_the_pods_but_the_longest_one_is_not_cut_up() -> None:
    one, two = run_id("rte", 0), run_id("rte", 1)
    at_work = {one: progress(100.0), two: progress(20.0)}
    assert remaining(frozenset({one, two}), parallelism=2, **at_work) == 100.0
    assert remaining(frozenset({one, two}), parallelism=1, **at_work) == 120.0


def test_nothing_is_said_while_no_pods_may_run() -> None:
    one = run_id("rte", 0)
    assert remaining(frozenset({one}), parallelism=0, **{one: progress(5.0)}) is None


def test_a_run_that_does_not_know_its_end_yet_is_estimated() -> None:
    one = run_id("rte", 1)
    assert remaining(frozenset({one}), outcomes=done("rte", 0), **{one: progress(None)}) == pytest.approx(10.0)


def test_nothing_waits_nothing_is_left() -> None:
    assert remaining(frozenset(), outcomes=done("rte", 0)) == 0.0


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, None),
        (0, "<1m"),
        (60, "<1m"),
        (61, "~1m"),
        (91, "~2m"),
        (301, "~5m"),
        (500, "~7m"),
        (3600, "~1h"),
        (4501, "~1.5h"),
        (10_000, "~3h"),
        (200_000, "~2d"),
    ],
)
def test_an_estimate_is_said_coarsely(seconds: float | None, text: str | None) -> None:
    assert figures.eta(seconds) == text


@given(seconds=st.floats(0, 1e7))
def test_every_estimate_has_a_short_text(seconds: float) -> None:
    text = figures.eta(seconds)
    assert text is not None
    assert len(text) <= 6


def test_neighbouring_words_never_stand_for_twice_as_long_but_at_two_minutes() -> None:
    """An estimate that moves a little moves its word a little."""
    words = list(dict.fromkeys(word for seconds in range(60, 40 * 3600, 10) if (word := figures.eta(seconds))))
    hours = {"m": 1, "h": 60}
    minutes = [float(word[1:-1]) * hours[word[-1]] for word in words if word != "<1m"]
    assert minutes == sorted(minutes)
    assert max(later / sooner for sooner, later in pairwise(minutes[1:])) <= 5 / 3
