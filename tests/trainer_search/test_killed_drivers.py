"""Drivers that are killed in mid-search: nothing that has ended is lost or done again."""

import signal

import pytest

from finetune_core.layout import ExperimentLayout
from finetune_core.planning.plan import ExecutionLimits
from finetune_core.planning.search.space import configuration
from finetune_core.results.run import ExitCode, RunResult
from finetune_core.results.search.trial import TrialState
from support.checkpoints import pointers
from support.search_runs import wait_for

LONG = {"maxSteps": 300, "evalSteps": 100}


@pytest.fixture
def started():
    """Processes that a test starts; none outlives it."""
    processes = []
    yield processes
    for process in processes:
        process.kill()
        process.wait()


def check_complete(workspace, job, count):
    trials = workspace.trials()
    plan = job.plan
    assert list(trials) == list(range(count))
    assert {one.state for one in trials.values()} == {TrialState.COMPLETED}
    for index, trial in trials.items():
        space = plan.tasks["rte"].space
        wanted = configuration(space, algorithm=plan.algorithm, seed=plan.seed, task="rte", index=index)
        assert trial.config == wanted
    for name, claim in workspace.claims().items():
        assert claim["config"] == trials[int(name.split("/")[0])].config


def test_of_two_drivers_one_is_killed_and_the_other_ends_the_search(workspace, started):
    job = workspace.search(trials=8, clusters=2, training={"maxSteps": 60, "evalSteps": 20})
    started += [workspace.start_driver(job, index) for index in (0, 1)]
    first, second = started
    # Both are at work when the first is killed: only then does the second have something to take over.
    wait_for(lambda: {claim["cluster"] for claim in workspace.claims().values()} == {0, 1}, first, second)
    wait_for(workspace.trials, first, second)
    first.kill()
    before = workspace.trials()
    assert second.wait(timeout=240) == ExitCode.SUCCESS, workspace.log.read_text()
    check_complete(workspace, job, 8)
    assert all(workspace.trials()[index] == trial for index, trial in before.items())
    assert workspace.has_end()


def test_a_killed_driver_that_is_started_again_goes_on_from_checkpoints(workspace, started):
    limits = ExecutionLimits(checkpoint_interval_seconds=1)
    job = workspace.search(trials=2, training=LONG, limits=limits)
    started.append(workspace.start_driver(job))
    run = job.plan.trial_plan("rte", _config(job, 0), job.plan.trial_seeds("rte")).runs[0]
    layout = ExperimentLayout("ns", "find").run("rte", run.run_id)
    wait_for(lambda: pointers(workspace.store, layout), started[0])
    started[0].kill()
    started[0].wait()
    assert not workspace.has_end()

    started.append(workspace.start_driver(job))
    assert started[1].wait(timeout=240) == ExitCode.SUCCESS, workspace.log.read_text()
    check_complete(workspace, job, 2)
    result = RunResult.model_validate_json((workspace.store / layout.result).read_bytes())
    assert result.resumed_from
    assert [one.step for one in workspace.trials()[0].history] == [100, 200, 300]


def test_a_driver_that_is_told_to_stop_saves_its_trials_state_and_leaves_it_to_others_at_once(workspace, started):
    job = workspace.search(trials=1, seeds_per_trial=2, training={**LONG, "maxSteps": 100_000})
    started.append(workspace.start_driver(job, lease=3600))
    runs = job.plan.trial_plan("rte", _config(job, 0), job.plan.trial_seeds("rte")).runs
    layouts = [ExperimentLayout("ns", "find").run("rte", run.run_id) for run in runs]
    wait_for(lambda: all(list((workspace.store / one.attempts).rglob("metrics.jsonl")) for one in layouts), started[0])
    started[0].send_signal(signal.SIGTERM)
    assert started[0].wait(timeout=300) == ExitCode.INTERRUPTED, workspace.log.read_text()
    assert all(pointers(workspace.store, one) for one in layouts)
    assert not workspace.trials()
    assert not workspace.has_end()

    started.append(workspace.start_driver(job, lease=3600))
    wait_for(lambda: "0/1" in workspace.claims(), started[1])


def _config(job, index):
    plan = job.plan
    return configuration(plan.tasks["rte"].space, algorithm=plan.algorithm, seed=plan.seed, task="rte", index=index)
