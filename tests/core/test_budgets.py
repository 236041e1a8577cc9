"""A budget that is spent: nothing new begins, what runs goes on, what is there is reported, more of it goes on."""

from dataclasses import replace
from typing import Any

import pytest
from pydantic import ValidationError

from finetune_core.api import Execution
from finetune_core.api.budget import Budget
from finetune_core.api.status import Reason
from finetune_core.deciding.actions import (
    CreateReportJob,
    CreateTrainJob,
    DeleteJob,
    HoldWork,
    PatchJob,
    ReleaseWork,
)
from finetune_core.deciding.budget import Limits
from finetune_core.deciding.executor import JOB
from finetune_core.deciding.experiment.decision import decide
from finetune_core.deciding.job_sequence import MAX_ROUNDS
from finetune_core.deciding.observation import JobRole, JobView, Observation, ReportView
from finetune_core.deciding.report_digest import report_digest
from finetune_core.planning.parse import warnings
from finetune_core.spent import Spent
from support.plans import outcome, plan, spec

PLAN = plan({"cola": 2, "rte": 2})
RUNS = [run.run_id for run in PLAN.runs]
HOUR = Budget(gpu_hours=1)
SPENT = {RUNS[0]: Spent(3600.0)}


def seen(**changes: Any) -> Observation:
    base = Observation(plan=PLAN, execution=Execution(parallelism=2), executor=JOB, template="t")
    return replace(base, **{"limits": Limits(HOUR), "spent": SPENT, **changes})


def job(of: Observation, **changes: Any) -> JobView:
    base = JobView("job", JobRole.TRAIN, of.revision, parallelism=2, indexes=tuple((run,) for run in RUNS))
    return replace(base, **changes)


def with_job(of: Observation, **changes: Any) -> Observation:
    return replace(of, jobs=(job(of, **changes),))


def held(of: Observation) -> Observation:
    return replace(of, limits=replace(of.limits, held=True))


@pytest.mark.parametrize(
    ("budget", "gpu_seconds", "seconds", "spent"),
    [
        (None, 1e9, 1e9, None),
        (HOUR, 3599, 1e9, None),
        (HOUR, 3600, 0, "spec.budget.gpuHours is spent: 1 of 1 GPU-hours."),
        (Budget(gpu_hours=0.5), 5400, 0, "spec.budget.gpuHours is spent: 1.5 of 0.5 GPU-hours."),
        (Budget(time="90m"), 1e9, 5399, None),
        (Budget(time="90m"), 0, 5400, "spec.budget.time is spent: 90m since the first Job."),
        (Budget(gpu_hours=9, time="1m"), 0, 60, "spec.budget.time is spent: 1m since the first Job."),
    ],
)
def test_any_part_of_a_budget_may_be_spent(
    budget: Budget | None, gpu_seconds: float, seconds: float, spent: str | None
) -> None:
    assert Limits(budget, seconds).spent(gpu_seconds) == spent


@pytest.mark.parametrize(("text", "seconds"), [("45s", 45), ("90m", 5400), ("12h", 43_200), ("1d12h", 129_600)])
def test_a_duration_is_written_as_people_write_it(text: str, seconds: int) -> None:
    assert Budget(time=text).seconds == seconds


@pytest.mark.parametrize("text", ["", "12", "h", "1.5h", "-1h", "0h", "12 h", "1w"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValidationError, match="no duration: write it as 90m, 12h or 1d12h"):
        Budget(time=text)


def test_attempts_that_came_to_nothing_count_and_runs_of_others_do_not() -> None:
    one, other = PLAN.runs[:2]
    ended = {
        one.run_id: replace(outcome(one, value=0.5), spent=Spent(1000.0)),
        other.run_id: replace(outcome(other, value=0.5), spent=Spent(), taken_from="base"),
    }
    of = seen(outcomes=ended, spent={one.run_id: Spent(400.0), RUNS[2]: Spent(50.0), RUNS[3]: Spent(7.0)})
    assert of.gpu_seconds() == 1057
    assert of.gpu_seconds(PLAN.runs[2].task) + of.gpu_seconds(one.task) == 1057


def test_nothing_is_created_once_it_is_spent_and_a_report_is_made() -> None:
    decision = decide(seen())
    assert [type(action) for action in decision.actions] == [HoldWork, CreateReportJob]
    assert not decision.done


def test_what_runs_goes_on_and_is_said_to() -> None:
    decision = decide(with_job(held(seen()), active=2, ready=2))
    assert decision.actions == ()
    assert (decision.reason, decision.done) == (Reason.BUDGET_SPENT, False)
    assert decision.message.startswith(
        "spec.budget.gpuHours is spent: 1 of 1 GPU-hours. Nothing new begins; what runs goes on to its end."
    )


def test_pods_are_told_before_anything_else_and_once() -> None:
    of = with_job(seen(), active=2, ready=2)
    assert decide(of).actions == (HoldWork("exp", "spec.budget.gpuHours is spent: 1 of 1 GPU-hours."),)
    assert decide(held(of)).actions == ()


def test_a_job_of_which_nothing_runs_is_taken_back() -> None:
    waiting = with_job(held(seen()))
    assert decide(waiting).actions == (PatchJob("job", suspend=True),)
    assert decide(with_job(held(seen()), suspended=True)).actions == (DeleteJob("job"),)
    assert decide(with_job(held(seen()), suspended=True, queue="q")).actions == (DeleteJob("job"),)


def test_runs_that_did_not_begin_have_not_failed() -> None:
    done = PLAN.runs[1]
    outcomes = {done.run_id: outcome(done, value=0.5)}
    of = held(seen(outcomes=outcomes, report=ReportView(report_digest(PLAN, outcomes.values(), ()))))
    decision = decide(with_job(of, completed=frozenset(range(4)), complete=True))
    assert (decision.reason, decision.done, decision.failed) == (Reason.BUDGET_SPENT, True, {})
    assert decision.message == (
        "spec.budget.gpuHours is spent: 1 of 1 GPU-hours. 3 of 4 runs have no result. Raise it to go on."
    )


@pytest.mark.parametrize("round_", [0, MAX_ROUNDS, 9])
def test_with_more_of_it_the_rest_is_done_however_often_that_was_so(round_: int) -> None:
    of = held(seen(limits=Limits(Budget(gpu_hours=2))))
    ended = with_job(of, completed=frozenset({0, 1, 2}), failed=frozenset({3}), complete=True, round=round_)
    create, *_, last = decide(ended).actions
    assert isinstance(create, CreateTrainJob)
    planned = sorted(run for index in create.job_plan.indexes for run in index)
    assert (planned, create.round) == (sorted(RUNS[:3]), round_ + 1)
    assert last == ReleaseWork("exp"), "until it is there, what was left undone is known to be no failure"


def test_where_no_run_is_left_to_begin_a_spent_budget_says_nothing() -> None:
    outcomes = {run.run_id: replace(outcome(run, value=0.5), spent=Spent(9999.0)) for run in PLAN.runs}
    of = seen(outcomes=outcomes, report=ReportView(report_digest(PLAN, outcomes.values(), ())))
    decision = decide(of)
    assert (decision.reason, decision.actions, decision.done) == (Reason.ALL_RUNS_SUCCEEDED, (), True)


@pytest.mark.parametrize("execution", [Execution(suspend=True), Execution(parallelism=0)])
def test_what_is_suspended_waits_whatever_its_budget(execution: Execution) -> None:
    of = seen(execution=execution)
    waiting = with_job(of, suspended=execution.suspend, parallelism=execution.parallelism)
    decision = decide(waiting)
    assert (decision.reason, decision.actions) == (Reason.SUSPENDED, ())


def test_gpu_hours_of_pods_without_gpus_are_warned_of() -> None:
    gpus = {"resources": {"limits": {"nvidia.com/gpu": 1}}}
    assert any("nothing of it is ever spent" in text for text in warnings(spec({"rte": 1}, budget={"gpuHours": 1})))
    assert not warnings(spec({"rte": 1}, budget={"gpuHours": 1}, execution=gpus))
    assert not warnings(spec({"rte": 1}, budget={"time": "1h"}))
