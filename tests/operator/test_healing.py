"""What went wrong heals by itself where it can, and is said meanwhile (Jobs are played, see World)."""

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest
from kubernetes import client

from finetune_core.json_types import Json
from finetune_core.layout import ExperimentLayout
from finetune_core.results.run import ExitCode, Failure, FailureReason, failure_scope
from finetune_operator import base_reconciler
from finetune_operator.config import Config
from support.seaweed import SeaweedS3
from support.world import IMAGE, World, create_secret, fill_bucket, job_ended, spec_of

pytestmark = [pytest.mark.apiserver, pytest.mark.s3]

CONTAINER = {"name": "trainer", "image": "i", "imageID": "", "ready": False, "restartCount": 0}


@pytest.fixture
def fragile(api_client: client.ApiClient, namespace: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """A world whose store is its own, and is asked for at every look."""
    monkeypatch.setattr(base_reconciler, "_RESYNC_SECONDS_EACH", 0)
    with SeaweedS3() as server:
        fill_bucket(server)
        create_secret(api_client, namespace, server)
        world = World(api_client, namespace, server, config=replace(Config(trainer_image=IMAGE), resync_seconds=0))
        yield world
        world.close()


def to_the_report(world: World, spec: Json) -> Json:
    """All runs have ended; the report Job is there."""
    world.apply("exp", spec)
    world.look("exp")
    world.finish(world.job("exp"))
    world.look("exp")
    return world.job("exp", "report")


def pod_fails(world: World, job: Json, code: int, reason: FailureReason) -> None:
    """A pod of the Job ends with an exit code and its last words."""
    ended = {"exitCode": code, "message": json.dumps({"reason": reason, "message": "it said why"})}
    ended |= {"startedAt": None, "finishedAt": None}
    status = {"phase": "Failed", "containerStatuses": [CONTAINER | {"state": {"terminated": ended}}]}
    world.pod(job, status=status)


def result_key(world: World, run: int = 0) -> str:
    planned = world.plan("exp").runs[run]
    return ExperimentLayout(world.namespace, "exp").run(planned.task, planned.run_id).result


def open_jobs(world: World, role: str) -> list[Json]:
    return [job for job in world.jobs("exp", role) if not job_ended(job)]


def test_a_store_that_is_away_while_the_report_works_is_said_and_so_is_its_return(fragile: World) -> None:
    report = to_the_report(fragile, spec_of(fragile.server, {"rte": 1}))
    fragile.play(report, active=1)
    fragile.server.stop()
    assert fragile.look("exp") is not None
    assert fragile.reason("exp") == "StorageUnavailable"
    fragile.server.start()
    fragile.look("exp")
    assert fragile.reason("exp") == "Reporting"
    fragile.to_the_end("exp")
    assert fragile.reason("exp") == "AllRunsSucceeded"


def test_a_store_that_is_away_is_said_of_a_suspended_experiment_too(fragile: World) -> None:
    fragile.apply("exp", spec_of(fragile.server, {"rte": 1}, execution={"suspend": True}))
    fragile.look("exp", times=2)
    fragile.server.stop()
    fragile.look("exp")
    assert fragile.reason("exp") == "StorageUnavailable"
    fragile.server.start()
    fragile.look("exp")
    assert fragile.reason("exp") == "Suspended"


def test_a_report_that_waited_for_the_store_in_vain_is_tried_again_by_its_job(world: World) -> None:
    report = to_the_report(world, spec_of(world.server, {"rte": 1}))
    rules = report["spec"]["podFailurePolicy"]["rules"]
    assert [rule["action"] for rule in rules if ExitCode.STORE in rule.get("onExitCodes", {}).get("values", ())] == [
        "Ignore"
    ]
    pod_fails(world, report, ExitCode.STORE, FailureReason.STORE)
    world.play(report, active=0)
    assert world.look("exp") is not None
    assert world.reason("exp") == "StorageUnavailable"
    assert "it said why" in world.condition("exp", "Succeeded")["message"]
    world.play(report, active=1)
    world.look("exp")
    assert world.reason("exp") == "Reporting"


def test_a_result_that_is_deleted_after_it_was_counted_is_made_again(world: World) -> None:
    report = to_the_report(world, spec_of(world.server, {"rte": 2}))
    lost = world.plan("exp").runs[1].run_id
    world.store.delete(result_key(world, 1))
    pod_fails(world, report, ExitCode.RESULTS_CHANGED, FailureReason.RESULTS_CHANGED)
    world.play(report, final="Failed")
    world.look("exp", times=2)
    (again,) = open_jobs(world, "train")
    assert world.job_plan(again).indexes == ((lost,),)
    world.to_the_end("exp")
    assert world.reason("exp") == "AllRunsSucceeded"
    assert world.status("exp")["runs"]["summary"] == "2/2"


def test_a_report_of_results_that_were_gone_for_a_while_is_ordered_again_a_few_times(world: World) -> None:
    report = to_the_report(world, spec_of(world.server, {"rte": 1}))
    names = []
    while open_jobs(world, "report"):
        (report,) = open_jobs(world, "report")
        names.append(report["metadata"]["name"].partition("-r")[2].rpartition("-")[2])
        pod_fails(world, report, ExitCode.RESULTS_CHANGED, FailureReason.RESULTS_CHANGED)
        world.play(report, final="Failed")
        world.look("exp")
    assert names[1:] == ["r1", "r2", "r3"]
    assert world.reason("exp") == "ReportFailed"


@pytest.mark.parametrize("content", [b"", b"{", b"{}"])
def test_a_damaged_result_is_named_and_its_run_is_done_again(world: World, content: bytes) -> None:
    report = to_the_report(world, spec_of(world.server, {"rte": 2}))
    world.store.put(result_key(world), content)
    pod_fails(world, report, ExitCode.RESULTS_CHANGED, FailureReason.RESULTS_CHANGED)
    world.play(report, final="Failed")
    world.look("exp", times=2)
    (told,) = world.status("exp")["warnings"]
    assert result_key(world) in told
    assert world.status("exp")["runs"]["succeeded"] == 1
    world.to_the_end("exp")
    assert world.reason("exp") == "AllRunsSucceeded"
    assert world.status("exp")["warnings"] == []


def test_values_changed_and_changed_back_leave_no_job_and_no_plan(world: World) -> None:
    spec = spec_of(world.server, {"rte": 1})
    world.apply("exp", spec)
    world.to_the_end("exp")
    world.apply("exp", {**spec, "training": {"learningRate": 3e-5}})
    world.look("exp", times=2)
    (other,) = open_jobs(world, "train")
    world.play(other, active=1)
    world.apply("exp", spec)
    assert world.look("exp", times=4) is not None
    assert world.reason("exp") == "ReplacingJob"
    world.play(other, active=0)
    world.to_the_end("exp")
    assert world.reason("exp") == "AllRunsSucceeded"
    assert world.jobs("exp", "train") == []
    assert world.core.list_namespaced_config_map(world.namespace).items == []


def test_a_report_that_runs_were_added_to_goes_before_they_begin(world: World) -> None:
    report = to_the_report(world, spec_of(world.server, {"rte": 1}))
    world.play(report, active=1)
    world.apply("exp", spec_of(world.server, {"rte": 2}))
    world.look("exp")
    assert world.jobs("exp", "report") == []
    assert [job["spec"]["completions"] for job in open_jobs(world, "train")] == [1]


def test_a_jobs_time_to_live_begins_when_all_has_ended(world: World) -> None:
    spec = spec_of(world.server, {"rte": 2}, execution={"ttlSecondsAfterFinished": 0})
    world.apply("exp", spec)
    world.look("exp")
    world.finish(world.job("exp"), failed={0})
    world.look("exp", times=2)
    jobs = world.jobs("exp")
    assert len(jobs) == 2
    assert not any("ttlSecondsAfterFinished" in job["spec"] for job in jobs)
    world.to_the_end("exp")
    assert {job["spec"]["ttlSecondsAfterFinished"] for job in world.jobs("exp")} == {60}
    assert world.reason("exp") == "SomeRunsFailed"


def test_a_time_to_live_that_was_not_written_is_written_by_the_next_look(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.apply("exp", spec_of(world.server, {"rte": 1}))
    world.look("exp")
    world.finish(world.job("exp"))
    world.look("exp")
    world.play_report("exp")

    def cut_off(*_: object, **__: object) -> None:
        raise ConnectionError

    with monkeypatch.context() as patched:
        patched.setattr(world.cluster, "patch_work", cut_off)
        with pytest.raises(ConnectionError):
            world.look("exp")
    assert world.condition("exp", "Succeeded")["status"] == "Unknown"
    assert world.look("exp") is None
    assert all(job["spec"]["ttlSecondsAfterFinished"] for job in world.jobs("exp"))


@pytest.mark.parametrize(
    ("token", "remembered"), [(None, True), ("again", False)], ids=["the same retry token", "another one"]
)
def test_failures_count_though_their_job_is_gone(world: World, token: str | None, remembered: bool) -> None:
    spec = spec_of(world.server, {"rte": 2})
    world.apply("exp", spec)
    world.look("exp")
    job = world.job("exp")
    bad = world.job_plan(job).runs_at(0)[0]
    revision = job["metadata"]["annotations"]["finetune.dev/revision"]
    (env,) = [e for e in job["spec"]["template"]["spec"]["containers"][0]["env"] if e["name"] == "FINETUNE_SCOPE"]
    assert env["value"] == failure_scope(world.resource("exp")["metadata"]["uid"], revision)
    failure = Failure(
        reason=FailureReason.USER_ERROR,
        message="labels out of range",
        run_id=bad.run_id,
        task=bad.task,
        run=bad.run,
        attempt="a",
        exit_code=ExitCode.USER_ERROR,
        time="2026-01-01T00:00:00Z",
        scope=env["value"],
    )
    layout = ExperimentLayout(world.namespace, "exp")
    world.store.put(layout.run(bad.task, bad.run_id).failure("a"), failure.to_json())
    world.put_results(job, 1)
    world.collect_job(job)
    if token:
        world.apply("exp", {**spec, "execution": {"retryToken": token}})
    world.restart()
    world.look("exp", times=2)
    assert len(world.jobs("exp", "train")) == (0 if remembered else 1)
    told = [failed["message"] for failed in world.status("exp").get("failures", ())]
    assert told == (["labels out of range"] if remembered else [])
