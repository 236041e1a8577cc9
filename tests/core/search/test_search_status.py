"""The status of a search: counts, the best of each task, conditions, ETA."""

from dataclasses import replace
from typing import Any

import pytest

from finetune_core.api import Execution
from finetune_core.api.search_status import HPSearchStatus
from finetune_core.api.status import Condition, ConditionStatus, Reason
from finetune_core.deciding import executor
from finetune_core.deciding.observation import FailureCause, JobRole, JobView
from finetune_core.deciding.search.decision import SearchDecision, decide_search
from finetune_core.deciding.search.observation import SearchObservation
from finetune_core.deciding.search.status import build_search_status
from finetune_core.results.search.trial import EndReason, TaskEnd, TrialState
from support.search_trials import clock, finalist, search_plan, trial

PLAN = search_plan(("rte", "cola"), trials=4, proxy_for={"rte": ["qnli"]})
END = TaskEnd(driver="d", reason=EndReason.ALL_TRIALS, message="", time=clock(0))
JOB = JobView(name="hunt-1", role=JobRole.TRAIN, revision="r", active=2, created=clock(0))


def values(*scores: float, task: str = "rte", state: TrialState = TrialState.COMPLETED) -> tuple[Any, ...]:
    return tuple(trial(PLAN, index, task=task, value=score, state=state) for index, score in enumerate(scores))


def status_of(
    seen: SearchObservation, decision: SearchDecision | None = None, previous: HPSearchStatus | None = None
) -> HPSearchStatus:
    return build_search_status(
        seen,
        decision or SearchDecision(Reason.RUNNING, "at it", current=(JOB,)),
        previous or HPSearchStatus(),
        uri="s3://b/team/hunt",
        warnings=(),
        generation=3,
        now=clock(9),
    )


def observation(**changes: Any) -> SearchObservation:
    return replace(SearchObservation(plan=PLAN, execution=Execution(), executor=executor.JOB, template="t"), **changes)


def condition(status: HPSearchStatus, name: str) -> Condition:
    return next(one for one in status.conditions if one.type == name)


def test_trials_are_counted_by_how_they_ended() -> None:
    trials = {"rte": (*values(0.6, 0.5), trial(PLAN, 2, state=TrialState.FAILED)), "cola": values(0.1, task="cola")}
    counts = status_of(observation(trials=trials, claimed={"rte": 1, "cola": 2})).trials
    assert counts is not None
    assert (counts.summary, counts.total, counts.completed, counts.failed, counts.running) == ("4/8", 8, 3, 1, 3)


def test_nothing_runs_where_no_pod_does() -> None:
    decision = SearchDecision(Reason.SUSPENDED, "", current=(replace(JOB, active=0),))
    counts = status_of(observation(claimed={"rte": 2}), decision).trials
    assert counts is not None
    assert counts.running == 0


def test_the_best_trial_is_shown_with_its_hyperparameters() -> None:
    trials = {"rte": values(0.6, 0.6679, 0.5), "cola": values(0.42, task="cola")}
    status = status_of(observation(trials=trials))
    best = status.tasks[0].best
    assert best is not None
    assert (best.trial, best.value, best.finalist) == (1, 0.6679, False)
    assert best.hyperparameters == trials["rte"][1].config
    assert best.step == trials["rte"][1].step
    assert status.tasks[0].proxy_for == ("qnli",)
    assert status.best == "rte 66.79, cola 42.00"


def test_a_loss_is_shown_as_it_is() -> None:
    plan = search_plan(("rte",))
    settings = plan.tasks["rte"].settings.model_copy(update={"metric_for_best_model": "loss"})
    task = plan.tasks["rte"].model_copy(update={"settings": settings, "greater_is_better": False})
    plan = plan.model_copy(update={"tasks": {"rte": task}})
    status = status_of(observation(plan=plan, trials={"rte": (trial(plan, 0, value=0.5), trial(plan, 1, value=0.25))}))
    assert status.best == "rte 0.25"


def test_a_finalist_wins_over_a_luckier_trial() -> None:
    plan = search_plan(("rte",), finalists={"trials": 2, "seeds": 3})
    lucky, solid = trial(plan, 0, value=0.9), trial(plan, 1, value=0.8)
    again = (finalist(plan, 0, lucky, 0.6), finalist(plan, 1, solid, 0.75))
    status = status_of(observation(plan=plan, trials={"rte": (lucky, solid)}, finalists={"rte": again}))
    best = status.tasks[0].best
    assert best is not None
    assert (best.trial, best.value, best.finalist, best.hyperparameters) == (1, 0.75, True, solid.config)


def test_the_eta_is_what_trials_took_times_what_is_left_over_what_runs() -> None:
    status = status_of(observation(trials={"rte": values(0.5, 0.6)}, claimed={"rte": 2}))
    assert status.eta == "~3m"  # 6 trials of 50 s, two at a time
    assert status_of(observation(claimed={"rte": 2})).eta is None


@pytest.mark.parametrize(
    ("trials", "expected"),
    [
        pytest.param(0.5, ("True", "AllTrialsEnded", "True", "Exported"), id="values"),
        pytest.param(None, ("False", "TaskFailed", "False", "NothingToExport"), id="no values"),
    ],
)
def test_the_end_is_told_by_conditions(trials: float | None, expected: tuple[str, ...]) -> None:
    state = TrialState.COMPLETED if trials else TrialState.FAILED
    found = {task: tuple(trial(PLAN, i, task=task, state=state) for i in range(4)) for task in PLAN.order}
    seen = observation(trials=found, ends=dict.fromkeys(PLAN.order, END))
    seen = replace(seen, report=seen.digest, config_map=seen.digest)
    status = status_of(seen, decide_search(seen))
    succeeded, ready = condition(status, "Succeeded"), condition(status, "BestHyperparametersReady")
    assert (succeeded.status.value, succeeded.reason, ready.status.value, ready.reason) == expected
    assert status.completion_time == clock(9)
    assert status.results is not None
    assert status.results.html == "s3://b/team/hunt/summary.html"
    assert status.results.hyperparameters == "s3://b/team/hunt/hps"
    assert status.config_map == ("hunt-hyperparameters" if trials else None)
    assert status.tasks[0].end == "AllTrials"


def test_what_was_given_up_is_listed_with_its_cluster() -> None:
    decision = SearchDecision(Reason.TASK_FAILED, "x", failed={"rte/1": FailureCause("UserError", "no such column")})
    (failure,) = status_of(observation(), decision).failures
    assert (failure.task, failure.cluster, failure.reason) == ("rte", 1, "UserError")


def test_a_status_that_did_not_change_is_written_alike() -> None:
    seen = observation(trials={"rte": values(0.5)})
    first = status_of(seen)
    again = build_search_status(
        seen,
        SearchDecision(Reason.RUNNING, "at it", current=(JOB,)),
        first,
        uri="s3://b/team/hunt",
        warnings=(),
        generation=3,
        now=clock(1000),
    )
    assert again == first
    assert condition(first, "Succeeded").status == ConditionStatus.UNKNOWN
