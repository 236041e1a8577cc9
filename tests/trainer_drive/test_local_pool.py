"""Workers that are processes of this machine."""

import os
import signal
from contextlib import contextmanager

import psutil
import pytest

from finetune_core.planning.plan import ExecutionLimits
from finetune_core.results.run import ExitCode
from finetune_dev.shell import wait_for
from finetune_trainer.drive.local_pool import LocalPool, shares
from support.checkpoints import pointers
from support.pool_contract import PoolContract, answers, pid, report
from support.pools import Count, Counting
from support.runs_contract import LONG, RunsContract, rte


@contextmanager
def own_local_pool(work, workers):
    pool = LocalPool(work, shares(workers, gpus=[]))
    yield pool
    pool.close()


class TestLocalPool(PoolContract):
    @pytest.fixture
    def pool(self):
        with own_local_pool(Counting(), 2) as pool:
            yield pool

    def test_a_worker_that_alone_is_told_to_stop_gives_its_piece_back_and_gets_no_other(self, pool):
        pool.start("a", Count(1, "never"))
        first = report(pool, "a").metrics["pid"]
        os.kill(int(first), signal.SIGTERM)
        pool.go_on("a")
        assert answers(pool)["a"].exit_code == ExitCode.INTERRUPTED
        pool.start("b", Count(1))
        assert pid(pool, "b") != first


class TestLocalRuns(RunsContract):
    @pytest.fixture
    def make_pool(self):
        return own_local_pool


@pytest.mark.parametrize(
    ("workers", "gpus", "expected"),
    [
        pytest.param(2, "", [None, None], id="none"),
        pytest.param(2, "01", ["0", "1"], id="one each"),
        pytest.param(2, "0123", ["0", "1"], id="one each, and some are left"),
        pytest.param(3, "0", ["0", "0", "0"], id="all share it"),
        pytest.param(3, "01", ["0", "1", "0"], id="in turn"),
        pytest.param(1, "0123", ["0"], id="never several"),
    ],
)
def test_workers_share_the_gpus(monkeypatch, workers, gpus, expected):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    made = shares(workers, list(gpus))
    assert [share.get("CUDA_VISIBLE_DEVICES") for share in made] == expected
    assert all(int(share["OMP_NUM_THREADS"]) >= 1 for share in made)


def test_a_driver_that_is_killed_takes_its_workers_with_it_and_the_next_one_goes_on(workspace):
    job = workspace.plan([rte(runs=1, training=LONG)], limits=ExecutionLimits(checkpoint_interval_seconds=1))
    layout = workspace.layout(job)
    first = workspace.start_driver(job)
    wait_for("a checkpoint", lambda: pointers(workspace.store, layout), seconds=120)
    (worker,) = psutil.Process(first.pid).children(recursive=True)[-1:]

    first.kill()
    first.wait()

    psutil.wait_procs([worker], timeout=60)
    assert not worker.is_running()
    assert workspace.start_driver(job).wait(120) == 0
    result = workspace.result(job)
    assert result.resumed_from
    assert result.attempts == 2
