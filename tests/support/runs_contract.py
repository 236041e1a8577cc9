"""The driver of runs with real workers, which are reused, told to stop, and killed; each pool gives its `make_pool`."""

import os
import signal
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from finetune_core.layout import ExperimentLayout
from finetune_core.planning.plan import ExecutionLimits
from finetune_core.results.run import DriverReport, ExitCode, Progress, RunResult
from finetune_dev.shell import wait_for
from finetune_store import open_store
from finetune_trainer import drain
from finetune_trainer.drive.driver import Driver
from finetune_trainer.drive.worker import RunWork
from finetune_trainer.driver_report import DriverReporter

KEY = "ns/exp/ray/job.json"
SHORT = {"maxSteps": 4, "evalSteps": 2, "trainBatchSize": 8, "learningRate": 1e-3, "maxSeqLength": 32}


def rte(**fields):
    return {"name": "rte", "runs": 3, "training": SHORT, **fields}


def endless(steps):
    """Of a run that is still at work when a test interrupts it."""
    return {**SHORT, "maxSteps": steps, "evalSteps": steps}


class Suite:
    """A plan, its store, and a driver with a pool of its own."""

    def __init__(self, workspace, monkeypatch, pool, tasks, **limits):
        self.workspace = workspace
        self.pool = pool
        self.job = workspace.plan(tasks, limits=ExecutionLimits(checkpoint_interval_seconds=1, **limits))
        self.store = open_store(f"file://{workspace.store}")
        monkeypatch.setenv("FINETUNE_WORK", str(workspace.root / "work"))
        monkeypatch.setenv("OMP_NUM_THREADS", "1")

    def drive(self, workers=2):
        work = RunWork(job=self.job, store=f"file://{self.workspace.store}", patience=30.0)
        with self.pool(work, workers) as pool:
            return Driver(
                self.job,
                pool,
                reporter=DriverReporter(self.store, KEY),
                stop=drain.requested(),
                has_result=lambda run: self.store.stat(self.layout(run).result) is not None,
            ).run()

    @contextmanager
    def driving(self, workers=2):
        with ThreadPoolExecutor(1) as executor:
            yield executor.submit(self.drive, workers)

    def layout(self, run):
        return ExperimentLayout("ns", "exp").run(run.task, run.run_id)

    def results(self):
        return [RunResult.model_validate_json(self.store.get(self.layout(run).result)) for run in self.job.plan.runs]

    def report(self):
        return DriverReport.model_validate_json(self.store.get(KEY))

    def until_at_step(self, steps):
        """Wait until every run is at that step at least."""

        def there():
            keys = [self.layout(run).progress for run in self.job.plan.runs]
            found = [Progress.model_validate_json(self.store.get(key)) for key in keys if self.store.stat(key)]
            return len(found) == len(keys) and min(one.step for one in found) >= steps

        wait_for("the runs to be at work", there, seconds=300)


def worker_pids():
    """Processes of this machine that are busy with a run of this test."""
    return [int(mark.name) for mark in (drain.request_file().parent / "busy").glob("*")]


class RunsContract:
    """Tests; `make_pool(work, workers)` is a context.

    `steps` are enough that no run ends before the last one has begun, on a machine with other work.
    """

    steps = 250

    @pytest.fixture
    def make_pool(self):
        raise NotImplementedError

    @pytest.fixture
    def make_suite(self, make_pool, workspace, monkeypatch):
        return lambda tasks, **limits: Suite(workspace, monkeypatch, make_pool, tasks, **limits)

    def test_runs_are_done_by_as_many_workers_as_fit_with_the_results_of_a_pod(self, make_suite, workspace, tmp_path):
        suite = make_suite([rte(), {"name": "stsb", "runs": 1, "training": SHORT}])

        assert suite.drive() == ExitCode.SUCCESS

        ours = {one.run_id: (one.value, one.metrics, one.predictions) for one in suite.results()}
        assert set(suite.report().done) == set(ours)
        alone = type(workspace)(tmp_path / "alone", workspace.model, workspace.data)
        alone.root.mkdir()
        job = alone.plan([rte(), {"name": "stsb", "runs": 1, "training": SHORT}], runs_per_pod=9)
        assert alone.start(job).wait(300) == 0
        assert ours == {
            one.run_id: (one.value, one.metrics, one.predictions)
            for one in (alone.result(job, place) for place in range(4))
        }

    def test_a_worker_that_is_killed_costs_the_run_that_it_was_at(self, make_suite):
        suite = make_suite([rte(runs=2, training=endless(self.steps))])
        with suite.driving() as driven:
            suite.until_at_step(20)
            os.kill(worker_pids()[0], signal.SIGKILL)
            assert driven.result() == ExitCode.SUCCESS

        assert sorted(bool(one.resumed_from) for one in suite.results()) == [False, True]

    def test_a_pod_that_is_to_end_saves_its_runs_and_another_driver_goes_on(self, make_suite):
        suite = make_suite([rte(runs=2, training=endless(self.steps))])
        with suite.driving() as driven:
            suite.until_at_step(20)
            drain.drain()
            assert worker_pids() == []
            assert driven.result() == ExitCode.INTERRUPTED

        assert suite.report().running == ()
        drain.request_file().unlink()
        assert suite.drive() == ExitCode.SUCCESS
        assert all(one.resumed_from for one in suite.results())

    def test_bad_data_fails_its_runs_and_the_others_are_done(self, make_suite, workspace, tmp_path):
        job = workspace.plan([rte(runs=1), {"name": "stsb", "runs": 1, "training": SHORT}])
        suite = make_suite([rte(runs=1), {"name": "stsb", "runs": 1, "training": SHORT}])
        stsb = job.plan.tasks["stsb"]
        files = stsb.data.splits.model_copy(update={"files": {**stsb.data.splits.files, "train": ("STS-B/gone.tsv",)}})
        broken = stsb.model_copy(update={"data": stsb.data.model_copy(update={"splits": files})})
        plan = job.plan.model_copy(update={"tasks": {**job.plan.tasks, "stsb": broken}})
        suite.job = suite.job.model_copy(update={"plan": plan})

        assert suite.drive(workers=1) == ExitCode.USER_ERROR

        (failed,) = suite.report().failed.values()
        assert "STS-B/gone.tsv" in failed.message
        assert len(suite.report().done) == 1
