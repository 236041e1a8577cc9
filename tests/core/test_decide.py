"""decide(): what happens next, as tables and as a simulated world that must come to rest."""

import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finetune_core.api import Execution
from finetune_core.api.status import Reason
from finetune_core.deciding.actions import Action, CreateReportJob, CreateTrainJob, DeleteJob, PatchJob
from finetune_core.deciding.executor import JOB
from finetune_core.deciding.experiment.decision import decide
from finetune_core.deciding.job_sequence import MAX_ROUNDS
from finetune_core.deciding.observation import FailureCause, JobRole, JobView, Observation, PodView, ReportView
from finetune_core.deciding.report_digest import report_digest
from finetune_core.planning.plan import Plan
from support.plans import outcome, plan

PLAN = plan({"cola": 2, "rte": 2})
RUNS = [run.run_id for run in PLAN.runs]
SHORT = plan({"wnli": 9})


def observation(**changes: object) -> Observation:
    return replace(Observation(plan=PLAN, execution=Execution(parallelism=2), executor=JOB, template="t"), **changes)


def job(seen: Observation, **changes: object) -> JobView:
    base = JobView(
        name="job",
        role=JobRole.TRAIN,
        revision=seen.revision,
        parallelism=seen.execution.parallelism,
        indexes=tuple((run,) for run in RUNS),
    )
    return replace(base, **changes)


def outcomes(*runs: str, of: Plan = PLAN) -> dict:
    return {run.run_id: outcome(run, value=0.5) for run in of.runs if run.run_id in runs}


def test_a_new_experiment_gets_one_job_with_all_runs() -> None:
    decision = decide(observation())
    (create,) = decision.actions
    assert isinstance(create, CreateTrainJob)
    assert sorted(run for runs in create.job_plan.indexes for run in runs) == sorted(RUNS)
    assert create.parallelism == 2


def test_runs_that_have_a_result_are_not_planned_again() -> None:
    decision = decide(observation(outcomes=outcomes(RUNS[0])))
    (create,) = decision.actions
    assert RUNS[0] not in {run for runs in create.job_plan.indexes for run in runs}


def test_no_job_is_created_while_pods_of_an_earlier_one_live() -> None:
    pod = PodView("old-0", "old", JobRole.TRAIN, 0, ended=False)
    decision = decide(observation(pods=(pod,)))
    assert decision.actions == ()
    assert "old-0" in decision.message


def test_a_working_job_is_left_alone() -> None:
    seen = observation()
    assert decide(replace(seen, jobs=(job(seen, active=2, ready=2),))).actions == ()


@pytest.mark.parametrize("seconds", [0.5, 100.0, 50_000.0])
def test_a_job_keeps_its_pods_whatever_runs_turn_out_to_take(seconds: float) -> None:
    seen = observation(plan=SHORT)
    (create,) = decide(seen).actions
    assert isinstance(create, CreateTrainJob)
    took = {run.run_id: replace(outcome(run, value=0.5), train_seconds=seconds) for run in SHORT.runs[:3]}
    later = replace(seen, outcomes=took, execution=Execution(parallelism=2))
    (anew,) = decide(later).actions
    assert isinstance(anew, CreateTrainJob)
    assert (anew.name, anew.revision) == (create.name, create.revision)
    there = job(seen, name=create.name, indexes=create.job_plan.indexes, active=2, ready=2)
    assert decide(replace(later, jobs=(there,))).actions == ()


def test_runs_share_pods_by_what_they_take_as_soon_as_that_is_known() -> None:
    def pods(seconds: float | None, **execution: object) -> list[int]:
        took = {} if seconds is None else {SHORT.runs[0].run_id: outcome(SHORT.runs[0], value=0.5)}
        took = {run: replace(one, train_seconds=seconds) for run, one in took.items()}
        seen = observation(plan=SHORT, outcomes=took, execution=Execution(parallelism=3, **execution))
        (create,) = decide(seen).actions
        assert isinstance(create, CreateTrainJob)
        return [len(runs) for runs in create.job_plan.indexes]

    assert pods(None) == [3, 3, 3], "as many as may work at a time"
    assert pods(10.0) == [8], "80 seconds are not worth two pods"
    assert pods(70.0) == [4, 4]
    assert pods(500.0) == [1] * 8
    assert pods(10.0, runs_per_pod=3) == [3, 3, 2], "unless the spec says it"


def test_what_a_store_that_somebody_has_to_mend_says_is_said_while_no_pod_is_at_work() -> None:
    seen = observation()
    pod = PodView("job-0-x", "job", JobRole.TRAIN, 0, ended=True, failure_reason="StoreUnavailable")
    refused = (replace(pod, failure_message="cannot write: AccessDenied"),)
    decision = decide(replace(seen, jobs=(job(seen),), pods=refused))
    assert decision.reason == Reason.STORAGE_UNAVAILABLE
    assert "job-0-x cannot use the store: cannot write: AccessDenied" in decision.message
    assert decide(replace(seen, jobs=(job(seen, active=1, ready=1),), pods=refused)).reason == Reason.RUNNING


def test_parallelism_and_suspend_are_changed_in_place() -> None:
    seen = observation(execution=Execution(parallelism=5, suspend=True))
    decision = decide(replace(seen, jobs=(job(seen, parallelism=2),)))
    assert decision.actions == (PatchJob("job", 5, True),)
    assert decision.reason == Reason.SUSPENDED


def test_suspend_is_never_written_back_where_kueue_owns_it() -> None:
    seen = observation(execution=Execution(parallelism=2, queue_name="q"))
    decision = decide(replace(seen, jobs=(job(seen, suspended=True, queue="q"),)))
    assert decision.actions == ()
    assert decision.reason == Reason.QUEUED


QUEUED_AND_SUSPENDED = Execution(parallelism=2, queue_name="q", suspend=True)


@pytest.mark.parametrize("suspended", [True, False], ids=["waiting", "admitted"])
def test_a_suspended_experiment_leaves_its_queue(suspended: bool) -> None:
    # Left suspended in the queue, Kueue would start it.
    seen = observation(execution=QUEUED_AND_SUSPENDED)
    decision = decide(replace(seen, jobs=(job(seen, suspended=suspended, queue="q", active=2),)))
    assert decision.actions == (DeleteJob("job"),)
    assert decision.reason == Reason.SUSPENDED


def test_a_suspended_experiment_enters_no_queue_until_it_goes_on() -> None:
    seen = observation(execution=QUEUED_AND_SUSPENDED)
    assert decide(seen).actions == ()
    assert decide(seen).reason == Reason.SUSPENDED
    (action,) = decide(replace(seen, execution=Execution(parallelism=2, queue_name="q"))).actions
    assert isinstance(action, CreateTrainJob)
    assert action.suspend, "Kueue starts it"


@pytest.mark.parametrize(("suspended", "reason"), [(True, Reason.QUEUED), (False, Reason.RUNNING)])
def test_where_a_default_queue_took_the_job_suspend_is_said_to_do_nothing(suspended: bool, reason: Reason) -> None:
    # Every Job of that namespace is put there, so that taking it out would never end.
    seen = observation(execution=Execution(parallelism=2, suspend=True))
    decision = decide(replace(seen, jobs=(job(seen, suspended=suspended, queue="default"),)))
    assert (decision.actions, decision.reason) == ((), reason)
    assert "execution.suspend does nothing in default, the namespace's default queue" in decision.message


def test_a_job_that_is_preempted_after_its_last_result_is_not_queued_again() -> None:
    seen = observation(outcomes=outcomes(*RUNS), execution=Execution(parallelism=2, queue_name="q"))
    decision = decide(replace(seen, jobs=(job(seen, suspended=True, queue="q"),)))
    assert decision.actions == (DeleteJob("job"),)


def test_a_report_that_a_default_queue_holds_says_so() -> None:
    seen = observation(outcomes=outcomes(*RUNS))
    (order,) = decide(seen).actions
    held = JobView(order.name, JobRole.REPORT, order.revision, suspended=True, queue="default")
    decision = decide(replace(seen, jobs=(held,)))
    assert decision.reason == Reason.QUEUED
    assert f"Waiting for queue default to admit Job {order.name}" in decision.message


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param({"active": 1}, PatchJob("job", suspend=True), id="at work: suspend first"),
        pytest.param({"active": 1, "suspended": True}, None, id="pods still end: wait"),
        pytest.param({"terminating": 1, "suspended": True}, None, id="pods terminate: wait"),
        pytest.param({"suspended": True}, DeleteJob("job"), id="nothing runs: delete"),
        pytest.param({"deleting": True}, None, id="being deleted: wait"),
        pytest.param({"active": 1, "queue": "q"}, DeleteJob("job"), id="Kueue owns suspend: delete"),
    ],
)
def test_a_job_of_another_revision_is_retired_before_a_new_one_starts(changes: dict, expected: Action | None) -> None:
    seen = observation()
    decision = decide(replace(seen, jobs=(job(seen, revision="old", **changes),)))
    assert decision.actions == ((expected,) if expected else ())
    assert decision.reason == Reason.REPLACING_JOB


def test_a_finished_job_of_another_revision_makes_room_at_once() -> None:
    seen = observation(outcomes=outcomes(RUNS[0]))
    decision = decide(replace(seen, jobs=(job(seen, revision="old", complete=True),)))
    assert [type(action) for action in decision.actions] == [CreateTrainJob, DeleteJob]


def test_a_job_that_an_earlier_experiment_left_is_waited_for_and_left_to_kubernetes() -> None:
    seen = observation()
    decision = decide(replace(seen, jobs=(job(seen, owned=False, active=1),)))
    assert decision.actions == ()
    assert decision.reason == Reason.REPLACING_JOB


def test_a_failed_index_fails_its_run_with_the_reason_from_its_report() -> None:
    seen = observation(outcomes=outcomes(*RUNS[1:]), errors={RUNS[0]: FailureCause("UserError", "bad label")})
    done = frozenset({1, 2, 3})
    decision = decide(replace(seen, jobs=(job(seen, completed=done, failed=frozenset({0}), failed_for="x"),)))
    assert decision.failed == {RUNS[0]: FailureCause("UserError", "bad label")}
    assert isinstance(decision.actions[0], CreateReportJob)


def test_a_failed_index_without_a_report_takes_the_reason_of_its_pod() -> None:
    seen = observation(outcomes=outcomes(*RUNS[1:]))
    pod = PodView("p", "job", JobRole.TRAIN, 0, ended=True, failure_reason="OOMKilled", failure_message="raise memory")
    jobs = (job(seen, completed=frozenset({1, 2, 3}), failed=frozenset({0}), failed_for="x"),)
    decision = decide(replace(seen, jobs=jobs, pods=(pod,)))
    assert decision.failed[RUNS[0]] == FailureCause("OOMKilled", "raise memory")


def test_a_completed_index_without_a_result_is_planned_again_a_few_times() -> None:
    seen = observation(outcomes=outcomes(*RUNS[1:]))
    every = frozenset(range(4))
    decision = decide(replace(seen, jobs=(job(seen, completed=every, complete=True),)))
    create, delete = decision.actions
    assert isinstance(create, CreateTrainJob)
    assert (create.round, create.job_plan.indexes) == (1, ((RUNS[0],),))
    assert delete == DeleteJob("job")
    last = decide(replace(seen, jobs=(job(seen, completed=every, complete=True, round=MAX_ROUNDS),)))
    assert last.failed[RUNS[0]].reason == "ResultMissing"


def test_a_pod_that_cannot_start_is_named() -> None:
    seen = observation()
    pod = PodView("p", "job", JobRole.TRAIN, 0, ended=False, blocked="ErrImagePull", blocked_message="no such image")
    decision = decide(replace(seen, jobs=(job(seen, active=1),), pods=(pod,)))
    assert decision.reason == Reason.BLOCKED
    assert "ErrImagePull: no such image" in decision.message


def test_the_end_is_reached_when_the_report_is_current() -> None:
    seen = observation(outcomes=outcomes(*RUNS))
    current = report_digest(PLAN, seen.outcomes.values(), [])
    decision = decide(replace(seen, report=ReportView(current)))
    assert (decision.reason, decision.done, decision.actions) == (Reason.ALL_RUNS_SUCCEEDED, True, ())


def test_a_report_that_is_out_of_date_is_made_again() -> None:
    decision = decide(observation(outcomes=outcomes(*RUNS), report=ReportView("old")))
    assert isinstance(decision.actions[0], CreateReportJob)


def test_a_task_without_a_best_run_fails_the_experiment() -> None:
    nan = {run.run_id: outcome(run, value=None if run.task == "rte" else 0.5) for run in PLAN.runs}
    seen = observation(outcomes=nan)
    decision = decide(replace(seen, report=ReportView(report_digest(PLAN, nan.values(), []))))
    assert decision.reason == Reason.TASK_FAILED
    assert "rte" in decision.message


class World:
    """A cluster and a store in a few lines: Jobs progress at random, actions are applied as Kubernetes would."""

    def __init__(self, rng: random.Random, execution: Execution) -> None:
        self.rng = rng
        self.execution = execution
        self.jobs: dict[str, JobView] = {}
        self.outcomes: dict = {}
        self.report: ReportView | None = None
        self.done_by: dict[str, int] = {}
        self.created: list[str] = []

    def seen(self) -> Observation:
        jobs = list(self.jobs.values())
        self.rng.shuffle(jobs)
        return observation(jobs=tuple(jobs), outcomes=dict(self.outcomes), report=self.report, execution=self.execution)

    def apply(self, action: Action) -> None:
        match action:
            case CreateTrainJob():
                assert all(one.finished or one.role == JobRole.REPORT for one in self.jobs.values())
                self.created.append(action.name)
                self.jobs[action.name] = JobView(
                    name=action.name,
                    role=JobRole.TRAIN,
                    revision=action.revision,
                    round=action.round,
                    suspended=action.suspend,
                    parallelism=action.parallelism,
                    indexes=action.job_plan.indexes,
                )
            case PatchJob(name, parallelism, suspend):
                old = self.jobs[name]
                self.jobs[name] = replace(
                    old,
                    parallelism=old.parallelism if parallelism is None else parallelism,
                    suspended=old.suspended if suspend is None else suspend,
                    active=0 if suspend else old.active,
                )
            case DeleteJob(name):
                assert self.jobs[name].active == 0
                del self.jobs[name]
            case CreateReportJob():
                self.jobs[action.name] = JobView(name=action.name, role=JobRole.REPORT, revision=action.revision)

    def progress(self) -> None:
        for one in list(self.jobs.values()):
            if one.role == JobRole.REPORT and not one.finished:
                self.report = ReportView(report_digest(PLAN, self.outcomes.values(), self.failed()))
                self.jobs[one.name] = replace(one, complete=True)
            elif not one.finished and not one.suspended:
                self.jobs[one.name] = self._step(one)

    def failed(self) -> list[str]:
        return [run for run in RUNS if run not in self.outcomes]

    def _step(self, one: JobView) -> JobView:
        open_ = [i for i in range(len(one.indexes)) if i not in one.completed | one.failed]
        if not open_:
            final = {"failed_for": "FailedIndexes"} if one.failed else {"complete": True}
            return replace(one, active=0, **final)
        index = self.rng.choice(open_)
        what = self.rng.choice(["result", "result", "lost", "failed"])
        if what == "failed":
            return replace(one, failed=one.failed | {index}, active=min(one.parallelism, len(open_) - 1))
        if what == "result":
            for run_id in one.indexes[index]:
                planned = next(run for run in PLAN.runs if run.run_id == run_id)
                self.outcomes[run_id] = outcome(planned, value=0.5)
                self.done_by[run_id] = self.done_by.get(run_id, 0) + 1
        return replace(one, completed=one.completed | {index}, active=min(one.parallelism, len(open_) - 1))


@settings(max_examples=200, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_every_world_comes_to_rest_with_each_run_done_at_most_once(seed: int) -> None:
    rng = random.Random(seed)
    world = World(rng, Execution(parallelism=rng.randint(1, 3), runs_per_pod=rng.choice([1, 2, 3, "Auto"])))
    for _ in range(200):
        decision = decide(world.seen())
        if decision.done and not decision.actions:
            break
        for action in decision.actions:
            world.apply(action)
        if rng.random() < 0.2:
            world.execution = world.execution.model_copy(update={"retry_token": str(rng.random())[:8]})
        if rng.random() < 0.7:
            world.progress()
    assert decision.done
    assert decide(world.seen()).actions == ()
    assert all(count == 1 for count in world.done_by.values())


@settings(max_examples=100, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_a_decision_is_a_fixpoint_and_does_not_depend_on_order(seed: int) -> None:
    rng = random.Random(seed)
    world = World(rng, Execution(parallelism=2))
    for _ in range(rng.randint(0, 30)):
        for action in decide(world.seen()).actions:
            world.apply(action)
        if rng.random() < 0.5:
            world.progress()
    decision = decide(world.seen())
    assert decide(world.seen()).actions == decision.actions
    # Its actions done, and the world standing still, it comes to ask for nothing within a few looks.
    for _ in range(5):
        actions = decide(world.seen()).actions
        for action in actions:
            world.apply(action)
    assert decide(world.seen()).actions == ()
