"""Which run is next: every run ends exactly once, whatever happens on the way."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finetune_core.results.run import ExitCode, FailureReason
from finetune_trainer.drive.queue import RunQueue
from support.pools import failure

LONG = 1e9
FOR_MEMORY = failure(ExitCode.USER_ERROR).model_copy(update={"reason": FailureReason.OUT_OF_MEMORY})
DIED = failure(ExitCode.RETRY).model_copy(update={"reason": FailureReason.WORKER_DIED})


def test_runs_begin_in_their_order():
    queue = RunQueue(["a", "b", "c"], retries=0)

    assert [queue.take(0.0) for _ in range(4)] == ["a", "b", "c", None]


def test_a_failed_run_is_tried_again_after_a_pause_and_after_the_others():
    queue = RunQueue(["a", "b"], retries=1)
    queue.take(0.0)

    assert not queue.fail("a", failure(ExitCode.RETRY), 100.0)

    assert (queue.take(105.0), queue.take(105.0)) == ("b", None)
    assert queue.ready(110.0) == 1
    assert queue.take(110.0) == "a"


def test_the_pause_doubles_with_every_failure():
    queue = RunQueue(["a"], retries=5)
    for pause in (10.0, 20.0, 40.0):
        queue.take(LONG)
        queue.fail("a", failure(ExitCode.RETRY), 0.0)
        assert (queue.ready(pause - 1), queue.ready(pause)) == (0, 1)


def test_a_run_is_given_up_when_its_retries_are_used_up():
    queue = RunQueue(["a"], retries=1)
    queue.take(0.0)
    queue.fail("a", failure(ExitCode.RETRY), 0.0)
    queue.take(LONG)

    assert queue.fail("a", failure(ExitCode.RETRY), LONG)

    assert queue.is_over
    assert set(queue.failed) == {"a"}


def test_the_users_mistake_and_giving_up_are_not_tried_again():
    for code in (ExitCode.USER_ERROR, ExitCode.GAVE_UP):
        queue = RunQueue(["a"], retries=9)
        queue.take(0.0)
        assert queue.fail("a", failure(code), 0.0)


def test_an_interrupted_run_goes_on_at_once_and_costs_nothing():
    queue = RunQueue(["a", "b"], retries=0)
    for _ in range(20):
        assert queue.take(0.0) == "a"
        queue.give_back("a")

    assert queue.ready(0.0) == 2


@given(
    runs=st.lists(st.text("abcdef", min_size=1), unique=True, max_size=6),
    retries=st.integers(0, 3),
    outcomes=st.lists(st.sampled_from(["done", "retry", "user", "lost"]), max_size=60),
)
def test_each_run_is_in_one_state_and_ends_once(runs, retries, outcomes):
    queue, now = RunQueue(runs, retries=retries), 0.0
    for outcome in outcomes:
        now += 400.0
        run = queue.take(now)
        if run is None:
            break
        if outcome == "done":
            queue.finish(run)
        elif outcome == "lost":
            queue.give_back(run)
        else:
            queue.fail(run, failure(ExitCode.RETRY if outcome == "retry" else ExitCode.USER_ERROR), now)
        assert sorted([*queue.done, *queue.failed, *queue.running]) == sorted({*queue.done, *queue.failed})
    while (run := queue.take(LONG)) is not None:
        queue.finish(run)
    assert queue.is_over
    assert sorted([*queue.done, *queue.failed]) == sorted(runs)


def begin(queue, count):
    return [queue.take(0.0) for _ in range(count)]


def test_no_more_runs_share_a_memory_than_may():
    queue = RunQueue("abcd", retries=0, at_once=2)

    assert begin(queue, 3) == ["a", "b", None]
    queue.finish("a")
    assert begin(queue, 2) == ["c", None]


@pytest.mark.parametrize("lacking", [FOR_MEMORY, DIED])
def test_a_run_that_lacks_memory_beside_others_is_tried_again_alone_and_fewer_share_from_then_on(lacking):
    queue = RunQueue("abcde", retries=None, at_once=3)
    begin(queue, 3)

    assert queue.spare("b", lacking)

    assert queue.at_once == 2
    assert queue.ready(0.0) == 0
    queue.finish("a")
    assert begin(queue, 2) == ["d", None]
    for run in "cd":
        queue.finish(run)
    assert begin(queue, 2) == ["e", None], "b waits until it has the memory for itself"
    queue.finish("e")
    assert begin(queue, 2) == ["b", None]
    assert not queue.spare("b", lacking), "it was alone"
    assert queue.fail("b", lacking, 0.0)
    assert queue.is_over


@pytest.mark.parametrize(
    ("at_once", "outcome"),
    [
        pytest.param(None, FOR_MEMORY, id="each has a memory of its own"),
        pytest.param(3, failure(ExitCode.USER_ERROR), id="something else is wrong"),
    ],
)
def test_what_is_not_for_want_of_memory_beside_others_is_a_failure(at_once, outcome):
    queue = RunQueue("ab", retries=None, at_once=at_once)
    begin(queue, 2)

    assert not queue.spare("a", outcome)
    assert queue.fail("a", outcome, 0.0)


def test_where_somebody_else_tries_again_a_failure_that_may_pass_is_the_end():
    for code in (ExitCode.RETRY, ExitCode.STORE):
        queue = RunQueue("a", retries=None, at_once=2)
        begin(queue, 1)
        assert queue.fail("a", failure(code), 0.0)


@given(
    count=st.integers(0, 7),
    at_once=st.integers(2, 4),
    outcomes=st.lists(
        st.tuples(st.integers(0, 9), st.sampled_from(["done", "memory", "died", "user", "lost"])), max_size=60
    ),
)
def test_however_memory_is_short_each_run_ends_once_and_who_lacked_it_is_alone_then(count, at_once, outcomes):
    runs = [f"run-{place}" for place in range(count)]
    queue, lacked = RunQueue(runs, retries=None, at_once=at_once), set()
    for which, outcome in [*outcomes, *[(0, "done")] * 99]:
        before = queue.at_once
        while (run := queue.take(LONG)) is not None:
            assert len(queue.running) <= queue.at_once
        if lacked & queue.running:
            assert len(queue.running) == 1
        if not queue.running:
            break
        run = sorted(queue.running)[which % len(queue.running)]
        if outcome in {"memory", "died"} and queue.spare(run, {"memory": FOR_MEMORY, "died": DIED}[outcome]):
            assert run not in lacked, "once"
            lacked.add(run)
            assert 1 <= queue.at_once <= before
        elif outcome == "done":
            queue.finish(run)
        elif outcome == "lost":
            queue.give_back(run)
        else:
            queue.fail(run, failure(ExitCode.USER_ERROR), LONG)
    assert queue.is_over
    assert sorted([*queue.done, *queue.failed]) == sorted(runs)
