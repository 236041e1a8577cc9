"""What every pool of workers keeps to; a test class of each pool gives `pool`, which has two workers."""

from collections.abc import Iterator

import pytest

from finetune_core.results.run import ExitCode, Failure
from finetune_core.results.search.trial import TrialReport
from finetune_trainer.drive.pool import Answer, Pool, WorkerDiedError
from finetune_trainer.drive.worker import Report
from support.pools import Count


def answers(pool: Pool, count: int = 1) -> dict[str, object]:
    """The next outcomes, by name; a pool that does not answer runs into the test's time limit."""
    found: list[Answer] = []
    while len(found) < count:
        found += pool.wait(1.0)
    assert len(found) == count
    return {answer.name: answer.outcome for answer in found}


def report(pool: Pool, name: str) -> TrialReport:
    """What the only piece that is asked reports."""
    outcome = answers(pool)[name]
    assert isinstance(outcome, Report)
    return outcome.evaluation


def pid(pool: Pool, name: str) -> float:
    """The process of a piece that is to report; the piece is ended."""
    found = report(pool, name).metrics["pid"]
    pool.end(name)
    assert found is not None
    return found


class PoolContract:
    """Tests."""

    @pytest.fixture
    def pool(self) -> Iterator[Pool]:
        raise NotImplementedError

    def test_a_piece_reports_goes_on_when_told_and_is_done(self, pool):
        pool.start("a", Count(2))
        for step in (1, 2):
            assert report(pool, "a").step == step
            assert pool.wait(0.0) == [], "it waits"
            pool.go_on("a")
        assert answers(pool) == {"a": None}

    def test_a_piece_that_goes_through_only_ends(self, pool):
        pool.start("a", Count(0, "fail"))
        outcome = answers(pool)["a"]
        assert isinstance(outcome, Failure)
        assert outcome.exit_code == ExitCode.GAVE_UP

    @pytest.mark.parametrize("end", ["stumble", "raise"])
    def test_a_process_in_which_something_unforeseen_went_wrong_gets_no_other_piece(self, pool, end):
        pool.start("a", Count(1, end))
        first = report(pool, "a").metrics["pid"]
        pool.go_on("a")
        assert isinstance(answers(pool)["a"], (Failure, WorkerDiedError))
        pool.start("b", Count(1))
        assert pid(pool, "b") != first
        assert pool.room(9) == 2

    def test_a_worker_is_kept_for_the_next_piece(self, pool):
        pool.start("a", Count(1))
        first = report(pool, "a").metrics["pid"]
        pool.go_on("a")
        assert answers(pool) == {"a": None}
        pool.start("b", Count(1))
        assert pid(pool, "b") == first

    def test_a_piece_that_is_ended_is_closed_and_its_worker_free(self, pool):
        pool.start("a", Count(9))
        first = pid(pool, "a")
        pool.start("b", Count(1))
        after = report(pool, "b")
        assert (after.metrics["pid"], after.metrics["closed"]) == (first, 1)

    def test_pieces_are_done_side_by_side_as_many_as_there_are_workers(self, pool):
        assert pool.room(9) == 2
        assert pool.room(1) == 1
        pool.start("a", Count(1))
        pool.start("b", Count(1))
        assert pool.room(9) == 0
        both = answers(pool, 2)
        assert len({outcome.evaluation.metrics["pid"] for outcome in both.values()}) == 2
        assert pool.room(9) == 0, "who waits is at work"
        pool.go_on("a")
        assert answers(pool) == {"a": None}
        assert pool.room(9) == 1

    @pytest.mark.parametrize("end", ["die", "raise"])
    def test_a_worker_that_dies_loses_its_piece_alone_and_another_takes_its_place(self, pool, end):
        pool.start("a", Count(1))
        pool.start("b", Count(1, end))
        answers(pool, 2)
        pool.go_on("b")
        outcome = answers(pool)["b"]
        assert isinstance(outcome, WorkerDiedError)
        pool.go_on("a")
        assert answers(pool) == {"a": None}
        pool.start("a", Count(0))
        pool.start("b", Count(0))
        assert answers(pool, 2) == {"a": None, "b": None}

    def test_told_to_stop_pieces_are_given_back(self, pool):
        pool.start("a", Count(1, "never"))
        pool.start("b", Count(1, "never"))
        answers(pool, 2)
        pool.go_on("a")
        pool.stop()
        pool.go_on("b")
        codes = [outcome.exit_code for outcome in answers(pool, 2).values()]
        assert codes == [ExitCode.INTERRUPTED] * 2
