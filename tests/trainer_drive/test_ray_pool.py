"""Workers on a Ray of the test's own. All tests that start one are in this file, so that there is one at a time."""

import os
import signal
from concurrent.futures import ThreadPoolExecutor
from unittest import mock

import pytest

from finetune_core.layout import ExperimentLayout
from finetune_core.planning.plan import ExecutionLimits
from finetune_core.results.run import RunResult
from finetune_core.results.search.trial import TrialState
from finetune_dev.shell import wait_for
from finetune_store import open_store
from finetune_trainer import drain
from finetune_trainer.search.driver import Driver
from finetune_trainer.search.trial_worker import TrialWork
from finetune_trainer.signals import StopFlag
from support.pool_contract import PoolContract
from support.pools import Counting, own_ray, own_ray_pool, ray_pool
from support.runs_contract import RunsContract, worker_pids
from support.search_runs import SearchWorkspace


class TestRayPool(PoolContract):
    @pytest.fixture(scope="class")
    @classmethod
    def cluster(cls, tmp_path_factory):
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("FINETUNE_WORK", str(tmp_path_factory.mktemp("pod")))
            with own_ray(2):
                yield

    @pytest.fixture
    def pool(self, cluster):
        yield ray_pool(Counting())
        drain.request_file().unlink(missing_ok=True)


@pytest.mark.long
class TestRayRuns(RunsContract):
    """What CI runs of this kind is the trial below, and tests/e2e/test_ray_cluster.py."""

    # Ray takes seconds to start a worker.
    steps = 400

    @pytest.fixture
    def make_pool(self):
        return own_ray_pool


def test_a_trial_whose_worker_is_killed_goes_on_from_its_checkpoint(shared, tmp_path, monkeypatch):
    monkeypatch.setenv("FINETUNE_WORK", str(tmp_path / "work"))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    workspace = SearchWorkspace(tmp_path, shared / "model", shared / "glue")
    limits = ExecutionLimits(checkpoint_interval_seconds=1)
    job = workspace.search(trials=2, training={"maxSteps": 400, "evalSteps": 200}, limits=limits)
    uri = f"file://{workspace.store}"
    work = TrialWork(job.plan, job.limits, uri, "driver", 30.0)
    store = open_store(uri)
    driver = Driver(job, job.units, stores=(store, store), uri=uri, stop=StopFlag(), ray=True, patience=30.0)

    with mock.patch.object(driver, "_pool", return_value=own_ray_pool(work, 2)), ThreadPoolExecutor(1) as executor:
        driven = executor.submit(driver.run)
        wait_for("checkpoints", lambda: len(list(workspace.store.rglob("checkpoint/*/*.json"))) == 2, seconds=200)
        os.kill(worker_pids()[0], signal.SIGKILL)
        driven.result()

    trials = workspace.trials()
    assert {trial.state for trial in trials.values()} == {TrialState.COMPLETED}
    assert [report.step for report in trials[0].history] == [200, 400]
    layouts = [ExperimentLayout("ns", "find").run("rte", trial.run_ids[0]) for trial in trials.values()]
    results = [RunResult.model_validate_json(store.get(layout.result)) for layout in layouts]
    assert sorted(bool(result.resumed_from) for result in results) == [False, True]
