"""`runsUntil` on a real API server: Jobs of a few runs, one after another, until there are enough."""

from typing import Any

import pytest

from finetune_core.json_types import Json
from finetune_core.layout import ExperimentLayout
from support.results import result_of
from support.world import World, job_ended, spec_of

pytestmark = [pytest.mark.apiserver, pytest.mark.s3]


def until(world: World, half: float, most: int, **fields: Any) -> Any:
    """Of RTE: runs as `World.finish` ends them, at 70, 71, 72, ..."""
    made = spec_of(world.server, {"rte": 1}, runsUntil={"halfWidth": half, "max": most}, **fields)
    return {**made, "tasks": [{"name": "rte"}]}


def runs_of(world: World, job: Json) -> list[int]:
    """The run indexes of a training Job, in its order."""
    return [run.run for index in range(job["spec"]["completions"]) for run in world.job_plan(job).runs_at(index)]


def at_work(world: World) -> list[int]:
    """The run indexes of the only training Job that has not ended."""
    (job,) = [job for job in world.jobs("exp", "train") if not job_ended(job)]
    return runs_of(world, job)


def test_runs_are_added_by_another_job_until_the_mean_is_narrow(world: World) -> None:
    world.apply("exp", until(world, 3.0, 10))
    world.look("exp", times=2)
    first = world.job("exp")
    assert (runs_of(world, first), world.status("exp")["runs"]["summary"]) == ([0, 1, 2], "0/3..10")
    ids = [run.run_id for run in world.plan("exp").runs]

    world.finish(first)
    world.look("exp", times=3)
    assert at_work(world) == [3]
    assert [run.run_id for run in world.plan("exp").runs][:3] == ids, "what is done stays done"
    assert world.jobs("exp", "report") == []
    assert world.status("exp")["runs"]["summary"] == "3/4..10"

    world.to_the_end("exp")
    status = world.status("exp")
    assert (world.reason("exp"), status["runs"]["summary"]) == ("AllRunsSucceeded", "4/4")
    assert status["tasks"][0]["seeds"] == "4 are enough: mean ± 3.00"


def test_an_operator_that_remembers_nothing_goes_on_and_there_are_never_more_than_the_most(world: World) -> None:
    world.apply("exp", until(world, 0.5, 5))
    world.to_the_end("exp", between=world.restart)
    status = world.status("exp")
    assert (world.reason("exp"), status["runs"]["summary"]) == ("AllRunsSucceeded", "5/5")
    assert status["tasks"][0]["seeds"] == "5 at most: mean ± 2.65, not ± 0.50"

    world.apply("exp", until(world, 0.5, 7))
    world.restart()
    world.look("exp", times=4)
    assert at_work(world) == [5, 6]


def test_failed_runs_are_tried_again_with_those_that_are_added(world: World) -> None:
    world.apply("exp", until(world, 0.5, 4))
    world.look("exp", times=2)
    world.finish(world.job("exp"), failed=[1])
    world.look("exp", times=3)
    assert at_work(world) == [1, 3]


def test_a_spent_budget_adds_none_and_more_of_it_does(world: World) -> None:
    gpu = {"resources": {"limits": {"nvidia.com/gpu": "1"}}}
    world.apply("exp", until(world, 0.5, 5, execution=gpu, budget={"gpuHours": 3}))
    world.look("exp", times=2)
    job, plan = world.job("exp"), world.plan("exp")
    for run in plan.runs:
        result = result_of(plan, run.task, run.run, 0.7 + run.run / 100, gpu_seconds=3600)
        key = ExperimentLayout(world.namespace, "exp").run(run.task, run.run_id).result
        world.store.put(key, result.to_json())
    world.play(job, completed={0, 1, 2}, final="Complete")
    world.to_the_end("exp")
    assert world.reason("exp") == "BudgetSpent"
    assert "runsUntil asks for more runs of rte" in world.condition("exp", "Succeeded")["message"]

    world.apply("exp", until(world, 0.5, 5, execution=gpu, budget={"gpuHours": 9}))
    world.look("exp", times=4)
    assert at_work(world) == [3, 4]
