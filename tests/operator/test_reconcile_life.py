"""An experiment's life, look by look, between a real API server and a real store (Jobs are played, see World)."""

import pytest

from finetune_core.layout import ExperimentLayout
from finetune_core.results.run import Failure, FailureReason
from support.world import World, spec_of

pytestmark = [pytest.mark.apiserver, pytest.mark.s3]


def test_an_applied_experiment_gets_a_job_a_plan_and_conditions_at_first_sight(world: World) -> None:
    world.apply("exp", spec_of(world.server, {"rte": 2, "wnli": 1}, execution={"parallelism": 2}))
    delay = world.look("exp")
    job = world.job("exp")
    assert job["spec"]["completions"] == 3
    assert job["spec"]["parallelism"] == 2
    assert job["spec"]["backoffLimitPerIndex"] == 3
    plan = job["metadata"]["annotations"]["finetune.dev/plan"]
    assert world.core.read_namespaced_config_map(plan, world.namespace).immutable is True
    assert world.job_plan(job).plan == world.plan("exp")
    assert world.condition("exp", "Valid")["status"] == "True"
    assert world.condition("exp", "Succeeded")["status"] == "Unknown"
    assert world.reason("exp") == "Pending"
    assert world.condition("exp", "LeaderboardReady")["reason"] == "NotRequested"
    assert world.status("exp")["runs"]["summary"] == "0/3"
    assert delay is not None


def test_the_longest_runs_come_first(world: World) -> None:
    world.apply("exp", spec_of(world.server, {"wnli": 1, "rte": 1}))
    world.look("exp")
    plan = world.job_plan(world.job("exp"))
    assert [plan.runs_at(index)[0].task for index in range(2)] == ["rte", "wnli"]


def test_results_appear_in_status_as_indexes_complete(world: World) -> None:
    world.apply("exp", spec_of(world.server, {"rte": 3}, execution={"parallelism": 2}))
    world.look("exp")
    job = world.job("exp")
    world.put_results(job, 0)
    world.play(job, completed={0}, active=2)
    world.look("exp")
    status = world.status("exp")
    assert world.reason("exp") == "Running"
    assert status["runs"] == {"total": 3, "pending": 0, "running": 2, "succeeded": 1, "failed": 0, "summary": "1/3"}
    assert status["tasks"][0]["best"]["value"] == pytest.approx(0.7)
    assert status["tasks"][0]["runs"] == "1/3"
    assert status["job"] == job["metadata"]["name"]


def test_progress_of_living_runs_becomes_an_eta(world: World) -> None:
    world.apply("exp", spec_of(world.server, {"rte": 1}))
    world.look("exp")
    job = world.job("exp")
    run = world.plan("exp").runs[0]
    progress = b'{"step": 1, "totalSteps": 9, "secondsLeft": 500, "elapsedSeconds": 50, "attempt": "a", "time": "t"}'
    world.store.put(ExperimentLayout(world.namespace, "exp").run("rte", run.run_id).progress, progress)
    world.play(job, active=1)
    world.restart()
    world.look("exp")
    assert world.status("exp")["eta"] == "~7m"


def test_an_experiment_whose_runs_succeed_ends_with_report_uris_and_score(world: World) -> None:
    world.apply("exp", spec_of(world.server, {"rte": 2, "wnli": 1}))
    world.to_the_end("exp")
    status = world.status("exp")
    assert world.condition("exp", "Succeeded") | {"status": "True", "reason": "AllRunsSucceeded"} == world.condition(
        "exp", "Succeeded"
    )
    assert status["runs"]["summary"] == "3/3"
    root = f"s3://results/out/{world.namespace}/exp"
    assert status["results"] == {
        "json": f"{root}/results.json",
        "csv": f"{root}/results.csv",
        "markdown": f"{root}/results.md",
        "html": f"{root}/report.html",
    }
    for uri in status["results"].values():
        assert world.store.get(uri.removeprefix("s3://results/out/"))
    best = status["tasks"][0]["best"]
    assert best["run"] == 1
    assert best["uri"] == f"{root}/runs/rte/{best['runId']}"
    assert status["score"].startswith("7")
    assert "eta" not in status
    assert status["startTime"]
    assert status["completionTime"]


def test_events_tell_of_the_phases_in_order(world: World) -> None:
    world.apply("exp", spec_of(world.server, {"rte": 1}))
    world.to_the_end("exp")
    reasons = [reason for _, reason in world.events("exp")]
    assert reasons == ["Pending", "Reporting", "AllRunsSucceeded"]
    assert {kind for kind, _ in world.events("exp")} == {"Normal"}


def test_failed_runs_are_told_with_their_reason_and_the_others_count(world: World) -> None:
    world.apply("exp", spec_of(world.server, {"rte": 2, "wnli": 1}))
    world.look("exp")
    job = world.job("exp")
    bad = world.job_plan(job).runs_at(1)[0]
    failure = Failure(
        reason=FailureReason.USER_ERROR,
        message="labels out of range in dev.tsv",
        run_id=bad.run_id,
        task=bad.task,
        run=bad.run,
        attempt="a",
        exit_code=64,
        time="2026-01-01T00:00:00Z",
    )
    layout = ExperimentLayout(world.namespace, "exp")
    world.store.put(layout.run(bad.task, bad.run_id).failure("a"), failure.to_json())
    world.to_the_end("exp", failed={1})
    status = world.status("exp")
    assert world.reason("exp") == "SomeRunsFailed"
    assert world.condition("exp", "Succeeded")["status"] == "True"
    assert status["runs"]["failed"] == 1
    (told,) = status["failures"]
    assert (told["runId"], told["reason"], told["message"]) == (bad.run_id, "UserError", failure.message)
    assert ("Warning", "RunFailed") in world.events("exp")


def test_a_task_without_any_result_fails_the_experiment_and_names_the_task(world: World) -> None:
    world.apply("exp", spec_of(world.server, {"rte": 1, "wnli": 1}))
    world.look("exp")
    plan = world.job_plan(world.job("exp"))
    wnli = next(index for index in range(2) if plan.runs_at(index)[0].task == "wnli")
    world.to_the_end("exp", failed={wnli})
    condition = world.condition("exp", "Succeeded")
    assert (condition["status"], condition["reason"]) == ("False", "TaskFailed")
    assert "wnli" in condition["message"]
    assert world.status("exp")["results"]


def test_a_pods_last_words_stand_in_where_the_store_has_no_failure_report(world: World) -> None:
    world.apply("exp", spec_of(world.server, {"rte": 1}))
    world.look("exp")
    job = world.job("exp")
    ended = {"exitCode": 137, "reason": "OOMKilled", "startedAt": None, "finishedAt": None}
    container = {"name": "trainer", "image": "i", "imageID": "", "ready": False, "restartCount": 0}
    world.pod(job, status={"phase": "Failed", "containerStatuses": [container | {"state": {"terminated": ended}}]})
    world.play(job, failed={0}, final="Failed")
    world.look("exp")
    (told,) = world.status("exp")["failures"]
    assert told["reason"] == "OOMKilled"
    assert "memory" in told["message"]


def test_a_pod_that_cannot_start_shows_as_blocked_with_the_kubelets_reason(world: World) -> None:
    world.apply("exp", spec_of(world.server, {"rte": 1}))
    world.look("exp")
    job = world.job("exp")
    waiting = {"reason": "ImagePullBackOff", "message": 'Back-off pulling image "example.test/trainer:1"'}
    container = {"name": "trainer", "image": "i", "imageID": "", "ready": False, "restartCount": 0}
    world.pod(job, status={"phase": "Pending", "containerStatuses": [container | {"state": {"waiting": waiting}}]})
    world.play(job, active=1, ready=0)
    world.look("exp")
    assert world.reason("exp") == "Blocked"
    assert "ImagePullBackOff" in world.condition("exp", "Succeeded")["message"]
    assert ("Warning", "Blocked") in world.events("exp")


def test_a_completed_index_without_a_result_is_run_again(world: World) -> None:
    world.apply("exp", spec_of(world.server, {"rte": 2}))
    world.look("exp")
    first = world.job("exp")
    lost = world.job_plan(first).indexes[1]
    world.put_results(first, 0)
    world.play(first, completed={0, 1}, final="Complete")
    world.look("exp")
    again = world.job("exp")
    assert again["metadata"]["name"] == first["metadata"]["name"] + "-r1"
    assert world.job_plan(again).indexes == (lost,)


def test_a_finished_experiment_costs_one_read_a_look_and_no_write(world: World) -> None:
    world.apply("exp", spec_of(world.server, {"rte": 1}))
    world.to_the_end("exp")
    world.requests.clear()
    assert world.look("exp", times=3) is None
    assert dict(world.requests) == {("GET", "finetuneexperiments"): 3}
    world.restart()
    world.requests.clear()
    assert world.look("exp") is None
    assert dict(world.requests) == {("GET", "finetuneexperiments"): 1}
    assert world.operator.remembered() == 0


def test_nothing_is_written_while_nothing_changes(world: World) -> None:
    world.apply("exp", spec_of(world.server, {"rte": 2}))
    world.look("exp")
    world.play(world.job("exp"), active=1)
    world.look("exp", times=2)
    before = world.custom.get_namespaced_custom_object(
        "finetune.dev", "v1alpha1", world.namespace, "finetuneexperiments", "exp"
    )
    world.requests.clear()
    world.look("exp", times=5)
    assert {verb for verb, _ in world.requests} == {"GET"}
    after = world.custom.get_namespaced_custom_object(
        "finetune.dev", "v1alpha1", world.namespace, "finetuneexperiments", "exp"
    )
    assert after["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"]


def test_status_over_a_thousand_failed_runs_is_bounded(world: World) -> None:
    world.apply(
        "exp", spec_of(world.server, {}, execution={"parallelism": 1000}) | {"tasks": custom_tasks(10), "runs": 100}
    )
    for index in range(10):
        for split in ("train", "dev"):
            world.store_root.put(f"custom/{index}.{split}.csv", b"text,label")
    world.look("exp")
    job = world.job("exp")
    assert job["spec"]["completions"] == 1000
    world.play(job, failed=set(range(1000)), final="Failed")
    world.look("exp")
    status = world.status("exp")
    assert status["runs"]["failed"] == 1000
    assert len(status["failures"]) == 10
    assert status["failuresOmitted"] == 990
    report = world.job("exp", "report")
    assert len(str(report)) < 100_000


def custom_tasks(count: int) -> list[dict]:
    return [
        {
            "name": f"custom-{index}",
            "problemType": "Classification",
            "labels": ["no", "yes"],
            "data": {
                "uri": "s3://results/custom",
                "train": f"{index}.train.csv",
                "validation": f"{index}.dev.csv",
                "textColumns": ["text"],
            },
        }
        for index in range(count)
    ]


def test_two_namespaces_with_experiments_of_one_name_do_not_touch_each_other(world: World, other_world: World) -> None:
    for each in (world, other_world):
        each.apply("exp", spec_of(each.server, {"rte": 1}))
    world.to_the_end("exp")
    other_world.look("exp")
    assert world.reason("exp") == "AllRunsSucceeded"
    assert other_world.reason("exp") == "Pending"
    assert other_world.job("exp")["spec"]["completions"] == 1


def test_a_name_with_dots_runs_to_its_end(world: World) -> None:
    world.apply("bert.base", spec_of(world.server, {"rte": 1}))
    world.look("bert.base")
    # The API server refuses an Indexed Job whose pods' host names would be no labels.
    assert "." not in world.job("bert.base")["metadata"]["name"]
    world.to_the_end("bert.base")
    assert world.reason("bert.base") == "AllRunsSucceeded"
