"""The driver's loop over workers that are stood in for: who does a run is not its concern."""

from collections import deque

from finetune_core.planning.plan import ExecutionLimits
from finetune_core.results.run import DriverReport, ExitCode
from finetune_store import open_store
from finetune_trainer.drive.driver import Driver
from finetune_trainer.drive.pool import Answer, LostError, WorkerDiedError
from finetune_trainer.driver_report import DriverReporter
from support.pools import Told, failure

TASK = {"name": "rte", "runs": 3, "training": {"maxSteps": 4, "evalSteps": 2}}
KEY = "ns/exp/ray/job.json"


class Pool:
    """Does one run at a time, as a script says; a run that the script says nothing of is done."""

    def __init__(self, **script):
        self.script = {run: deque(outcomes) for run, outcomes in script.items()}
        self.begun = []
        self.stopped = False
        self._at = None

    def room(self, wanted):
        return 1 if self._at is None and wanted else 0

    def start(self, run, order):
        assert order == run
        self.begun.append(run)
        self._at = run

    def wait(self, seconds):
        if self._at is None:
            return []
        run, self._at = self._at, None
        outcomes = self.script.get(run)
        return [Answer(run, outcomes.popleft() if outcomes else None)]

    def stop(self):
        self.stopped = True


class Driven:
    """A driver over a pool, with what it reported."""

    def __init__(self, workspace, pool, *, retries=3, stop=None, finished=()):
        self.job = workspace.plan([TASK], limits=ExecutionLimits(retries=retries))
        self.runs = [one for (one,) in self.job.indexes]
        self.pool = pool(*self.runs)
        store = open_store(f"file://{workspace.store}")
        clock = iter(range(0, 10**9, 1000))
        done = {self.runs[place] for place in finished}
        self.code = Driver(
            self.job,
            self.pool,
            reporter=DriverReporter(store, KEY),
            stop=stop or Told(),
            has_result=lambda run: run.run_id in done,
            now=lambda: float(next(clock)),
        ).run()
        self.report = DriverReport.model_validate_json(store.get(KEY)) if store.stat(KEY) else None


def test_every_run_is_done_and_reported(workspace):
    driven = Driven(workspace, lambda *_: Pool())

    assert driven.code == ExitCode.SUCCESS
    assert driven.pool.begun == driven.runs
    assert driven.report.done == tuple(driven.runs)
    assert driven.report.running == ()


def test_a_run_with_a_result_is_not_begun(workspace):
    driven = Driven(workspace, lambda *_: Pool(), finished=[0, 2])

    assert driven.pool.begun == [driven.runs[1]]
    assert sorted(driven.report.done) == sorted(driven.runs)


def test_a_failure_that_passes_is_tried_again(workspace):
    driven = Driven(workspace, lambda a, *_: Pool(**{a: [failure(ExitCode.RETRY)]}))

    assert driven.code == ExitCode.SUCCESS
    assert driven.pool.begun.count(driven.runs[0]) == 2


def test_the_users_mistake_fails_its_run_and_the_others_are_done(workspace):
    broken = failure(ExitCode.USER_ERROR, "label 7 is not known")
    driven = Driven(workspace, lambda a, *_: Pool(**{a: [broken]}))

    assert driven.code == ExitCode.USER_ERROR
    assert driven.report.failed[driven.runs[0]].message == "label 7 is not known"
    assert set(driven.report.done) == set(driven.runs[1:])


def test_a_worker_that_dies_costs_a_try_and_one_that_is_lost_with_its_node_does_not(workspace):
    died = Driven(workspace, lambda a, *_: Pool(**{a: [WorkerDiedError("killed")] * 2}), retries=1)
    lost = Driven(workspace, lambda a, *_: Pool(**{a: [LostError()] * 9}), retries=1)

    assert (died.code, lost.code) == (ExitCode.GAVE_UP, ExitCode.SUCCESS)
    assert died.report.failed[died.runs[0]].reason == "WorkerDied"
    assert lost.pool.begun.count(lost.runs[0]) == 10


def test_an_interrupted_run_goes_on(workspace):
    driven = Driven(workspace, lambda a, *_: Pool(**{a: [failure(ExitCode.INTERRUPTED)]}), retries=0)

    assert driven.code == ExitCode.SUCCESS


def test_told_to_stop_it_begins_nothing_more_and_waits_for_what_is_running(workspace):
    driven = Driven(workspace, lambda a, *_: Pool(**{a: [failure(ExitCode.INTERRUPTED)]}), stop=Told(asked=1))

    assert driven.code == ExitCode.INTERRUPTED
    assert driven.pool.begun == driven.runs[:1]
    assert driven.report.running == ()
