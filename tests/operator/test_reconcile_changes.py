"""What a changed spec does to an experiment that runs or has ended (Jobs are played, see World)."""

from typing import Any

import pytest

from finetune_core.json_types import Json
from support.world import World, spec_of

pytestmark = [pytest.mark.apiserver, pytest.mark.s3]


def run_ids(world: World, job: Json) -> set[str]:
    return {run_id for index in world.job_plan(job).indexes for run_id in index}


def retire(world: World, name: str, job: Json, **status: Any) -> None:
    """The pods of a suspended Job end."""
    world.look(name)
    assert next(each for each in world.jobs(name) if each["metadata"]["uid"] == job["metadata"]["uid"])["spec"][
        "suspend"
    ]
    world.play(job, active=0, **status)
    world.look(name, times=2)


def test_a_task_and_runs_added_to_a_finished_experiment_are_all_that_runs(world: World) -> None:
    world.apply("exp", spec_of(world.server, {"rte": 2}))
    world.to_the_end("exp")
    first = world.job("exp")
    done = run_ids(world, first)
    old = world.status("exp")["results"]
    world.apply("exp", spec_of(world.server, {"rte": 3, "wnli": 1}))
    world.look("exp", times=2)
    second = world.job("exp")
    assert second["spec"]["completions"] == 2
    assert not run_ids(world, second) & done
    assert world.status("exp")["runs"]["summary"] == "2/4"
    world.to_the_end("exp")
    assert world.status("exp")["runs"]["summary"] == "4/4"
    assert world.status("exp")["results"] == old
    assert b"wnli" in world.store.get(f"{world.namespace}/exp/results.csv")


def test_parallelism_and_suspend_change_in_place(world: World) -> None:
    tasks = {"rte": 3}
    world.apply("exp", spec_of(world.server, tasks, execution={"parallelism": 1}))
    world.look("exp")
    job = world.job("exp")
    world.play(job, active=1)
    world.apply("exp", spec_of(world.server, tasks, execution={"parallelism": 3, "suspend": True}))
    world.look("exp", times=2)
    changed = world.job("exp")
    assert changed["metadata"]["uid"] == job["metadata"]["uid"]
    assert (changed["spec"]["parallelism"], changed["spec"]["suspend"]) == (3, True)
    assert world.reason("exp") == "Suspended"
    world.apply("exp", spec_of(world.server, tasks, execution={"parallelism": 3}))
    world.look("exp", times=2)
    assert world.job("exp")["spec"]["suspend"] is False


def test_another_image_waits_for_the_pods_then_replaces_the_job_and_its_plan(world: World) -> None:
    world.apply("exp", spec_of(world.server, {"rte": 2}))
    world.look("exp")
    old = world.job("exp")
    world.put_results(old, 0)
    world.play(old, completed={0}, active=1)
    world.apply("exp", spec_of(world.server, {"rte": 2}, execution={"image": "example.test/trainer:2"}))
    world.look("exp", times=2)
    assert world.reason("exp") == "ReplacingJob"
    assert world.job("exp")["metadata"]["uid"] == old["metadata"]["uid"]
    world.play(old, completed={0}, active=0, terminating=1)
    world.look("exp", times=2)
    assert world.job("exp")["metadata"]["uid"] == old["metadata"]["uid"]
    world.play(old, completed={0}, active=0)
    world.look("exp", times=2)
    new = world.job("exp")
    assert new["metadata"]["uid"] != old["metadata"]["uid"]
    assert new["spec"]["template"]["spec"]["containers"][0]["image"] == "example.test/trainer:2"
    assert new["spec"]["completions"] == 1
    plans = [each.metadata.name for each in world.core.list_namespaced_config_map(world.namespace).items]
    assert plans == [new["metadata"]["annotations"]["finetune.dev/plan"]]


def test_results_are_read_from_a_job_that_has_the_name_of_an_earlier_one(world: World) -> None:
    first, second = ({"image": f"example.test/trainer:{number}"} for number in (1, 2))
    world.apply("exp", spec_of(world.server, {"rte": 2}, execution=first))
    world.look("exp")
    one = world.job("exp")
    world.play(one, failed={0}, active=1)
    world.look("exp")
    world.apply("exp", spec_of(world.server, {"rte": 2}, execution=second))
    retire(world, "exp", one, failed={0})
    two = world.job("exp")
    world.play(two, active=1)
    world.apply("exp", spec_of(world.server, {"rte": 2}, execution=first))
    retire(world, "exp", two)
    again = world.job("exp")
    assert again["metadata"]["name"] == one["metadata"]["name"]
    world.to_the_end("exp")
    assert world.reason("exp") == "AllRunsSucceeded"


def test_a_new_retry_token_runs_the_failed_runs_again_and_no_others(world: World) -> None:
    world.apply("exp", spec_of(world.server, {"rte": 3}))
    world.look("exp")
    failed = world.job_plan(world.job("exp")).indexes[1]
    world.to_the_end("exp", failed={1})
    assert world.reason("exp") == "SomeRunsFailed"
    world.apply("exp", spec_of(world.server, {"rte": 3}, execution={"retryToken": "again"}))
    world.look("exp", times=2)
    assert world.job_plan(world.job("exp")).indexes == (failed,)
    world.to_the_end("exp")
    assert world.reason("exp") == "AllRunsSucceeded"
    assert "failures" not in world.status("exp") or world.status("exp")["failures"] == []


def test_a_job_of_a_run_a_pod_stays_where_auto_comes_in_and_the_runs_added_later_share_pods(world: World) -> None:
    def apply(runs: int, per_pod: int | str) -> Json:
        world.apply("exp", spec_of(world.server, {"wnli": runs}, execution={"runsPerPod": per_pod}))
        world.look("exp")
        return world.job("exp")

    one = apply(2, 1)
    world.play(one, active=1)
    same = apply(2, "Auto")
    assert (same["metadata"]["uid"], same["spec"]["suspend"]) == (one["metadata"]["uid"], False)
    assert world.reason("exp") == "Running"
    world.to_the_end("exp")
    assert world.reason("exp") == "AllRunsSucceeded"

    apply(5, "Auto")
    world.look("exp", times=2)

    assert [len(runs) for runs in world.job_plan(world.job("exp")).indexes] == [3]


def test_deleted_and_applied_again_a_finished_experiment_runs_nothing(world: World) -> None:
    spec = spec_of(world.server, {"rte": 2})
    world.apply("exp", spec)
    world.to_the_end("exp")
    world.delete("exp")
    assert world.look("exp") is None
    world.apply("exp", spec)
    world.look("exp", times=3)
    assert world.reason("exp") == "AllRunsSucceeded"
    assert world.jobs("exp") == []


def test_deleted_and_applied_again_in_mid_run_only_the_rest_runs(world: World) -> None:
    spec = spec_of(world.server, {"rte": 3})
    world.apply("exp", spec)
    world.look("exp")
    job = world.job("exp")
    world.put_results(job, 0)
    world.play(job, completed={0}, active=1)
    world.delete("exp")
    world.apply("exp", spec)
    world.look("exp")
    assert world.job("exp")["spec"]["completions"] == 2
    world.to_the_end("exp")
    assert world.status("exp")["runs"]["summary"] == "3/3"


def test_a_job_of_the_deleted_experiment_is_gone_before_the_new_one_starts(world: World) -> None:
    spec = spec_of(world.server, {"rte": 2})
    world.apply("exp", spec)
    world.look("exp")
    old = world.job("exp")
    world.play(old, active=1)
    world.custom.delete_namespaced_custom_object(
        "finetune.dev", "v1alpha1", world.namespace, "finetuneexperiments", "exp"
    )
    world.apply("exp", spec)
    world.look("exp", times=2)
    assert world.job("exp")["metadata"]["uid"] == old["metadata"]["uid"]
    assert world.reason("exp") == "ReplacingJob"
    assert not world.job("exp")["spec"]["suspend"]
    # It is not the new experiment's to stop: Kubernetes deletes it with its owner.
    world.collect_job(old)
    world.look("exp", times=2)
    assert world.job("exp")["metadata"]["uid"] != old["metadata"]["uid"]


def test_changed_data_gives_new_runs_and_unchanged_data_none(world: World) -> None:
    for folder in ("one", "two"):
        for split in ("train", "dev"):
            world.store_root.put(f"{world.namespace}/{folder}/RTE/{split}.tsv", b"the same content")
    uris = [f"s3://results/{world.namespace}/{folder}" for folder in ("one", "two")]
    world.apply("exp", spec_of(world.server, {"rte": 1}, data={"uri": uris[0]}))
    world.to_the_end("exp")
    world.apply("exp", spec_of(world.server, {"rte": 1}, data={"uri": uris[1]}))
    world.look("exp")
    assert world.status("exp")["runs"]["summary"] == "1/1"
    world.store_root.put(f"{world.namespace}/two/RTE/train.tsv", b"other content")
    world.apply("exp", spec_of(world.server, {"rte": 1}, data={"uri": uris[1]}, execution={"retryToken": "a"}))
    world.look("exp")
    assert world.status("exp")["runs"]["summary"] == "0/1"


def test_another_store_is_looked_at_anew_and_what_was_copied_there_counts(world: World) -> None:
    spec = spec_of(world.server, {"rte": 2})
    world.apply("exp", spec)
    world.look("exp")
    job = world.job("exp")
    world.put_results(job, 0)
    world.put_results(job, 1)
    world.play(job, completed={0}, active=1)
    world.look("exp")
    assert world.status("exp")["runs"]["succeeded"] == 1
    copied = world.job_plan(job).runs_at(1)[0]
    key = f"{world.namespace}/exp/runs/rte/{copied.run_id}/result.json"
    world.store_root.put(f"elsewhere/{key}", world.store.get(key))
    world.apply("exp", {**spec, "storage": {**spec["storage"], "prefix": "elsewhere"}})
    world.look("exp")
    status = world.status("exp")
    assert status["runs"]["succeeded"] == 1
    assert status["tasks"][0]["best"]["runId"] == copied.run_id
    assert status["tasks"][0]["best"]["uri"].startswith("s3://results/elsewhere/")
