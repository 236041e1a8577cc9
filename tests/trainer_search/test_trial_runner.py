"""Trials over workers that are stood in for: what a driver makes of reports, failures and lost workers."""

from collections import deque

import pytest

from finetune_core.api.search import TrialScheduler
from finetune_core.layout import ExperimentLayout
from finetune_core.results.run import ExitCode, FailureReason, Progress
from finetune_core.results.search.trial import TrialReport, TrialState
from finetune_core.search_layout import TrialKind
from finetune_store import OfTheStoreError, open_store
from finetune_trainer.drive.pool import Answer, LostError, WorkerDiedError
from finetune_trainer.drive.worker import Report
from finetune_trainer.errors import UserError
from finetune_trainer.search.ledger import Ledger
from finetune_trainer.search.trial_runner import TrialRunner
from support.pools import Told, failure
from support.search_drivers import FakeClock, FakeDriver, phase, search_plan

COMPLETED, STOPPED, FAILED = TrialState.COMPLETED, TrialState.STOPPED, TrialState.FAILED


def at(progress, value=0.5):
    metrics = {"accuracy": value}
    return Report(TrialReport(step=round(100 * progress), progress=progress, seconds=1.0, metrics=metrics))


RETRIES = 3
WHOLE = (at(0.25), at(1.0), None)


class Pool:
    """`workers` trials at a time; what comes of a trial each time that it is begun is in the script, by index."""

    def __init__(self, *, workers=1, **script):
        self.script = {int(name.removeprefix("t")): deque(attempts) for name, attempts in script.items()}
        self.workers = workers
        self.log = []
        self._left = {}
        self._asked = []

    def room(self, wanted):
        return min(wanted, self.workers - len(self._left))

    def start(self, name, order):
        index = int(name.split()[-1])
        self.log.append(f"start {index}")
        attempts = self.script.get(index)
        self._left[name] = deque(attempts.popleft() if attempts else WHOLE)
        self._asked.append(name)

    def wait(self, seconds):
        asked, self._asked = self._asked, []
        return [self._answer(name) for name in asked]

    def _answer(self, name):
        outcome = self._left[name].popleft()
        if not isinstance(outcome, Report):
            del self._left[name]
        return Answer(name, outcome)

    def go_on(self, name):
        self._asked.append(name)

    def end(self, name):
        self.log.append(f"end {name.split()[-1]}")
        del self._left[name]

    def stop(self):
        self.log.append("stop")


SPENT = {"step": 1, "total_steps": 2, "seconds_left": 1, "elapsed_seconds": 90, "attempt": "a", "time": "t"}


class Searched:
    """A runner that has worked a phase through; leases and looks at the store never wait."""

    def __init__(self, tmp_path, pool, *, trials=2, stop=None, goal=None, space=None, **fields):
        plan = search_plan(trials=trials, space=space)
        task = plan.tasks["rte"].model_copy(update={"goal": goal})
        made = phase(plan.model_copy(update={"tasks": {"rte": task}, **fields}))
        store = open_store(f"file://{tmp_path}/store")
        clock = FakeClock()
        driver = FakeDriver("one", store, made, clock)
        self._clock = clock
        self.pool, self.trials = pool, driver.trials
        self.error = None
        waited = pool.wait

        def wait(seconds):
            clock.seconds += 2
            return waited(seconds)

        pool.wait = wait
        runner = TrialRunner(
            made,
            trials=driver.trials,
            queue=driver.queue,
            ledger=Ledger(store, made, driver.trials),
            pool=pool,
            stop=stop or Told(),
            retries=RETRIES,
            clock=clock,
        )
        try:
            deque(runner.steps())
        except (UserError, OfTheStoreError) as error:
            self.error = error

    @property
    def seconds(self):
        """How long it took, by the fake clock."""
        return self._clock.seconds

    @property
    def states(self):
        return {index: trial.state for index, trial in sorted(self.trials.results.items())}


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_every_trial_is_done_and_recorded_with_its_reports(tmp_path, workers):
    searched = Searched(tmp_path, Pool(workers=workers), trials=3)

    assert searched.states == dict.fromkeys(range(3), COMPLETED)
    assert [report.progress for report in searched.trials.results[1].history] == [0.25, 1.0]
    assert searched.trials.running == set()


def test_a_trial_costs_what_its_runs_took_over_all_attempts(tmp_path):
    # Configurations follow from the search's seed: the same trials as in the search before.
    known = Searched(tmp_path / "before", Pool()).trials.results[0]
    store, layout = open_store(f"file://{tmp_path}/store"), ExperimentLayout("ns", "find")
    for run_id in known.run_ids:
        store.put(layout.run("rte", run_id).progress, Progress(**SPENT, gpu_seconds=45).to_json())

    trials = Searched(tmp_path, Pool()).trials.results
    assert {index: trial.gpu_seconds for index, trial in trials.items()} == {0: 45.0, 1: 0.0}


@pytest.mark.parametrize("lost", [WorkerDiedError("killed"), failure(ExitCode.RETRY)])
def test_a_trial_is_begun_again_as_often_as_a_run_is_tried_again_and_others_do_not_wait_for_it(tmp_path, lost):
    searched = Searched(tmp_path, Pool(t0=[(at(0.25), lost)] * RETRIES))

    assert searched.states == {0: COMPLETED, 1: COMPLETED}
    assert searched.pool.log == ["start 0", "start 1", *["start 0"] * RETRIES]
    # As runs do (10, 20 and 40 seconds): what is amiss has time to pass.
    assert searched.seconds >= 70


def test_a_worker_that_is_lost_with_its_node_costs_no_try_and_no_time(tmp_path):
    searched = Searched(tmp_path, Pool(t0=[(at(0.25), LostError())] * 9))

    assert searched.states == {0: COMPLETED, 1: COMPLETED}
    assert searched.pool.log == ["start 0"] * 10 + ["start 1"]


def test_a_trial_that_is_lost_a_fourth_time_has_failed_and_the_others_are_done(tmp_path):
    searched = Searched(tmp_path, Pool(t0=[(WorkerDiedError("out of memory"),)] * 4))

    assert searched.states == {0: FAILED, 1: COMPLETED}
    assert "out of memory" in searched.trials.results[0].error


def test_what_a_trial_reports_again_is_not_judged_again(tmp_path):
    again = [(at(0.25, 0.9), WorkerDiedError("killed")), (at(0.25, 0.1), at(1.0, 0.9), None)]
    pool = Pool(workers=2, t0=[(at(0.25, 0.5), at(1.0, 0.5), None)], t1=again)
    searched = Searched(tmp_path, pool, scheduler=TrialScheduler.ASHA)

    assert searched.states == {0: COMPLETED, 1: COMPLETED}


def test_a_trial_that_lags_is_stopped_once_that_is_recorded_and_its_worker_does_the_next(tmp_path):
    pool = Pool(t0=[(at(0.25, 0.9), at(1.0, 0.9), None)], t1=[(at(0.25, 0.2),)])
    searched = Searched(tmp_path, pool, trials=3, scheduler=TrialScheduler.ASHA)

    assert searched.states == {0: COMPLETED, 1: STOPPED, 2: STOPPED}
    assert searched.trials.results[1].value == 0.2
    assert pool.log == ["start 0", "start 1", "end 1", "start 2", "end 2"]


def test_trials_end_when_one_reaches_the_goal(tmp_path):
    pool = Pool(workers=2, t0=[(at(0.25, 0.1), at(0.5, 0.8), at(1.0, 0.8), None)], t1=[(at(0.25, 0.1), at(0.5, 0.1))])
    searched = Searched(tmp_path, pool, goal=0.7)

    assert searched.states == {0: STOPPED, 1: STOPPED}


def test_no_finalist_is_ended_by_the_goal_that_the_trials_were_to_reach(tmp_path):
    plan = search_plan(trials=1)
    task = plan.tasks["rte"].model_copy(update={"goal": 0.1})
    made = phase(plan.model_copy(update={"tasks": {"rte": task}}))
    finalists = type(made)(**{**vars(made), "kind": TrialKind.FINALISTS})
    store = open_store(f"file://{tmp_path}/store")
    driver = FakeDriver("one", store, finalists, FakeClock())
    ledger = Ledger(store, finalists, driver.trials)
    parts = {"trials": driver.trials, "queue": driver.queue, "ledger": ledger}
    deque(TrialRunner(finalists, **parts, pool=Pool(), stop=Told(), retries=RETRIES).steps())

    assert driver.trials.results[0].state == COMPLETED


def test_a_failed_trial_is_recorded_and_not_tried_again(tmp_path):
    searched = Searched(tmp_path, Pool(t0=[(at(0.25), failure(ExitCode.GAVE_UP, "loss is NaN"))]))

    assert searched.states == {0: FAILED, 1: COMPLETED}
    assert searched.trials.results[0].error == "loss is NaN"
    assert searched.pool.log.count("start 0") == 1


def test_a_trial_whose_loss_is_not_finite_is_recorded_as_diverged(tmp_path):
    diverged = failure(ExitCode.GAVE_UP, "loss is NaN").model_copy(update={"reason": FailureReason.DIVERGED})
    searched = Searched(tmp_path, Pool(t0=[(at(0.25), diverged)]))

    assert searched.states == {0: FAILED, 1: COMPLETED}
    assert [searched.trials.results[index].diverged for index in (0, 1)] == [True, False]


def test_a_configuration_that_no_run_accepts_is_recorded_as_failed_without_a_worker(tmp_path):
    searched = Searched(tmp_path, Pool(), space={"warmupRatio": {"choice": [-1.0]}}, trials=1)

    assert searched.states == {0: FAILED}
    assert searched.pool.log == []


def test_a_trial_without_an_evaluation_has_failed(tmp_path):
    assert Searched(tmp_path, Pool(t0=[(None,)])).states == {0: FAILED, 1: COMPLETED}


def test_inputs_that_cannot_be_used_end_the_search_and_no_trial_is_lost_to_them(tmp_path):
    searched = Searched(tmp_path, Pool(t0=[(failure(ExitCode.USER_ERROR, "no model there"),)]))

    assert str(searched.error) == "no model there"
    assert searched.states == {}
    assert searched.trials.running == set()


@pytest.mark.parametrize("workers", [1, 2])
def test_a_store_that_somebody_has_to_mend_ends_the_driver_and_no_trial_is_lost_to_it(tmp_path, workers):
    refused = (failure(ExitCode.STORE, "AccessDenied"),)
    script = {f"t{index}": [refused] for index in range(1, 4)}
    searched = Searched(tmp_path, Pool(workers=workers, **script), trials=4)

    assert isinstance(searched.error, OfTheStoreError)
    assert str(searched.error) == "AccessDenied"
    assert searched.states == {0: COMPLETED}
    assert searched.trials.running == set()


def test_where_a_trial_has_reported_inputs_can_be_used_and_the_mistake_is_the_trials(tmp_path):
    searched = Searched(tmp_path, Pool(t1=[(failure(ExitCode.USER_ERROR, "fp16 needs a GPU"),)]), trials=3)

    assert searched.error is None
    assert searched.states == {0: COMPLETED, 1: FAILED, 2: COMPLETED}


def test_a_trial_whose_workers_pod_ends_is_given_back_and_goes_on(tmp_path):
    searched = Searched(tmp_path, Pool(t0=[(at(0.25), failure(ExitCode.INTERRUPTED))] * 9), trials=1)

    assert searched.states == {0: COMPLETED}
    assert searched.trials.claims[0].number == 9


@pytest.mark.parametrize("outcome", [failure(ExitCode.INTERRUPTED), WorkerDiedError("killed")])
def test_told_to_stop_it_begins_nothing_waits_for_what_is_running_and_leaves_it_to_others(tmp_path, outcome):
    searched = Searched(tmp_path, Pool(t0=[(at(0.25), at(0.5), outcome)]), stop=Told(asked=1))

    assert searched.pool.log == ["start 0", "stop"]
    assert searched.states == {}
    assert searched.trials.running == set()
