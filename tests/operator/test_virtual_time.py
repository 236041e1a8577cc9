"""10,000 random lives of an experiment in virtual time, and that they would show what once went wrong."""

import random
from collections.abc import Iterable
from dataclasses import replace

import pytest

from finetune_core.deciding import experiment, job_sequence
from finetune_core.deciding.job_sequence import SequenceState
from finetune_operator.kinds import experiment_observer
from support.simulated.world import World

LIVES = 10_000
_AT_ONCE = 500


def live(seeds: Iterable[int], *, born_with: int | None = None) -> None:
    """AssertionError with the seed of the first life that does not end as it must."""
    for seed in seeds:
        try:
            World(random.Random(seed), born_with=born_with).live_and_end()
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {error}") from error


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    """Every damaged result is told of."""
    caplog.set_level("CRITICAL", logger="finetune.documents")


@pytest.mark.parametrize("first", range(0, LIVES, _AT_ONCE))
def test_whatever_happens_each_run_ends_once_and_nothing_is_left_over(first: int) -> None:
    live(range(first, first + _AT_ONCE))


def _settled_beside_a_living_job(monkeypatch: pytest.MonkeyPatch) -> None:
    after_work = job_sequence._after_work

    def hasty(sequence, current, others, failed) -> SequenceState:
        if current is None or current.finished:
            cleanup = tuple(action for job in others for action in job_sequence.retire_job(job))
            return replace(after_work(sequence, None, (), failed), actions=cleanup, current=current)
        return after_work(sequence, current, tuple(job for job in others if job.finished), failed)

    monkeypatch.setattr(job_sequence, "_after_work", hasty)


def _obsolete_reports_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(experiment, "delete_jobs", lambda _jobs: ())


def _results_are_remembered_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(experiment_observer, "look_again_after_failed_reports", lambda _memory, _jobs: None)


@pytest.mark.parametrize(
    ("break_it", "shows"),
    [
        pytest.param(_settled_beside_a_living_job, "live on", id="values changed and changed back"),
        pytest.param(_obsolete_reports_stay, "another Job lives beside", id="runs added while a report works"),
        pytest.param(_results_are_remembered_for_ever, "failed for good", id="a result deleted after it was counted"),
    ],
)
def test_what_once_went_wrong_would_be_found(monkeypatch: pytest.MonkeyPatch, break_it, shows: str) -> None:
    break_it(monkeypatch)
    with pytest.raises(AssertionError, match=shows):
        live(range(LIVES))


def test_jobs_that_are_deleted_while_an_experiment_lives_would_be_found(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(AssertionError, match="made without end"):
        live(range(LIVES), born_with=0)
