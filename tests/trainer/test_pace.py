"""What a run still takes is told steadily: steps and evaluations have their own means."""

import pytest

from finetune_trainer.run.pace import Pace

STEP, FIRST, EVALUATION, EVERY, TOTAL = 1.0, 10.0, 30.0, 20, 100


def told(evaluation_steps: float) -> list[tuple[float, float]]:
    """(what is told, what is true) after each step and each evaluation of a run of 100 steps, one evaluated each 20."""
    pace, now, end = Pace(EVERY, evaluation_steps), 0.0, FIRST + (TOTAL - 1) * STEP + EVALUATION * TOTAL / EVERY
    pace.begin(now)
    found = []
    for step in range(1, TOTAL + 1):
        now += FIRST if step == 1 else STEP
        pace.stepped(now)
        if step % EVERY:
            found.append((pace.left(step, TOTAL), end - now))
            continue
        now += EVALUATION
        pace.evaluated(now)
        found.append((pace.left(step, TOTAL), end - now))
    return [(left, true) for left, true in found if left is not None]


def test_the_estimate_never_doubles_once_the_first_step_has_warmed_up() -> None:
    for left, true in told(evaluation_steps=20)[1:-1]:
        assert 0.6 < left / true < 1.6


def test_after_the_first_evaluation_it_is_right() -> None:
    for left, true in told(evaluation_steps=0)[EVERY - 1 :]:
        assert left == pytest.approx(true)


def test_before_the_first_step_nothing_is_known_and_at_the_end_nothing_is_left() -> None:
    pace = Pace(EVERY)
    pace.begin(5.0)
    assert pace.left(0, TOTAL) is None
    assert told(0)[-1][0] == 0


def test_what_lies_between_counts_for_nothing() -> None:
    pace = Pace(EVERY)
    pace.begin(0)
    pace.stepped(10)
    pace.stepped(11)
    pace.begin(100)  # a checkpoint
    pace.stepped(101)
    assert pace.left(3, 5) == pytest.approx(2)
