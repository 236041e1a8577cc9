"""Experiments with trackers on a real API server: their Secret is looked for first, their failures show in status."""

import pytest

from finetune_core.layout import ExperimentLayout
from finetune_core.tracking import from_env
from support.results import result_of
from support.world import World, spec_of

pytestmark = [pytest.mark.apiserver, pytest.mark.s3]

TRACKING = {"reportTo": ["wandb"], "secretRef": {"name": "tracking-keys"}}


def create_keys(world: World) -> None:
    body = {"metadata": {"name": "tracking-keys"}, "stringData": {"WANDB_API_KEY": "key"}}
    world.core.create_namespaced_secret(world.namespace, body)


def containers(world: World) -> list[dict[str, object]]:
    return [job["spec"]["template"]["spec"]["containers"][0] for job in world.jobs("exp", "train")]


def test_a_missing_secret_is_named_before_anything_runs_and_looked_for_again(world: World) -> None:
    world.apply("exp", spec_of(world.server, {"rte": 1}, tracking=TRACKING))
    assert world.look("exp") is not None
    found = world.condition("exp", "Valid")
    assert (found["status"], found["reason"]) == ("False", "SecretNotFound")
    assert "spec.tracking.secretRef: Secret tracking-keys is not in namespace" in found["message"]
    assert world.jobs("exp") == []

    create_keys(world)
    world.look("exp")
    assert world.condition("exp", "Valid")["status"] == "True"
    assert len(world.jobs("exp", "train")) == 1


def test_a_secret_that_is_deleted_while_runs_are_under_way_stops_nothing(world: World) -> None:
    create_keys(world)
    world.apply("exp", spec_of(world.server, {"rte": 1}, tracking=TRACKING))
    world.look("exp")
    world.core.delete_namespaced_secret("tracking-keys", world.namespace)
    world.to_the_end("exp")
    assert world.reason("exp") == "AllRunsSucceeded"


def test_trackers_switched_on_reach_the_runs_that_are_left_and_repeat_none(world: World) -> None:
    world.apply("exp", spec_of(world.server, {"rte": 2}))
    world.look("exp")
    (before,) = world.jobs("exp", "train")
    world.put_results(before, 0)
    world.play(before, completed={0})
    world.look("exp")
    ids = [run.run_id for run in world.plan("exp").runs]

    create_keys(world)
    world.apply("exp", spec_of(world.server, {"rte": 2}, tracking=TRACKING))
    world.to_the_end("exp")

    assert [run.run_id for run in world.plan("exp").runs] == ids
    after = world.jobs("exp", "train")[-1]
    assert after["metadata"]["name"] != before["metadata"]["name"]
    assert after["spec"]["completions"] == 1
    environment = {one["name"]: one.get("value") for one in containers(world)[-1]["env"]}
    told = from_env(environment)
    assert told is not None
    assert told.model_dump(mode="json", by_alias=True, exclude_none=True) == TRACKING


def test_a_tracker_that_failed_is_a_warning_told_once_however_many_runs_it_failed(world: World) -> None:
    world.apply("exp", spec_of(world.server, {"rte": 3}))
    world.look("exp")
    job, plan = world.job("exp"), world.plan("exp")
    layout = ExperimentLayout(world.namespace, "exp")
    for run in plan.runs:
        warnings = (f"wandb: ConnectionError: request {run.run} was not answered. Check WANDB_API_KEY",)
        result = result_of(plan, run.task, run.run, 0.7).model_copy(update={"warnings": warnings})
        world.store.put(layout.run(run.task, run.run_id).result, result.to_json())
    world.play(job, completed={0, 1, 2}, final="Complete")
    world.to_the_end("exp")
    (warning,) = world.status("exp")["warnings"]
    assert warning.startswith("wandb: ConnectionError: request 0")
    assert world.reason("exp") == "AllRunsSucceeded"
    assert len([reason for kind, reason in world.events("exp") if kind == "Warning"]) == 1
