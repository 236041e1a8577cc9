"""Whole searches with real training."""

import json
import shutil

import pytest

from finetune_core.api.search import Finalists
from finetune_core.layout import ExperimentLayout
from finetune_core.planning.plan import JobPlan
from finetune_core.planning.search.space import configuration
from finetune_core.results.evaluation import read_lines
from finetune_core.results.run import ExitCode, Failure, Hold, RunResult
from finetune_core.results.search.trial import EndReason, Heartbeat, TrialResult, TrialState
from finetune_core.search_layout import TrialKind
from finetune_store import AccessDeniedError, NotFoundError
from finetune_trainer.run.run import Run
from support.search_runs import LAYOUT, SearchWorkspace


def expected(job, count):
    plan = job.plan
    space = plan.tasks["rte"].space
    return [
        configuration(space, algorithm=plan.algorithm, seed=plan.seed, task="rte", index=index)
        for index in range(count)
    ]


def evaluations(folder, layout, attempt):
    rows = [evaluation.row() for evaluation in read_lines((folder / layout.metrics(attempt)).read_bytes())]
    return [{key: value for key, value in row.items() if key not in {"time", "seconds"}} for row in rows]


@pytest.fixture(scope="module")
def searched(shared, tmp_path_factory):
    """A search that has ended: two seeds a trial, finalists. (workspace, job, exit code, log)"""
    workspace = SearchWorkspace(tmp_path_factory.mktemp("searched"), shared / "model", shared / "glue")
    job = workspace.search(trials=3, seeds_per_trial=2, finalists=Finalists(trials=2, seeds=1))
    return workspace, job, *workspace.drive(job)


def test_all_trials_end_with_the_configurations_of_the_plan(searched):
    workspace, job, code, log = searched
    assert code == ExitCode.SUCCESS, log
    trials = workspace.trials()
    assert [one.config for one in trials.values()] == expected(job, 3)
    assert {one.state for one in trials.values()} == {TrialState.COMPLETED}
    assert workspace.end.reason == EndReason.ALL_TRIALS
    assert all([report.step for report in one.history] == [2, 4] for one in trials.values())


def test_a_trials_value_is_the_best_mean_over_its_seeds(searched):
    workspace, job, _, _ = searched
    for trial in workspace.trials().values():
        runs = job.plan.trial_plan("rte", trial.config, job.plan.trial_seeds("rte")).runs
        assert trial.run_ids == tuple(run.run_id for run in runs)
        layouts = [ExperimentLayout("ns", "find").run("rte", run.run_id) for run in runs]
        both = [evaluations(workspace.store, layout, trial.driver) for layout in layouts]
        means = [sum(row["accuracy"] for row in rows) / 2 for rows in zip(*both, strict=True)]
        assert trial.value == pytest.approx(max(means))


def test_another_search_takes_the_trials_that_have_ended_and_trains_the_rest(searched, tmp_path):
    workspace, job, _, _ = searched
    shutil.copytree(workspace.store, tmp_path / "store")
    other = SearchWorkspace(tmp_path, workspace.model, workspace.data)
    more = job.plan.tasks["rte"].model_copy(update={"trials": 4})
    plan = job.plan.model_copy(update={"search": "again", "tasks": {"rte": more}, "finalists": None})
    code, log = other.drive(job.model_copy(update={"plan": plan}))
    assert code == ExitCode.SUCCESS, log
    files = sorted((other.store / "ns/again/trials/rte").glob("*/result.json"))
    trials = [TrialResult.model_validate_json(path.read_bytes()) for path in files]
    assert [one.taken_from for one in trials] == [("find",), ("find",), ("find",), ()]
    theirs = workspace.trials()
    assert [(one.trial_id, one.value, one.history) for one in trials[:3]] == [
        (one.trial_id, one.value, one.history) for one in theirs.values()
    ]


def test_each_seed_in_lockstep_gives_what_a_single_run_gives(searched, tmp_path):
    workspace, job, _, _ = searched
    trial = workspace.trials()[1]
    plan = job.plan.trial_plan("rte", trial.config, job.plan.trial_seeds("rte"))
    alone = SearchWorkspace(tmp_path, workspace.model, workspace.data)
    ids = tuple(run.run_id for run in plan.runs)
    code, log = alone.run(JobPlan(plan=plan, indexes=(ids,)), attempt="alone")
    assert code == ExitCode.SUCCESS, log
    for run_id in ids:
        layout = ExperimentLayout("ns", "find").run("rte", run_id)
        together = RunResult.model_validate_json((workspace.store / layout.result).read_bytes())
        single = RunResult.model_validate_json((alone.store / layout.result).read_bytes())
        assert together.metrics == single.metrics
        assert evaluations(workspace.store, layout, trial.driver) == evaluations(alone.store, layout, "alone")


def test_runs_of_a_search_keep_neither_models_nor_predictions_nor_checkpoints(searched):
    workspace, _, _, _ = searched
    kept = {path.relative_to(workspace.store).as_posix() for path in workspace.store.rglob("*") if path.is_file()}
    assert not [name for name in kept if "/model/" in name or "/predictions/" in name or "/checkpoint/" in name]


def test_finalists_are_the_best_trials_on_fresh_seeds(searched):
    workspace, job, _, _ = searched
    trials = sorted(workspace.trials().values(), key=lambda one: (-one.value, one.index))
    finalists = workspace.trials(TrialKind.FINALISTS)
    assert [one.config for one in finalists.values()] == [one.config for one in trials[:2]]
    for one in finalists.values():
        assert one.seeds == job.plan.finalist_seeds("rte")
        assert not set(one.seeds) & set(job.plan.trial_seeds("rte"))


def test_the_log_tells_people_how_it_goes(searched):
    log = searched[3]
    assert "trial 0 of 3 starts: learningRate " in log
    assert "3 of 3 ended" in log


def test_the_driver_says_in_its_heartbeat_that_it_has_ended(searched):
    workspace = searched[0]
    (path,) = (workspace.store / LAYOUT.root / "drivers").iterdir()
    assert Heartbeat.model_validate_json(path.read_bytes()).ended


def test_a_driver_of_a_task_that_has_its_end_does_nothing(searched):
    workspace, job, _, _ = searched
    code, log = workspace.drive(job)
    assert code == ExitCode.SUCCESS
    assert "nothing is left to do" in log


def test_asha_stops_the_worse_trials_early_and_drops_their_checkpoints(workspace):
    job = workspace.search(
        trials=6,
        scheduler="ASHA",
        training={"maxSteps": 10, "evalSteps": 1, "metricForBestModel": "loss"},
        asha={"reductionFactor": 3, "gracePeriod": 0.1},
    )
    code, log = workspace.drive(job)
    assert code == ExitCode.SUCCESS, log
    trials = workspace.trials()
    stopped = [one for one in trials.values() if one.state == TrialState.STOPPED]
    completed = [one for one in trials.values() if one.state == TrialState.COMPLETED]
    assert len(trials) == 6
    assert stopped
    assert completed
    assert all(one.history[-1].progress < 1 for one in stopped)
    assert all(one.history[-1].progress == 1 for one in completed)
    assert not list(workspace.store.rglob("checkpoint"))
    for one in stopped:
        assert not (workspace.store / ExperimentLayout("ns", "find").run("rte", one.run_ids[0]).result).exists()


def test_failed_trials_are_recorded_and_do_not_stop_the_others(workspace):
    space = {"precision": {"grid": ["fp32", "fp16"]}, "learningRate": {"grid": [1e-4, 1e-3]}}
    job = workspace.search(trials=4, algorithm="Grid", space=space)
    code, log = workspace.drive(job)
    assert code == ExitCode.SUCCESS, log
    trials = workspace.trials()
    assert [one.state for one in trials.values()] == [TrialState.COMPLETED, TrialState.FAILED] * 2
    assert "fp16 needs a GPU" in trials[3].error
    assert workspace.end.reason == EndReason.ALL_TRIALS


def test_an_error_that_nobody_foresaw_and_a_store_in_the_way_cost_no_trial(workspace, monkeypatch):
    execute, errors = (
        Run.execute,
        [RuntimeError("odd"), NotFoundError("gone for a moment"), AccessDeniedError("refused")],
    )

    def stumbling(run):
        if errors:
            raise errors.pop(0)
        return execute(run)

    monkeypatch.setattr(Run, "execute", stumbling)
    monkeypatch.setattr("finetune_trainer.search.trial_runner.pause_seconds", lambda tries: 0.0)
    job = workspace.search(trials=2)

    code, log = workspace.drive(job)
    assert code == ExitCode.STORE, log
    assert "refused" in log
    assert workspace.trials() == {}

    code, log = workspace.drive(job)
    assert code == ExitCode.SUCCESS, log
    assert {trial.state for trial in workspace.trials().values()} == {TrialState.COMPLETED}


def test_a_driver_that_may_begin_nothing_claims_no_trial_and_leaves_the_end_to_the_operator(workspace):
    hold = ExperimentLayout("ns", "find").hold
    workspace.opened.put(hold, Hold(message="spec.budget.gpuHours is spent").to_json())
    code, log = workspace.drive(workspace.search(trials=2, finalists=Finalists(trials=1, seeds=1)))

    assert code == ExitCode.SUCCESS, log
    assert (workspace.claims(), workspace.trials()) == ({}, {})
    assert workspace.opened.stat(LAYOUT.end("rte")) is None


def test_a_goal_ends_the_search_without_starting_the_rest(workspace):
    job = workspace.search(trials=50, goal=0.01)
    code, log = workspace.drive(job)
    assert code == ExitCode.SUCCESS, log
    assert list(workspace.trials()) == [0]
    assert workspace.end.reason == EndReason.GOAL_REACHED


def test_a_model_that_cannot_be_used_is_the_users_mistake_and_no_trial_is_lost_to_it(workspace, tmp_path):
    workspace.model = tmp_path / "nothing"
    code, log = workspace.drive(workspace.search())
    assert code == ExitCode.USER_ERROR, log
    assert "is not there" in json.loads(workspace.termination_log.read_text())["message"]
    assert not workspace.trials()
    (failure,) = (workspace.store / LAYOUT.tasks / "rte" / "failures").iterdir()
    told = Failure.model_validate_json(failure.read_bytes())
    assert LAYOUT.failed_unit(f"{LAYOUT.tasks}/rte/failures/{failure.name}") == told.run_id == "rte/0"
    assert told.is_final
    assert "is not there" in told.message


def test_an_unknown_index_is_the_users_mistake(workspace):
    assert workspace.drive(workspace.search(), 7)[0] == ExitCode.USER_ERROR


def test_tpe_searches_to_its_end(workspace):
    job = workspace.search(trials=5, algorithm="TPE", concurrent_trials=2)
    code, log = workspace.drive(job)
    assert code == ExitCode.SUCCESS, log
    trials = workspace.trials()
    assert len({one.trial_id for one in trials.values()}) == 5
    assert {name: claim["config"] for name, claim in workspace.claims().items()} == {
        f"{index}/0": one.config for index, one in trials.items()
    }


def test_trials_side_by_side_in_processes_of_their_own_leave_nothing_behind(workspace, monkeypatch, tmp_path):
    folder = tmp_path / "t"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    job = workspace.search(trials=3, concurrent_trials=2)
    assert workspace.start_driver(job).wait(timeout=240) == ExitCode.SUCCESS, workspace.log.read_text()
    assert [one.config for one in workspace.trials().values()] == expected(job, 3)
    assert list(folder.iterdir()) == []
