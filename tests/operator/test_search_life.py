"""A search's life, look by look, between a real API server and a real store (Jobs and drivers are played)."""

import pytest
import yaml

from finetune_core.results.search.summary import SearchSummary
from finetune_core.results.search.trial import TrialState
from finetune_core.search_layout import SearchLayout
from support.search_world import SearchWorld, search_spec, units

pytestmark = [pytest.mark.apiserver, pytest.mark.s3]


def test_an_applied_search_gets_one_job_with_an_index_a_task_and_cluster(searching: SearchWorld) -> None:
    spec = search_spec(searching.server, ("rte", "cola"), clusters=2, execution={"parallelism": 2})
    searching.apply_search("hunt", spec)
    delay = searching.look_at_search("hunt")
    job = searching.search_job("hunt")
    plan = searching.search_job_plan(job)
    assert units(plan) == ["rte/0", "cola/0", "rte/1", "cola/1"]
    assert (job["spec"]["completions"], job["spec"]["parallelism"]) == (4, 2)
    command = job["spec"]["template"]["spec"]["containers"][0]["command"]
    assert command[:2] == ["finetune-trainer", "search"]
    assert command[-2:] == ["--index", "$(JOB_COMPLETION_INDEX)"]
    assert plan.plan == searching.search_plan("hunt")
    assert job["metadata"]["ownerReferences"][0]["kind"] == "HPSearch"
    assert searching.search_condition("hunt", "Valid")["status"] == "True"
    assert searching.search_condition("hunt", "BestHyperparametersReady")["reason"] == "WaitingForTrials"
    assert searching.search_reason("hunt") == "Pending"
    assert searching.search_status("hunt")["trials"]["summary"] == "0/6"
    assert searching.search_status("hunt")["storage"] == spec["storage"]
    assert delay is not None


def test_trials_appear_in_status_as_they_end(searching: SearchWorld) -> None:
    searching.apply_search("hunt", search_spec(searching.server, trials=4))
    searching.look_at_search("hunt", times=2)
    searching.play(searching.search_job("hunt"), active=1)
    searching.put_trial("hunt", 0, value=0.61)
    searching.put_trial("hunt", 1, value=0.6679)
    searching.put_trial("hunt", 2, state=TrialState.FAILED)
    searching.put_claim("hunt", 3)
    searching.restart()
    searching.look_at_search("hunt")
    status = searching.search_status("hunt")
    counts = status["trials"]
    assert (counts["summary"], counts["running"], counts["completed"], counts["failed"]) == ("3/4", 1, 2, 1)
    assert status["best"] == "rte 66.79"
    best = status["tasks"][0]["best"]
    assert (best["trial"], best["value"]) == (1, 0.6679)
    assert best["hyperparameters"]["learningRate"] > 0
    assert searching.search_reason("hunt") == "Running"
    assert status["eta"] == "<1m"


def test_each_result_is_read_once_and_nothing_is_listed_between_resyncs(searching: SearchWorld) -> None:
    searching.apply_search("hunt", search_spec(searching.server, trials=4))
    searching.look_at_search("hunt", times=2)
    searching.play(searching.search_job("hunt"), active=1)
    searching.put_trial("hunt", 0)
    searching.look_at_search("hunt")
    assert searching.search_status("hunt")["trials"]["summary"] == "0/4"
    searching.restart()
    searching.look_at_search("hunt")
    assert searching.search_status("hunt")["trials"]["summary"] == "1/4"


def test_a_search_ends_with_report_config_map_and_status(searching: SearchWorld) -> None:
    spec = search_spec(searching.server)
    spec["tasks"] = [{"name": "rte", "proxyFor": ["wnli"]}, {"name": "cola"}]
    searching.apply_search("hunt", spec)
    searching.search_to_the_end("hunt")
    status = searching.search_status("hunt")
    assert searching.search_reason("hunt") == "AllTrialsEnded"
    assert searching.search_condition("hunt", "BestHyperparametersReady")["status"] == "True"
    root = f"s3://results/out/{searching.namespace}/hunt"
    assert status["results"]["html"] == f"{root}/summary.html"
    assert status["results"]["hyperparameters"] == f"{root}/hps"
    assert status["completionTime"]
    best = {task["name"]: task["best"]["hyperparameters"] for task in status["tasks"]}
    config_map = searching.core.read_namespaced_config_map(status["configMap"], searching.namespace)
    everything = yaml.safe_load(config_map.data["hyperparameters.yaml"])
    assert everything == {"rte": best["rte"], "cola": best["cola"], "wnli": best["rte"]}
    assert yaml.safe_load(config_map.data["rte.yaml"]) == best["rte"]
    summary = SearchSummary.model_validate_json(
        searching.store.get(SearchLayout(searching.namespace, "hunt").summary("json"))
    )
    assert {task.task: task.best.hyperparameters for task in summary.tasks if task.best} == best


def test_events_tell_of_the_phases_in_order(searching: SearchWorld) -> None:
    searching.apply_search("hunt", search_spec(searching.server))
    searching.search_to_the_end("hunt")
    reasons = [reason for _, reason in searching.events("hunt")]
    assert reasons == ["Pending", "Reporting", "AllTrialsEnded", "Exported"]


def test_a_settled_search_asks_nothing_of_the_store(searching: SearchWorld) -> None:
    searching.apply_search("hunt", search_spec(searching.server))
    searching.search_to_the_end("hunt")
    searching.requests.clear()
    assert searching.look_at_search("hunt") is None
    assert dict(searching.requests) == {("GET", "hpsearches"): 1}


def test_a_search_whose_trials_all_fail_ends_without_a_config_map(searching: SearchWorld) -> None:
    searching.apply_search("hunt", search_spec(searching.server))
    searching.search_to_the_end("hunt", state=TrialState.FAILED)
    assert searching.search_reason("hunt") == "TaskFailed"
    assert searching.search_condition("hunt", "Succeeded")["status"] == "False"
    assert "configMap" not in searching.search_status("hunt")
    assert searching.search_status("hunt")["trials"]["failed"] == 3


def test_an_index_that_gives_up_is_told_with_the_pods_last_words(searching: SearchWorld) -> None:
    searching.apply_search("hunt", search_spec(searching.server))
    searching.look_at_search("hunt")
    job = searching.search_job("hunt")
    text = '{"reason": "UserError", "message": "rte/train.tsv has no column label", "runId": null}'
    terminated = {"exitCode": 64, "message": text, "startedAt": None, "finishedAt": None}
    container = {"name": "trainer", "image": "i", "imageID": "", "ready": False, "restartCount": 0}
    failed = {"phase": "Failed", "containerStatuses": [{**container, "state": {"terminated": terminated}}]}
    searching.pod(job, status=failed)
    searching.play(job, failed={0}, final="Failed")
    searching.look_at_search("hunt", times=2)
    (failure,) = searching.search_status("hunt")["failures"]
    assert (failure["task"], failure["cluster"], failure["reason"]) == ("rte", 0, "UserError")
    assert "no column label" in failure["message"]
    searching.play_search_report("hunt")
    assert searching.look_at_search("hunt") is None
    assert searching.search_reason("hunt") == "TaskFailed"


def test_a_config_map_of_somebody_else_is_left_alone(searching: SearchWorld) -> None:
    searching.core.create_namespaced_config_map(
        searching.namespace, {"metadata": {"name": "hunt-hyperparameters"}, "data": {"mine": "1"}}
    )
    searching.apply_search("hunt", search_spec(searching.server))
    searching.look_at_search("hunt")
    searching.drive(searching.search_job("hunt"), "hunt")
    searching.look_at_search("hunt")
    searching.play_search_report("hunt")
    searching.look_at_search("hunt")
    assert searching.search_reason("hunt") == "Blocked"
    assert "not of this search" in searching.search_condition("hunt", "Succeeded")["message"]
    kept = searching.core.read_namespaced_config_map("hunt-hyperparameters", searching.namespace)
    assert kept.data == {"mine": "1"}
