"""Changing, deleting and re-applying searches; operators that come and go."""

from typing import Any

import pytest

from finetune_core.search_layout import SearchLayout
from support.search_world import SPACE, SearchWorld, search_spec, units

pytestmark = [pytest.mark.apiserver, pytest.mark.s3]


def at_work(world: SearchWorld, **fields: Any) -> None:
    """A search of which one trial has ended and another is at work."""
    world.apply_search("hunt", search_spec(world.server, **fields))
    world.look_at_search("hunt", times=2)
    world.play(world.search_job("hunt"), active=1)
    world.put_trial("hunt", 0)
    world.put_claim("hunt", 1)


def test_parallelism_and_suspend_are_patched_into_the_living_job(searching: SearchWorld) -> None:
    at_work(searching)
    spec = search_spec(searching.server, execution={"parallelism": 3, "suspend": True})
    searching.apply_search("hunt", spec)
    searching.look_at_search("hunt")
    job = searching.search_job("hunt")
    assert (job["spec"]["parallelism"], job["spec"]["suspend"]) == (3, True)
    assert searching.search_reason("hunt") == "Suspended"


def test_more_trials_replace_the_job_and_keep_what_has_ended(searching: SearchWorld) -> None:
    at_work(searching)
    old = searching.search_job("hunt")
    searching.apply_search("hunt", search_spec(searching.server, trials=5))
    searching.look_at_search("hunt")
    assert searching.search_job("hunt")["spec"]["suspend"] is True
    assert searching.search_reason("hunt") == "ReplacingJob"
    searching.play(old, active=0)
    searching.look_at_search("hunt", times=2)
    job = searching.search_job("hunt")
    assert job["metadata"]["name"] != old["metadata"]["name"]
    assert searching.search_job_plan(job).plan.tasks["rte"].trials == 5
    assert searching.search_status("hunt")["trials"]["summary"] == "1/5"


def test_a_search_that_has_ended_goes_on_when_more_trials_are_asked_for(searching: SearchWorld) -> None:
    searching.apply_search("hunt", search_spec(searching.server, ("rte", "cola"), trials=2))
    searching.search_to_the_end("hunt")
    spec = search_spec(searching.server, ("rte", "cola"), trials=2)
    spec["tasks"][0]["trials"] = 4
    searching.apply_search("hunt", spec)
    searching.look_at_search("hunt", times=2)
    job = next(
        job for job in searching.search_jobs("hunt", "train") if "completedIndexes" not in (job.get("status") or {})
    )
    assert units(searching.search_job_plan(job)) == ["rte/0"]
    assert searching.search_status("hunt")["trials"]["summary"] == "4/6"
    searching.search_to_the_end("hunt")
    assert searching.search_status("hunt")["trials"]["summary"] == "6/6"
    assert searching.search_reason("hunt") == "AllTrialsEnded"


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"seed": 7}, id="seed"),
        pytest.param({"algorithm": "TPE"}, id="algorithm"),
        pytest.param({"space": {**SPACE, "learningRate": {"uniform": [1e-5, 1e-3]}}}, id="space"),
        pytest.param({"training": {"weightDecay": 0.1}}, id="settings"),
    ],
)
def test_what_makes_trials_incomparable_is_refused_and_what_runs_goes_on(
    searching: SearchWorld, changes: dict[str, Any]
) -> None:
    at_work(searching)
    before = searching.search_job("hunt")["spec"]
    searching.apply_search("hunt", search_spec(searching.server, **changes))
    assert searching.look_at_search("hunt") is not None
    valid = searching.search_condition("hunt", "Valid")
    assert (valid["status"], valid["reason"]) == ("False", "SearchChanged")
    assert "create a new HPSearch" in valid["message"]
    assert searching.search_job("hunt")["spec"] == before

    searching.apply_search("hunt", search_spec(searching.server))
    searching.look_at_search("hunt")
    assert searching.search_condition("hunt", "Valid")["status"] == "True"
    assert searching.search_reason("hunt") == "Running"


def test_a_refused_change_is_taken_once_the_trials_are_deleted(searching: SearchWorld) -> None:
    at_work(searching)
    searching.apply_search("hunt", search_spec(searching.server, seed=7))
    searching.look_at_search("hunt")
    for info in searching.store.list(SearchLayout(searching.namespace, "hunt").root):
        searching.store.delete(info.key)
    searching.look_at_search("hunt")
    assert searching.search_condition("hunt", "Valid")["status"] == "True"
    assert searching.search_plan("hunt").seed == 7


def test_everything_may_change_before_the_first_trial(searching: SearchWorld) -> None:
    searching.apply_search("hunt", search_spec(searching.server))
    searching.look_at_search("hunt")
    searching.apply_search("hunt", search_spec(searching.server, seed=7))
    searching.look_at_search("hunt")
    assert searching.search_plan("hunt").seed == 7


def test_a_search_deleted_and_applied_again_finds_its_trials(searching: SearchWorld) -> None:
    at_work(searching)
    searching.delete_search("hunt")
    searching.look_at_search("hunt")
    searching.apply_search("hunt", search_spec(searching.server))
    searching.look_at_search("hunt", times=2)
    assert searching.search_status("hunt")["trials"]["summary"] == "1/3"
    searching.search_to_the_end("hunt")
    searching.delete_search("hunt")
    searching.apply_search("hunt", search_spec(searching.server))
    searching.look_at_search("hunt", times=2)
    assert searching.search_jobs("hunt") == []
    assert searching.search_reason("hunt") == "AllTrialsEnded"
    owner = searching.core.read_namespaced_config_map("hunt-hyperparameters", searching.namespace)
    assert owner.metadata.owner_references[0].kind == "HPSearch"


def test_an_operator_that_restarts_at_every_look_comes_to_the_same_end(searching: SearchWorld) -> None:
    searching.apply_search("hunt", search_spec(searching.server, ("rte", "cola"), clusters=2))
    for _ in range(12):
        searching.restart()
        if searching.look_at_search("hunt") is None:
            break
        for job in searching.search_jobs("hunt", "train"):
            if not (job.get("status") or {}).get("conditions"):
                searching.drive(job, "hunt")
        if [job for job in searching.search_jobs("hunt", "report") if not (job.get("status") or {}).get("conditions")]:
            searching.play_search_report("hunt")
    assert searching.search_reason("hunt") == "AllTrialsEnded"
    assert len(searching.search_jobs("hunt", "train")) == 1
    assert len(searching.search_jobs("hunt", "report")) == 1


def test_a_store_that_cannot_be_reached_is_waited_for(searching: SearchWorld) -> None:
    spec = search_spec(searching.server)
    spec["storage"] = {**spec["storage"], "endpoint": "http://127.0.0.1:9"}
    searching.apply_search("hunt", spec)
    assert searching.look_at_search("hunt") is not None
    assert searching.search_reason("hunt") == "StorageUnavailable"
    assert searching.search_condition("hunt", "BestHyperparametersReady")["status"] == "Unknown"
