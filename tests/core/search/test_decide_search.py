"""decide_search(): what happens next, as tables and as a simulated world that must come to rest."""

import random
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finetune_core.api import Execution
from finetune_core.api.status import Reason
from finetune_core.deciding.actions import (
    Action,
    CreateReportJob,
    CreateTrainJob,
    DeleteJob,
    PatchJob,
    PutHyperparameters,
    ReopenTask,
)
from finetune_core.deciding.observation import FailureCause, JobRole, JobView
from finetune_core.deciding.search.decision import SearchDecision, decide_search
from finetune_core.deciding.search.observation import SearchObservation
from finetune_core.planning.search.plan import SearchJobPlan, unit_name
from finetune_core.results.search.trial import EndReason, TaskEnd, TrialState
from finetune_operator.executors import EXECUTORS
from support.search_trials import clock, search_plan, trial

PLAN = search_plan(("rte", "cola"), trials=3)
END = TaskEnd(driver="d", reason=EndReason.ALL_TRIALS, message="", time=clock(0))
TRIALS = {task: tuple(trial(PLAN, index, task=task) for index in range(3)) for task in PLAN.order}
ENDED: dict[str, Any] = {"trials": TRIALS, "ends": dict.fromkeys(PLAN.order, END)}
RAY = Execution.model_validate({"mode": "RayCluster", "parallelism": 2})


def observation(**changes: Any) -> SearchObservation:
    execution = changes.get("execution", Execution(parallelism=2))
    base = SearchObservation(plan=PLAN, execution=execution, executor=EXECUTORS.of(execution).traits, template="t")
    return replace(base, **changes)


def created(decision: SearchDecision) -> list[CreateTrainJob]:
    return [action for action in decision.actions if isinstance(action, CreateTrainJob)]


def units_of(action: CreateTrainJob) -> list[str]:
    assert isinstance(action.job_plan, SearchJobPlan)
    return [unit_name(unit) for unit in action.job_plan.units]


def job_of(action: CreateTrainJob, **changes: Any) -> JobView:
    base = JobView(
        name=action.name,
        role=JobRole.TRAIN,
        revision=action.revision,
        round=action.round,
        parallelism=action.parallelism,
        indexes=tuple((unit,) for unit in units_of(action)),
        executor=EXECUTORS.of_kind(action.kind).traits,
        sequence=action.sequence,
    )
    return replace(base, **changes)


def test_a_new_search_gets_one_job_with_an_index_for_each_task_and_cluster() -> None:
    (create,) = created(decide_search(observation(clusters=2)))
    assert units_of(create) == ["rte/0", "cola/0", "rte/1", "cola/1"]
    assert (create.kind, create.parallelism, create.name.startswith("hunt-")) == ("Job", 2, True)


def test_in_ray_mode_each_cluster_gets_a_ray_job_of_its_own() -> None:
    creates = created(decide_search(observation(clusters=2, execution=RAY)))
    assert [(one.kind, one.sequence, units_of(one)) for one in creates] == [
        ("RayJob", "c0", ["rte/0", "cola/0"]),
        ("RayJob", "c1", ["rte/1", "cola/1"]),
    ]
    assert len({one.name for one in creates}) == 2


def test_more_ray_clusters_leave_those_at_work_alone() -> None:
    (first,) = created(decide_search(observation(execution=RAY)))
    decision = decide_search(observation(execution=RAY, clusters=2, jobs=(job_of(first, active=1, ready=1),)))
    assert [one.sequence for one in created(decision)] == ["c1"]
    assert len(decision.actions) == 1


def test_fewer_ray_clusters_retire_those_that_are_too_many() -> None:
    creates = created(decide_search(observation(execution=RAY, clusters=2)))
    jobs = tuple(job_of(one, active=1, ready=1) for one in creates)
    decision = decide_search(observation(execution=RAY, clusters=1, jobs=jobs))
    assert decision.actions == (PatchJob(creates[1].name, suspend=True, kind="RayJob"),)


def test_a_change_of_mode_retires_the_job_and_begins_ray_jobs() -> None:
    (first,) = created(decide_search(observation()))
    decision = decide_search(observation(execution=RAY, jobs=(job_of(first, active=1),)))
    assert PatchJob(first.name, suspend=True) in decision.actions
    assert [one.kind for one in created(decision)] == ["RayJob"]


def test_tasks_that_ended_are_not_searched_again() -> None:
    (create,) = created(decide_search(observation(ends={"rte": END}, trials=TRIALS)))
    assert units_of(create) == ["cola/0"]


def test_a_job_at_work_is_left_alone_and_trials_are_counted() -> None:
    (create,) = created(decide_search(observation()))
    decision = decide_search(observation(jobs=(job_of(create, active=2, ready=2),), trials={"rte": TRIALS["rte"][:2]}))
    assert decision.actions == ()
    assert decision.reason == Reason.RUNNING
    assert decision.message.startswith("2 of 6 trials ended.")


def test_parallelism_and_suspend_are_changed_in_place() -> None:
    (create,) = created(decide_search(observation()))
    changed = Execution(parallelism=5, suspend=True)
    decision = decide_search(observation(execution=changed, jobs=(job_of(create, active=2),)))
    assert decision.actions == (PatchJob(create.name, 5, True),)
    assert decision.reason == Reason.SUSPENDED


@pytest.mark.parametrize("changes", [{"plan": search_plan(("rte", "cola"), trials=9)}, {"concurrent_trials": 2}])
def test_more_trials_at_a_time_or_in_all_replace_the_job(changes: dict[str, Any]) -> None:
    (create,) = created(decide_search(observation()))
    decision = decide_search(observation(jobs=(job_of(create, active=2),), **changes))
    assert decision.actions == (PatchJob(create.name, suspend=True),)
    assert decision.reason == Reason.REPLACING_JOB


def test_a_task_that_ended_with_fewer_trials_than_are_asked_for_now_is_searched_on() -> None:
    decision = decide_search(observation(plan=search_plan(("rte", "cola"), trials=4), **ENDED))
    assert [action for action in decision.actions if isinstance(action, ReopenTask)] == [
        ReopenTask("rte"),
        ReopenTask("cola"),
    ]
    (create,) = created(decision)
    assert units_of(create) == ["rte/0", "cola/0"]


FINALS = search_plan(("rte",), trials=3, finalists={"trials": 1, "seeds": 2})


@pytest.mark.parametrize(
    ("plan", "end", "stale"),
    [
        pytest.param(FINALS, END, False, id="an earlier release's, which says nothing"),
        pytest.param(FINALS, {"ending": FINALS.ending("rte"), "finalists": 0}, False, id="by this plan"),
        pytest.param(FINALS, {"ending": PLAN.ending("rte")}, True, id="by the plan before, without finalists"),
        pytest.param(FINALS, {"ending": FINALS.ending("rte"), "finalists": 1}, True, id="a finalist is gone"),
        pytest.param(PLAN, {"reason": EndReason.GOAL_REACHED, "trials": 3}, False, id="after all that is there"),
        pytest.param(PLAN, {"reason": EndReason.GOAL_REACHED, "trials": 4}, True, id="a trial is gone"),
    ],
)
def test_an_end_holds_for_its_own_plan_and_for_what_it_came_after(plan, end, stale: bool) -> None:
    made = END.model_copy(update=dict(end))
    seen = observation(plan=plan, trials={"rte": TRIALS["rte"]}, ends={"rte": made})
    assert seen.stale_ends == (("rte",) if stale else ())


def test_ends_that_an_earlier_release_wrote_keep_their_digest() -> None:
    assert END.model_dump(mode="json").keys() == {"driver", "reason", "message", "time"}


def test_a_unit_that_failed_in_a_job_that_is_gone_is_not_tried_again() -> None:
    cause = FailureCause("UserError", "no model there")
    decision = decide_search(observation(ends={"rte": END}, trials=TRIALS, given_up={"cola/0": cause}))
    assert created(decision) == []
    assert decision.failed == {"cola/0": cause}
    assert any(isinstance(action, CreateReportJob) for action in decision.actions)


def test_a_result_that_cannot_be_read_counts_as_none() -> None:
    unreadable = {f"trials/{task}/00002/result.json": "it is no JSON" for task in TRIALS}
    seen = observation(trials={task: TRIALS[task][:2] for task in TRIALS}, ends=ENDED["ends"], unreadable=unreadable)
    assert seen.open_tasks == frozenset(TRIALS)


def test_the_report_comes_when_every_task_has_ended_then_the_config_map_then_the_end() -> None:
    seen = observation(**ENDED)
    (report,) = decide_search(seen).actions
    assert isinstance(report, CreateReportJob)
    assert report.digest == seen.digest

    (put,) = decide_search(replace(seen, report=seen.digest)).actions
    assert isinstance(put, PutHyperparameters)
    assert (put.name, put.digest) == ("hunt-hyperparameters", seen.digest)
    assert sorted(put.data) == ["cola.yaml", "hyperparameters.yaml", "rte.yaml"]

    last = decide_search(replace(seen, report=seen.digest, config_map=seen.digest))
    assert (last.actions, last.done, last.reason) == ((), True, Reason.ALL_TRIALS_ENDED)


def test_the_job_may_still_be_ending_when_every_task_has_ended() -> None:
    (create,) = created(decide_search(observation()))
    decision = decide_search(observation(jobs=(job_of(create, active=1),), **ENDED))
    assert decision.actions == ()
    assert not decision.done


def test_a_task_whose_only_search_was_given_up_is_told() -> None:
    (create,) = created(decide_search(observation()))
    job = job_of(create, completed=frozenset({0}), failed=frozenset({1}), failed_for="FailedIndexes")
    seen = observation(jobs=(job,), ends={"rte": END}, trials={"rte": TRIALS["rte"]})
    decision = decide_search(replace(seen, report=seen.digest, config_map=seen.digest))
    assert (decision.done, decision.reason) == (True, Reason.TASK_FAILED)
    assert "cola" in decision.message
    assert list(decision.failed) == ["cola/0"]


def test_a_cluster_that_gave_up_does_not_end_the_search_of_the_other() -> None:
    (create,) = created(decide_search(observation(clusters=2)))
    job = job_of(create, failed=frozenset({0}), active=2)
    decision = decide_search(observation(clusters=2, jobs=(job,)))
    assert (decision.done, decision.reason, list(decision.failed)) == (False, Reason.RUNNING, ["rte/0"])


def test_failed_trials_are_told_but_the_search_succeeds() -> None:
    bad = {**TRIALS, "rte": (*TRIALS["rte"][:2], trial(PLAN, 2, state=TrialState.FAILED))}
    seen = observation(trials=bad, ends=ENDED["ends"])
    decision = decide_search(replace(seen, report=seen.digest, config_map=seen.digest))
    assert (decision.done, decision.reason) == (True, Reason.SOME_TRIALS_FAILED)
    assert "1 of 6" in decision.message


def test_a_search_without_any_value_fails_without_a_config_map() -> None:
    none = {task: tuple(trial(PLAN, i, task=task, state=TrialState.FAILED) for i in range(3)) for task in PLAN.order}
    seen = observation(trials=none, ends=ENDED["ends"])
    decision = decide_search(replace(seen, report=seen.digest))
    assert (decision.done, decision.actions, decision.reason) == (True, (), Reason.TASK_FAILED)


class World:
    """A cluster and a store in a few lines: drivers make trials at random, actions are applied as Kubernetes would."""

    def __init__(self, rng: random.Random, execution: Execution, clusters: int) -> None:
        self.rng = rng
        self.execution = execution
        self.clusters = clusters
        self.plan = PLAN
        self.jobs: dict[str, JobView] = {}
        self.trials: dict[str, int] = dict.fromkeys(PLAN.order, 0)
        self.ends: dict[str, TaskEnd] = {}
        self.report: str | None = None
        self.config_map: str | None = None

    def seen(self) -> SearchObservation:
        jobs = list(self.jobs.values())
        self.rng.shuffle(jobs)
        return observation(
            plan=self.plan,
            execution=self.execution,
            clusters=self.clusters,
            jobs=tuple(jobs),
            trials={task: tuple(trial(self.plan, i, task=task) for i in range(n)) for task, n in self.trials.items()},
            ends=dict(self.ends),
            report=self.report,
            config_map=self.config_map,
        )

    def apply(self, action: Action) -> None:
        match action:
            case CreateTrainJob():
                assert action.name not in self.jobs
                self.jobs[action.name] = job_of(action, suspended=action.suspend)
            case PatchJob(name, parallelism, suspend):
                old = self.jobs[name]
                self.jobs[name] = replace(
                    old,
                    parallelism=old.parallelism if parallelism is None else parallelism,
                    suspended=old.suspended if suspend is None else suspend,
                    active=0 if suspend else old.active,
                )
            case DeleteJob(name):
                del self.jobs[name]
            case CreateReportJob():
                self.jobs[action.name] = JobView(name=action.name, role=JobRole.REPORT, revision=action.revision)
            case PutHyperparameters():
                self.config_map = action.digest
            case ReopenTask(task):
                self.ends.pop(task, None)

    def progress(self) -> None:
        for one in list(self.jobs.values()):
            if one.role == JobRole.REPORT and not one.finished:
                self.report = self.seen().digest
                self.jobs[one.name] = replace(one, complete=True)
            elif not one.finished and not one.suspended:
                self.jobs[one.name] = self._step(one)

    def _step(self, one: JobView) -> JobView:
        open_ = [i for i in range(len(one.indexes)) if i not in one.completed | one.failed]
        if not open_:
            final = {"failed_for": "FailedIndexes"} if one.failed else {"complete": True}
            return replace(one, active=0, **final)
        index = self.rng.choice(open_)
        task = one.indexes[index][0].partition("/")[0]
        if self.rng.random() < 0.1:
            return replace(one, failed=one.failed | {index})
        if self.trials[task] < self.plan.tasks[task].trials:
            self.trials[task] += 1
        else:
            self.ends[task] = END
        if task in self.ends:
            return replace(one, completed=one.completed | {index})
        return replace(one, active=1)


@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_every_search_comes_to_rest_whatever_changes_meanwhile(seed: int) -> None:
    rng = random.Random(seed)
    execution = rng.choice([Execution(parallelism=rng.randint(1, 3)), RAY])
    world = World(rng, execution, clusters=rng.randint(1, 3))
    for step in range(400):
        decision = decide_search(world.seen())
        if decision.done:
            break
        for action in decision.actions:
            world.apply(action)
        if step < 50 and rng.random() < 0.1:
            world.clusters = rng.randint(1, 3)
        if step < 50 and rng.random() < 0.1:
            world.plan = search_plan(("rte", "cola"), trials=world.plan.tasks["rte"].trials + 1)
        if rng.random() < 0.8:
            world.progress()
    assert decision.done
    assert decide_search(world.seen()).actions == ()
    if decision.reason != Reason.TASK_FAILED and not decision.failed:
        assert world.trials == {task: world.plan.tasks[task].trials for task in world.plan.order}


@settings(max_examples=100, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_a_decision_is_a_fixpoint_and_does_not_depend_on_order(seed: int) -> None:
    rng = random.Random(seed)
    world = World(rng, rng.choice([Execution(parallelism=2), RAY]), clusters=2)
    for _ in range(rng.randint(0, 30)):
        for action in decide_search(world.seen()).actions:
            world.apply(action)
        if rng.random() < 0.5:
            world.progress()
    decision = decide_search(world.seen())
    assert decide_search(world.seen()).actions == decision.actions
    # Its actions done, and the world standing still, it comes to ask for nothing within a few looks.
    for _ in range(5):
        for action in decide_search(world.seen()).actions:
            world.apply(action)
    assert decide_search(world.seen()).actions == ()
