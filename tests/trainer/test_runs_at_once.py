"""Several runs of a pod at a time (`runsAtOnce`): what they give, and what becomes of them when memory ends."""

import os
import signal

import psutil

from finetune_core.planning.plan import ExecutionLimits
from finetune_core.results.run import ExitCode
from finetune_dev.shell import wait_for
from support.checkpoints import pointers
from support.trainer_runs import Workspace

SHORT = {"maxSteps": 4, "evalSteps": 2, "trainBatchSize": 8, "learningRate": 1e-3, "maxSeqLength": 32}
# Long enough that none ends before the last one has begun, on a machine with other work.
LONG = {**SHORT, "maxSteps": 500, "evalSteps": 500}
RUNS = 3


def plan(workspace, training):
    tasks = [{"name": "rte", "runs": 2, "training": training}, {"name": "wnli", "runs": 1, "training": training}]
    return workspace.plan(tasks, limits=ExecutionLimits(checkpoint_interval_seconds=1), runs_per_pod=RUNS)


def made(workspace, job):
    """What readers have of the runs."""
    results = [workspace.result(job, place) for place in range(RUNS)]
    return [(one.metrics, one.step, {name: file.sha256 for name, file in one.predictions.items()}) for one in results]


def attempts(workspace, job):
    return [workspace.result(job, place).attempts for place in range(RUNS)]


def workers(process):
    """The processes of a pod that have a run."""
    found = psutil.Process(process.pid).children(recursive=True)
    return [one for one in found if one.ppid() != process.pid]


def mark(workspace, job):
    """That a pod does several runs at a time."""
    return list((workspace.store / "ns").rglob("at-once.json"))


def test_runs_at_a_time_give_what_they_give_one_after_another(shared, tmp_path):
    one, both = (
        Workspace(tmp_path / str(at_once), shared / "model", shared / "glue", at_once=at_once) for at_once in (1, 2)
    )
    for workspace in (one, both):
        workspace.root.mkdir()
    job = plan(one, SHORT)
    code, log = one.run(job)
    assert code == ExitCode.SUCCESS, log

    modules = both.modules(job, attempt="pod")

    assert made(both, job) == made(one, job)
    assert "torch" not in modules, "only those that have a run import it"
    assert mark(both, job) == []


def test_one_that_is_killed_is_done_again_alone_and_a_pod_that_is_killed_has_the_next_one_do_fewer(workspace):
    workspace.at_once = RUNS
    job = plan(workspace, LONG)
    first = workspace.start(job, attempt="pod-1")
    layouts = [workspace.layout(job, place) for place in range(RUNS)]

    def has_begun(layout):
        return pointers(workspace.store, layout) != []

    wait_for("all at work", lambda: all(map(has_begun, layouts)), seconds=200)
    killed, *others = workers(first)
    killed.kill()
    wait_for("one less", lambda: "at most 2 at a time" in workspace.log.read_text(), seconds=100)
    assert all(one.is_running() for one in others)
    assert mark(workspace, job)

    for process in (psutil.Process(first.pid), *psutil.Process(first.pid).children(recursive=True)):
        os.kill(process.pid, signal.SIGKILL)
    first.wait()
    code, log = workspace.run(job, attempt="pod-2")

    assert code == ExitCode.SUCCESS, log
    assert "it did 3 runs at a time" in log
    assert "at most 1 (execution.runsAtOnce)" in log
    assert all(workspace.result(job, place).resumed_from for place in range(RUNS))
    assert mark(workspace, job) == []


def test_a_run_that_an_earlier_pod_was_at_comes_last(workspace):
    job = plan(workspace, SHORT)
    begun = workspace.store / workspace.layout(job, 0).progress
    begun.parent.mkdir(parents=True)
    begun.touch()

    code, log = workspace.run(job)

    assert code == ExitCode.SUCCESS, log
    done = [line.rpartition("run_id=")[2] for line in log.splitlines() if " done: " in line]
    first, *others = job.indexes[0]
    assert done == [*others, first]


def test_told_to_stop_all_save_their_state(workspace):
    workspace.at_once = 2
    job = plan(workspace, LONG)
    pod = workspace.start(job, attempt="pod-1")
    layouts = [workspace.layout(job, place) for place in range(2)]
    wait_for("two at work", lambda: all(pointers(workspace.store, layout) for layout in layouts), seconds=200)

    pod.terminate()

    assert pod.wait(100) == ExitCode.INTERRUPTED
    assert mark(workspace, job) == []
    assert not any((workspace.store / layout.failures).exists() for layout in layouts)
