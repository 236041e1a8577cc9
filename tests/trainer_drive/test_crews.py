"""Crews: processes of this machine that do one piece of work together; here without torch."""

import pytest

from finetune_core.results.run import ExitCode
from finetune_trainer.drive.crews import CrewPool, crew_pool, environments
from finetune_trainer.drive.pool import WorkerDiedError
from finetune_trainer.errors import UserError
from support.crew_parts import Parts


@pytest.fixture
def pool():
    pool = CrewPool(Parts(), environments(1, 2, []))
    yield pool
    pool.close()


def outcome(pool, *parts, then=lambda: None):
    pool.start("work", parts)
    then()
    answers = []
    while not answers:
        answers = pool.wait(1.0)
    (answer,) = answers
    assert answer.name == "work"
    return answer.outcome


def test_a_piece_is_done_when_each_process_has_done_its_part_and_the_crew_takes_another(pool):
    assert outcome(pool, "done", "done") is None
    assert pool.room(3) == 1
    assert outcome(pool, "done", "done") is None


@pytest.mark.parametrize("parts", [("fails", "hangs"), ("hangs", "fails")])
def test_one_that_fails_ends_the_others_wherever_they_hang(pool, parts):
    found = outcome(pool, *parts)
    assert (found.exit_code, found.message) == (ExitCode.USER_ERROR, f"fails {parts.index('fails')}")
    assert outcome(pool, "done", "done") is None


def test_a_death_is_told_before_what_it_made_others_fail_of(pool):
    found = outcome(pool, "lost", "dies")
    assert isinstance(found, WorkerDiedError)
    assert str(found).startswith("process 2 of 2: the worker's process ended")
    assert "exit code -9" in str(found)


def test_told_to_stop_the_first_may_still_be_saving_when_the_others_have_ended(pool):
    # Also where they have worked before, and answered in another order.
    assert outcome(pool, "pauses", "done") is None
    pool.start("work", ("saves", "interrupted"))
    answers = []
    while not answers:
        answers = pool.wait(1.0)
    assert (answers[0].outcome.exit_code, answers[0].outcome.message) == (ExitCode.INTERRUPTED, "saves 0")


def test_each_process_is_told_who_it_is_and_sees_its_crews_gpus(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    made = environments(2, 2, list("0123"))
    assert [[one["CUDA_VISIBLE_DEVICES"] for one in crew] for crew in made] == [["0,1", "0,1"], ["2,3", "2,3"]]
    assert [(one["RANK"], one["LOCAL_RANK"], one["WORLD_SIZE"]) for one in made[1]] == [
        ("0", "0", "2"),
        ("1", "1", "2"),
    ]
    assert {one["OMP_NUM_THREADS"] for crew in made for one in crew} == {"3"}
    assert not any("CUDA_VISIBLE_DEVICES" in one for crew in environments(1, 2, []) for one in crew)


def test_fewer_gpus_than_processes_are_refused():
    with (
        pytest.raises(UserError, match=r"1 run\(s\) at a time by 2 processes each need 2 GPUs, and 1 can be seen"),
        crew_pool(Parts(), 1, 2, ["0"]),
    ):
        pass
