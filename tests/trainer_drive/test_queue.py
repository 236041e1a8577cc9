"""Which run is next: every run ends exactly once, whatever happens on the way."""

from hypothesis import given
from hypothesis import strategies as st

from finetune_core.results.run import ExitCode
from finetune_trainer.drive.queue import RunQueue
from support.pools import failure

LONG = 1e9


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
