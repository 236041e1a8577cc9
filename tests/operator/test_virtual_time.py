"""Random lives of experiments and searches in virtual time, and that they would show what once went wrong."""

import random
from collections.abc import Iterable
from dataclasses import replace

import pytest

from finetune_core.api.status import Reason
from finetune_core.deciding import job_sequence, reporting
from finetune_core.deciding.experiment import decision
from finetune_core.deciding.experiment import status as experiment_status
from finetune_core.deciding.job_sequence import SequenceState
from finetune_core.deciding.reporting import ReportStep
from finetune_core.deciding.search import status as search_status
from finetune_core.results.search.trial import TaskEnd, TrialState
from finetune_operator.kinds import attempts, experiment_observer, search_observer
from finetune_trainer.search.leases import Leases
from support.simulated import world
from support.simulated.experiments import ExperimentWorld
from support.simulated.searches import SearchWorld
from support.simulated.store import MemoryStore
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
    monkeypatch.setattr(decision, "delete_jobs", lambda _jobs: ())


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


def _a_report_is_ordered_beside_another(monkeypatch: pytest.MonkeyPatch) -> None:
    def hasty(seen, _others, _stale) -> ReportStep:
        return ReportStep(Reason.REPORTING, "", (reporting._create(seen, 0),))

    monkeypatch.setattr(reporting, "_order", hasty)


def _the_end_does_not_wait_for_what_publishes(monkeypatch: pytest.MonkeyPatch) -> None:
    state = decision.publish_state
    monkeypatch.setattr(decision, "publish_state", lambda seen: replace(state(seen), done=True))


def _the_status_leaves_failures_out(monkeypatch: pytest.MonkeyPatch) -> None:
    counts, in_state = experiment_status._counts, search_status._in_state
    monkeypatch.setattr(experiment_status, "_counts", lambda seen, decision: counts(seen, replace(decision, failed={})))
    monkeypatch.setattr(
        search_status,
        "_in_state",
        lambda trials, state: 0 if state == TrialState.FAILED else in_state(trials, state),
    )


def _the_status_names_the_first_as_best(monkeypatch: pytest.MonkeyPatch) -> None:
    summarised = experiment_status.summarise
    monkeypatch.setattr(experiment_status, "summarise", lambda plan, found: summarised(plan, list(found)[:1]))


def _whoever_ends_last_writes_the_result(monkeypatch: pytest.MonkeyPatch) -> None:
    def create(self: MemoryStore, key: str, data: bytes) -> bool:
        self.put(key, data)
        return True

    monkeypatch.setattr(MemoryStore, "create", create)


def _drivers_take_each_others_trials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Leases, "alive", lambda *_: False)


@pytest.mark.parametrize(
    ("kind", "break_it", "shows"),
    [
        pytest.param(
            ExperimentWorld, _settled_beside_a_living_job, "(work|live) on", id="values changed and changed back"
        ),
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
        pytest.param(
            ExperimentWorld, _a_report_is_ordered_beside_another, "live at the same time", id="two Jobs at a time"
        ),
        pytest.param(
            ExperimentWorld, _the_end_does_not_wait_for_what_publishes, "live on", id="an end before all is published"
        ),
        *(
            pytest.param(kind, _the_status_leaves_failures_out, "counts otherwise than the store", id=f"counts, {kind}")
            for kind in (ExperimentWorld, SearchWorld)
        ),
        pytest.param(
            ExperimentWorld, _the_status_names_the_first_as_best, "the status (names|has) another", id="best and mean"
        ),
        pytest.param(
            SearchWorld, _whoever_ends_last_writes_the_result, "is written again", id="a result that is replaced"
        ),
        pytest.param(
            SearchWorld,
            _drivers_take_each_others_trials,
            "a trial is done twice at the same time",
            id="a trial done by two drivers",
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
