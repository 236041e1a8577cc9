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

    def __init__(self, workspace, pool, *, retries=3, stop=None, finished=(), held=lambda: False):
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
            is_held=held,
            now=lambda: float(next(clock)),
        ).run()
        self.report = DriverReport.model_validate_json(store.get(KEY)) if store.stat(KEY) else None


class Together:
    """Does all runs at a time; answers in the order of a script, which says (place of the run, outcome)."""

    def __init__(self, runs, script):
        self.script = deque((runs[place], outcome) for place, outcome in script)
        self.begun = []
        self.kept = []
        self._at = set()

    def room(self, wanted):
        return wanted

    def start(self, run, order):
        self.begun.append(run)
        self._at.add(run)

    def dismiss(self, keep):
        self.kept.append(keep)

    def wait(self, seconds):
        run, outcome = self.script.popleft() if self.script else (min(self._at), None)
        self._at.remove(run)
        return [Answer(run, outcome)]


class Kept:
    """What is left of failures."""

    def __init__(self):
        self.failures = []
        self.waiting = []

    def failed(self, run, failure):
        self.failures.append((run.run_id, failure.reason))

    def waits(self, run):
        self.waiting.append(run.run_id)


def together(workspace, *script):
    """Three runs, all at a time: the code, the pool and what was kept."""
    job = workspace.plan([TASK])
    pool, kept = Together([one for (one,) in job.indexes], script), Kept()
    store = open_store(f"file://{workspace.store}")
    driver = Driver(
        job,
        pool,
        reporter=DriverReporter(store, None),
        stop=Told(),
        has_result=lambda run: False,
        tries_again=False,
        at_once=3,
        records=kept,
    )
    return driver.run(), driver, pool, kept


def test_a_run_that_dies_beside_others_is_done_alone_and_is_no_failure(workspace):
    code, driver, pool, kept = together(workspace, (1, WorkerDiedError("killed")), (0, None))

    first, second, third = pool.begun[:3]
    assert code == ExitCode.SUCCESS
    assert pool.begun == [first, second, third, second]
    assert (kept.failures, kept.waiting) == ([], [second])
    assert pool.kept == [3, 0, 0, 1], "idle workers are ended, but for the one that it needs"
    assert driver.failures == []


def test_a_run_that_dies_alone_too_is_a_failure_which_is_kept(workspace):
    died = WorkerDiedError("killed")
    code, driver, pool, kept = together(workspace, (1, died), (0, None), (2, None), (1, died))

    assert code == ExitCode.GAVE_UP
    assert kept.failures == [(pool.begun[1], "WorkerDied")]
    assert [one.exit_code for one in driver.failures] == [ExitCode.RETRY]


def test_every_run_is_done_and_reported(workspace):
    driven = Driven(workspace, lambda *_: Pool())

    assert driven.code == ExitCode.SUCCESS
    assert driven.pool.begun == driven.runs
    assert driven.report.done == tuple(driven.runs)
    assert driven.report.running == ()


def test_runs_that_may_not_begin_are_left_and_are_neither_done_nor_failed(workspace):
    answers = iter([False, True])
    driven = Driven(workspace, lambda *_: Pool(), held=lambda: next(answers, True))

    assert driven.code == ExitCode.SUCCESS
    assert driven.pool.begun == driven.runs[:1], "what was at work came to its end"
    assert (driven.report.done, driven.report.failed) == (tuple(driven.runs[:1]), {})


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
