"""Random lives of experiments and searches in virtual time, and that they would show what once went wrong."""

import random
from collections.abc import Iterable
from dataclasses import replace

import pytest

from finetune_core.deciding import experiment, job_sequence
from finetune_core.deciding.job_sequence import SequenceState
from finetune_core.results.trial import TaskEnd
from finetune_operator.kinds import attempts, experiment_observer, search_observer
from support.simulated import world
from support.simulated.experiments import ExperimentWorld
from support.simulated.searches import SearchWorld
from support.simulated.world import World

LIVES = 5_000
"""Of each kind."""
_AT_ONCE = 500


def live(seeds: Iterable[int], kind: type[World] = ExperimentWorld, *, born_with: int | None = None) -> None:
    """AssertionError with the seed of the first life that does not end as it must."""
    for seed in seeds:
        try:
            kind(random.Random(seed), born_with=born_with).live_and_end()
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {error}") from error


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    """Every damaged result is told of, and drivers tell of each trial."""
    caplog.set_level("CRITICAL")


@pytest.mark.parametrize("first", range(0, LIVES, _AT_ONCE))
@pytest.mark.parametrize("kind", [ExperimentWorld, SearchWorld])
def test_whatever_happens_each_piece_of_work_ends_once_and_nothing_is_left_over(kind: type[World], first: int) -> None:
    live(range(first, first + _AT_ONCE), kind)


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


def _nobody_looks_again_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(world, "look_again_at_the_end", lambda _memory, look: look())


def _results_are_remembered_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a report that failed, and at the end, which alone would heal it three failed reports later."""
    _nobody_looks_again_at_the_end(monkeypatch)
    for observer in (experiment_observer, search_observer):
        monkeypatch.setattr(observer, "look_again_after_failed_reports", lambda _memory, _jobs: None)


def _ends_of_any_plan_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TaskEnd, "is_by", lambda *_: True)


def _only_all_trials_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    def misses(self: TaskEnd, trials: int, finalists: int, *, planned: int) -> bool:
        return trials < planned

    monkeypatch.setattr(TaskEnd, "misses", misses)


def _failures_go_with_their_job(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempts, "_reports", lambda *_: {})


@pytest.mark.parametrize(
    ("kind", "break_it", "shows"),
    [
        pytest.param(ExperimentWorld, _settled_beside_a_living_job, "live on", id="values changed and changed back"),
        pytest.param(
            ExperimentWorld, _obsolete_reports_stay, "another Job lives beside", id="runs added while a report works"
        ),
        pytest.param(
            ExperimentWorld,
            _results_are_remembered_for_ever,
            "failed for good",
            id="a result deleted after it was counted",
        ),
        pytest.param(
            ExperimentWorld,
            _nobody_looks_again_at_the_end,
            "a run has no end",
            id="a result deleted after its report was written",
        ),
        pytest.param(
            SearchWorld,
            _nobody_looks_again_at_the_end,
            "a task has no end|a trial has no end",
            id="an end or a trial deleted after its report was written",
        ),
        pytest.param(
            SearchWorld,
            _ends_of_any_plan_count,
            "a finalist has no end",
            id="finalists asked for while a driver of the plan before ends its task",
        ),
        pytest.param(
            SearchWorld,
            _only_all_trials_are_counted,
            "a finalist has no end|the report is of other results",
            id="a finalist, or a trial beyond those asked for, deleted after its task ended",
        ),
    ],
)
def test_what_once_went_wrong_would_be_found(
    monkeypatch: pytest.MonkeyPatch, kind: type[World], break_it, shows: str
) -> None:
    break_it(monkeypatch)
    with pytest.raises(AssertionError, match=shows):
        live(range(LIVES), kind)


@pytest.mark.parametrize("kind", [ExperimentWorld, SearchWorld])
def test_jobs_that_are_deleted_while_their_owner_lives_would_be_found(
    monkeypatch: pytest.MonkeyPatch, kind: type[World]
) -> None:
    _failures_go_with_their_job(monkeypatch)
    with pytest.raises(AssertionError, match="made without end"):
        live(range(LIVES), kind, born_with=0)
