"""GPU-hours in status, and budgets of them: what is spent holds back what has not begun, more of it goes on."""

from typing import Any

import pytest

from finetune_core.deciding.actions import Action
from finetune_core.json_types import Json
from finetune_core.layout import ExperimentLayout
from finetune_core.results.run import Hold, Progress
from finetune_kube.errors import ApiUnavailableError
from finetune_operator.action_executor import ActionExecutor
from finetune_store import documents
from support.results import result_of
from support.search_world import SearchWorld, search_spec
from support.world import World, spec_of

pytestmark = [pytest.mark.apiserver, pytest.mark.s3]

GPU = {"resources": {"limits": {"nvidia.com/gpu": "1"}}}
WATTS = 200
"""Of a GPU that tells its energy."""


def put_result(world: World, name: str, place: int, gpu_seconds: float) -> None:
    plan = world.plan(name)
    run = plan.runs[place]
    result = result_of(plan, run.task, run.run, 0.7, gpu_seconds=gpu_seconds)
    result = result.model_copy(update={"energy_joules": WATTS * gpu_seconds})
    world.store.put(ExperimentLayout(world.namespace, name).run(run.task, run.run_id).result, result.to_json())


def put_progress(world: World, name: str, place: int, gpu_seconds: float, *, watts: int | None = WATTS) -> None:
    run = world.plan(name).runs[place]
    progress = Progress(
        step=5,
        total_steps=10,
        seconds_left=60,
        elapsed_seconds=gpu_seconds,
        gpu_seconds=gpu_seconds,
        energy_joules=None if watts is None else watts * gpu_seconds,
        attempt="an-attempt",
        time="2026-01-01T00:00:00Z",
    )
    world.store.put(ExperimentLayout(world.namespace, name).run(run.task, run.run_id).progress, progress.to_json())


def is_held(world: World, name: str) -> bool:
    return documents.find(world.store, ExperimentLayout(world.namespace, name).hold, Hold) is not None


def begun(world: World, **spec: Any) -> Json:
    """An experiment of three runs, of which one has ended, one is at work and one waits; its Job."""
    world.apply("exp", spec_of(world.server, {"rte": 3}, execution=GPU, **spec))
    world.look("exp", times=2)
    job = world.job("exp")
    put_result(world, "exp", 0, 1800)
    put_progress(world, "exp", 1, 5400)
    world.play(job, completed={0}, active=1, ready=1)
    world.look("exp")
    world.pass_time(60)
    world.look("exp", times=2)
    return job


def test_status_tells_gpu_hours_of_runs_that_ended_and_that_are_at_work(world: World) -> None:
    begun(world)
    status = world.status("exp")
    assert (status["gpuHours"], status["tasks"][0]["gpuHours"]) == (2.0, 2.0)
    world.restart()
    world.look("exp")
    assert world.status("exp")["gpuHours"] == 2.0, "who remembers nothing reads it again"
    assert world.operator.gpu_seconds() == {(world.namespace, "exp"): 7200}


def test_status_tells_the_energy_where_all_of_these_runs_tell_it(world: World) -> None:
    begun(world)
    status = world.status("exp")
    # 200 W for 7,200 s.
    assert (status["energyKwh"], status["tasks"][0]["energyKwh"]) == (0.4, 0.4)

    put_progress(world, "exp", 2, 900, watts=None)
    world.play(world.job("exp"), completed={0}, active=2, ready=2)
    world.pass_time(60)
    world.look("exp", times=2)
    status = world.status("exp")
    assert (status["gpuHours"], "energyKwh" in status) == (2.2, False)


def test_a_spent_budget_lets_the_last_run_end_reports_and_with_more_of_it_goes_on(world: World) -> None:
    job = begun(world, budget={"gpuHours": 2})
    assert (world.reason("exp"), is_held(world, "exp")) == ("BudgetSpent", True)
    assert world.condition("exp", "Succeeded")["status"] == "Unknown"
    assert "eta" not in world.status("exp")

    put_result(world, "exp", 1, 5400)
    # The pod of the last run has begun nothing.
    world.play(job, completed={0, 1, 2}, final="Complete")
    world.look("exp")
    world.play_report("exp")
    world.look("exp", times=2)
    assert world.reason("exp") == "BudgetSpent"
    assert world.condition("exp", "Finished")["status"] == "True"
    assert "1 of 3 runs have no result" in world.condition("exp", "Succeeded")["message"]
    status = world.status("exp")
    assert (status["runs"]["summary"], status["runs"]["failed"]) == ("2/3", 0)
    assert status["results"]["json"].endswith("/exp/results.json")

    world.apply("exp", spec_of(world.server, {"rte": 3}, execution=GPU, budget={"gpuHours": 9}))
    world.restart()
    world.look("exp", times=3)
    assert not is_held(world, "exp")
    (again,) = [one for one in world.jobs("exp", "train") if one["metadata"]["name"] != job["metadata"]["name"]]
    assert [run.run for run in world.job_plan(again).runs_at(0)] == [2]
    world.to_the_end("exp")
    assert (world.reason("exp"), world.status("exp")["runs"]["summary"]) == ("AllRunsSucceeded", "3/3")


def test_a_hold_that_no_budget_asks_for_is_removed(world: World) -> None:
    world.store.put(
        ExperimentLayout(world.namespace, "exp").hold, Hold(message="an earlier one of that name").to_json()
    )
    world.apply("exp", spec_of(world.server, {"rte": 1}))
    world.look("exp", times=2)
    assert not is_held(world, "exp")
    assert len(world.jobs("exp", "train")) == 1


def test_a_hold_whose_look_was_cut_off_is_taken_back_once_there_is_budget_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun(world)
    act = ActionExecutor.act

    def cut_off(actor: ActionExecutor, action: Action, **rest: Any) -> None:
        act(actor, action, **rest)
        raise ApiUnavailableError("the API server went away after it")

    monkeypatch.setattr(ActionExecutor, "act", cut_off)
    world.apply("exp", spec_of(world.server, {"rte": 3}, execution=GPU, budget={"gpuHours": 1}))
    with pytest.raises(ApiUnavailableError):
        world.look("exp")
    assert is_held(world, "exp")
    monkeypatch.undo()
    world.apply("exp", spec_of(world.server, {"rte": 3}, execution=GPU, budget={"gpuHours": 100}))
    world.look("exp", times=2)
    assert not is_held(world, "exp")


def test_a_search_whose_budget_is_spent_hands_on_what_it_has_and_goes_on_with_more(searching: SearchWorld) -> None:
    world, spec = searching, {"trials": 3, "execution": GPU}
    world.apply_search("find", search_spec(world.server, budget={"gpuHours": 1}, **spec))
    world.look_at_search("find", times=2)
    job = world.search_job("find")
    for index in range(2):
        world.put_trial("find", index, gpu_seconds=1800)
    world.play(job, completed={0}, final="Complete")
    world.look_at_search("find", times=2)
    assert world.search_status("find")["gpuHours"] == 1.0
    world.play_search_report("find")
    world.look_at_search("find", times=3)
    assert world.search_reason("find") == "BudgetSpent"
    assert world.search_condition("find", "BestHyperparametersReady")["status"] == "True"
    assert world.search_status("find")["tasks"][0]["end"] == "BudgetSpent"

    world.apply_search("find", search_spec(world.server, **spec))
    world.search_to_the_end("find")
    assert world.search_reason("find") == "AllTrialsEnded"
    assert world.search_status("find")["trials"]["summary"] == "3/3"
    assert not is_held(world, "find")
