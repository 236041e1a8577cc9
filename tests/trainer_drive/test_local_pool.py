"""Workers that are processes of this machine."""

import os
import signal
import subprocess
import sys
import tempfile
from contextlib import contextmanager

import psutil
import pytest

from finetune_core.planning.plan import ExecutionLimits
from finetune_core.results.run import ExitCode
from finetune_dev.shell import wait_for
from finetune_trainer.drive.local_pool import LocalPool, shares
from finetune_trainer.drive.worker import RunWork
from finetune_trainer.hardware import HELD
from finetune_trainer.search.trial_worker import TrialWork
from support.checkpoints import pointers
from support.pool_contract import PoolContract, answers, pid, report
from support.pools import Count, Counting
from support.runs_contract import RunsContract, endless, rte


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
    ("workers", "gpus", "expected", "held"),
    [
        pytest.param(2, "", [None, None], None, id="none"),
        pytest.param(2, "01", ["0", "1"], "1", id="one each"),
        pytest.param(2, "0123", ["0", "1"], "1", id="one each, and some are left"),
        pytest.param(4, "0", ["0", "0", "0", "0"], "0.25", id="all share it"),
        pytest.param(4, "01", ["0", "1", "0", "1"], "0.5", id="in turn"),
        pytest.param(1, "0123", ["0"], "1", id="never several"),
    ],
)
def test_workers_share_the_gpus(monkeypatch, workers, gpus, expected, held):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    made = shares(workers, list(gpus))
    assert [share.get("CUDA_VISIBLE_DEVICES") for share in made] == expected
    assert {share.get(HELD) for share in made} == {held}
    assert all(int(share["OMP_NUM_THREADS"]) >= 1 for share in made)


def test_a_driver_that_is_killed_takes_its_workers_with_it_and_the_next_one_goes_on(workspace):
    job = workspace.plan(
        [rte(runs=1, training=endless(RunsContract.steps))], limits=ExecutionLimits(checkpoint_interval_seconds=1)
    )
    layout = workspace.layout(job)
    first = workspace.start_driver(job)
    wait_for("a checkpoint", lambda: pointers(workspace.store, layout), seconds=300)
    (worker,) = psutil.Process(first.pid).children(recursive=True)[-1:]

    first.kill()
    first.wait()

    psutil.wait_procs([worker], timeout=180)
    assert not worker.is_running()
    assert workspace.start_driver(job).wait(300) == 0
    result = workspace.result(job)
    assert result.resumed_from
    assert result.attempts == 2


def test_idle_workers_are_ended_but_for_so_many_and_others_take_their_place():
    with own_local_pool(Counting(), 2) as pool:
        for name in "ab":
            pool.start(name, Count(1))
        reports = answers(pool, 2)
        kept = [outcome.evaluation.metrics["pid"] for outcome in reports.values()]
        pool.dismiss(0)
        assert all(psutil.pid_exists(int(one)) for one in kept), "none of them is idle"
        for name in "ab":
            pool.end(name)

        pool.dismiss(1)

        assert sum(psutil.pid_exists(int(one)) for one in kept) == 1
        assert pool.room(9) == 2
        pool.start("c", Count(1))
        assert pid(pool, "c") in kept


def test_where_the_socket_of_a_warm_parent_has_no_room_workers_are_started_anew(monkeypatch, tmp_path):
    (deep := tmp_path / ("x" * 90)).mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(deep))
    with own_local_pool(Counting(), 1) as pool:
        pool.start("a", Count(1))
        worker = psutil.Process(int(pid(pool, "a")))
        assert worker.ppid() == os.getpid()


@pytest.mark.parametrize("work", [RunWork, TrialWork])
def test_what_the_parent_of_workers_imports_asks_for_no_gpu(work):
    """CUDA does not survive a fork: https://docs.pytorch.org/docs/stable/notes/multiprocessing.html"""
    asked = f"""
import sys, torch
def refuse(*_, **__): raise SystemExit("asked for a GPU")
for name in ("is_available", "device_count", "current_device", "get_device_properties", "_lazy_init", "init"):
    setattr(torch.cuda, name, refuse)
for module in {work.modules}: __import__(module)
import threading
assert threading.active_count() == 1, threading.enumerate()
"""
    subprocess.run([sys.executable, "-c", asked], check=True)
