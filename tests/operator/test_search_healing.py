"""What went wrong in a search heals by itself where it can (Jobs are played, see SearchWorld)."""

import json
from collections.abc import Iterator

import pytest
from kubernetes import client

from finetune_core.json_types import Json
from finetune_core.results.run import ExitCode, Failure, FailureReason
from finetune_core.search_layout import SearchLayout, TrialKind
from finetune_operator import base_reconciler
from finetune_operator.config import Config
from support.search_world import SearchWorld, search_spec
from support.seaweed import SeaweedS3
from support.world import IMAGE, create_secret, fill_bucket, job_ended

pytestmark = [pytest.mark.apiserver, pytest.mark.s3]

CONTAINER = {"name": "trainer", "image": "i", "imageID": "", "ready": False, "restartCount": 0}


def to_the_report(world: SearchWorld, **fields: object) -> Json:
    world.apply_search("hunt", search_spec(world.server, **fields))
    world.look_at_search("hunt")
    world.drive(world.search_job("hunt"), "hunt")
    world.look_at_search("hunt", times=2)
    return world.search_job("hunt", "report")


def report_fails(world: SearchWorld, report: Json) -> None:
    words = json.dumps({"reason": FailureReason.RESULTS_CHANGED, "message": "it said why"})
    ended = {"exitCode": ExitCode.RESULTS_CHANGED, "message": words, "startedAt": None, "finishedAt": None}
    state = [CONTAINER | {"state": {"terminated": ended}}]
    world.pod(report, status={"phase": "Failed", "containerStatuses": state})
    world.play(report, final="Failed")


def trial_key(world: SearchWorld, index: int) -> str:
    return SearchLayout(world.namespace, "hunt").trial(TrialKind.TRIALS, "rte", index).result


@pytest.mark.parametrize("content", [None, b"{"], ids=["deleted", "damaged"])
def test_a_trial_that_is_gone_or_damaged_after_it_was_counted_is_done_again(
    searching: SearchWorld, content: bytes | None
) -> None:
    report = to_the_report(searching)
    searching.store.delete(trial_key(searching, 1))
    if content is not None:
        searching.store.put(trial_key(searching, 1), content)
    report_fails(searching, report)
    searching.look_at_search("hunt", times=3)
    (again,) = [job for job in searching.search_jobs("hunt", "train") if not job_ended(job)]
    assert len(searching.search_job_plan(again).units) == 1
    warnings = searching.search_status("hunt")["warnings"]
    assert [trial_key(searching, 1) in text for text in warnings] == ([True] if content else [])
    searching.store.delete(trial_key(searching, 1))  # as a driver does, who sets it aside
    searching.search_to_the_end("hunt")
    assert searching.search_reason("hunt") == "AllTrialsEnded"
    assert searching.search_status("hunt")["warnings"] == []


def test_a_report_that_trials_were_added_to_goes_before_they_begin(searching: SearchWorld) -> None:
    report = to_the_report(searching)
    searching.play(report, active=1)
    searching.apply_search("hunt", search_spec(searching.server, trials=4))
    searching.look_at_search("hunt", times=2)
    assert searching.search_jobs("hunt", "report") == []
    assert [job for job in searching.search_jobs("hunt", "train") if not job_ended(job)]


def test_a_jobs_time_to_live_begins_when_the_search_has_ended(searching: SearchWorld) -> None:
    to_the_report(searching, execution={"ttlSecondsAfterFinished": 5})
    assert not any("ttlSecondsAfterFinished" in job["spec"] for job in searching.search_jobs("hunt"))
    searching.search_to_the_end("hunt")
    assert {job["spec"]["ttlSecondsAfterFinished"] for job in searching.search_jobs("hunt")} == {60}


@pytest.mark.parametrize(
    ("token", "remembered"), [(None, True), ("again", False)], ids=["the same retry token", "another one"]
)
def test_failures_of_drivers_count_though_their_job_is_gone(
    searching: SearchWorld, token: str | None, remembered: bool
) -> None:
    spec = search_spec(searching.server)
    searching.apply_search("hunt", spec)
    searching.look_at_search("hunt")
    job = searching.search_job("hunt")
    (scope,) = [e for e in job["spec"]["template"]["spec"]["containers"][0]["env"] if e["name"] == "FINETUNE_SCOPE"]
    assert scope["value"].endswith("/" + job["metadata"]["annotations"]["finetune.dev/revision"])
    failure = Failure(
        reason=FailureReason.USER_ERROR,
        message="no model there",
        run_id="rte/0",
        task="rte",
        run=0,
        attempt="c0-a",
        exit_code=ExitCode.USER_ERROR,
        time="2026-01-01T00:00:00Z",
        scope=scope["value"],
    )
    searching.store.put(SearchLayout(searching.namespace, "hunt").failure("rte", "c0-a"), failure.to_json())
    searching.collect_job(job)
    if token:
        searching.apply_search("hunt", {**spec, "execution": {"retryToken": token}})
    searching.restart()
    searching.look_at_search("hunt", times=2)
    assert len(searching.search_jobs("hunt", "train")) == (0 if remembered else 1)
    told = [failed["message"] for failed in searching.search_status("hunt").get("failures", ())]
    assert told == (["no model there"] if remembered else [])


@pytest.fixture
def fragile(api_client: client.ApiClient, namespace: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[SearchWorld]:
    """A world whose store is its own, and is asked for at every look."""
    monkeypatch.setattr(base_reconciler, "_RESYNC_SECONDS_EACH", 0)
    with SeaweedS3() as server:
        fill_bucket(server)
        create_secret(api_client, namespace, server)
        world = SearchWorld(api_client, namespace, server, config=Config(trainer_image=IMAGE, resync_seconds=0))
        yield world
        world.close()


@pytest.mark.parametrize("phase", ["Running", "Reporting"])
def test_a_store_that_is_away_is_said_in_each_phase_and_so_is_its_return(fragile: SearchWorld, phase: str) -> None:
    if phase == "Reporting":
        fragile.play(to_the_report(fragile), active=1)
    else:
        fragile.apply_search("hunt", search_spec(fragile.server))
        fragile.look_at_search("hunt")
        fragile.play(fragile.search_job("hunt"), active=1, ready=1)
    fragile.look_at_search("hunt")
    assert fragile.search_reason("hunt") == phase
    fragile.server.stop()
    assert fragile.look_at_search("hunt") is not None
    assert fragile.search_reason("hunt") == "StorageUnavailable"
    fragile.server.start()
    fragile.look_at_search("hunt")
    assert fragile.search_reason("hunt") == phase
