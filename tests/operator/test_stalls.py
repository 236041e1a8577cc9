"""A run that gives no sign of life is said, with age and node; past its timeout its pod is interrupted."""

import asyncio
import json
from typing import cast

import pytest
from aiohttp import web
from kubernetes import client

from finetune_core.json_types import Json
from finetune_core.layout import ExperimentLayout
from finetune_core.results.run import Progress
from finetune_core.search_layout import SearchLayout
from finetune_operator.cluster import Cluster
from finetune_operator.config import Config
from finetune_operator.kinds.experiment import Reconciler
from finetune_operator.kinds.search import SearchReconciler
from finetune_operator.leadership import Alone
from finetune_operator.service import Service
from finetune_operator.telemetry import Telemetry
from support.search_world import SearchWorld, search_spec
from support.world import IMAGE, World, spec_of

pytestmark = [pytest.mark.apiserver, pytest.mark.s3]

RUNNING = {"phase": "Running", "containerStatuses": []}
FROZEN = "2026-01-01T00:00:00Z"


def at_work(world: World, **execution: object) -> tuple[Json, str]:
    """An experiment with a run at work: its Job, and its pod, which has given a sign."""
    world.apply("exp", spec_of(world.server, {"rte": 1}, execution=execution))
    world.look("exp")
    job = world.job("exp")
    pod = world.pod(job, status=RUNNING, node="gpu-7")
    world.play(job, active=1, ready=1)
    sign(world, pod)
    world.look("exp")
    return job, pod


def sign(world: World, pod: str, time: str = FROZEN) -> None:
    uid = world.core.read_namespaced_pod(pod, world.namespace).metadata.uid
    (run,) = world.plan("exp").runs
    progress = Progress(step=5, total_steps=10, seconds_left=60, elapsed_seconds=60, attempt=uid, time=time)
    world.store.put(ExperimentLayout(world.namespace, "exp").run("rte", run.run_id).progress, progress.to_json())


def wait(world: World, seconds: int, every: int = 25) -> None:
    """Time goes by, with a look at each resync, or as often as a sign has to be read at least."""
    for _ in range(0, seconds, every):
        world.pass_time(every)
        world.look("exp")


def message(world: World) -> str:
    return str(world.condition("exp", "Succeeded")["message"])


def test_a_run_without_a_sign_is_stalled_with_its_age_and_node(world: World) -> None:
    _, pod = at_work(world)
    wait(world, 250)
    assert world.reason("exp") == "Running"
    wait(world, 150)
    assert world.reason("exp") == "Stalled"
    assert f"rte run 0 in pod {pod} on node gpu-7 has given no sign of life for 6 min" in message(world)
    assert "after 60 min (execution.stallTimeoutSeconds) its pod is ended" in message(world)
    assert ("Warning", "Stalled") in world.events("exp")
    assert world.operator.stalled() == 1
    assert world.core.read_namespaced_pod(pod, world.namespace).metadata.deletion_timestamp is None


def test_a_new_sign_and_it_runs_again(world: World) -> None:
    _, pod = at_work(world)
    wait(world, 400)
    sign(world, pod, "2026-01-01T00:10:00Z")
    wait(world, 50)
    assert world.reason("exp") == "Running"
    assert world.operator.stalled() == 0


def test_past_the_timeout_its_pod_is_ended_as_an_interruption(world: World) -> None:
    job, pod = at_work(world, stallTimeoutSeconds=600)
    wait(world, 700)
    found = world.core.read_namespaced_pod(pod, world.namespace)
    assert found.metadata.deletion_timestamp is not None
    # What the Job's podFailurePolicy looks for: it costs no retry.
    assert [(c.type, c.status) for c in found.status.conditions if c.type == "DisruptionTarget"] == [
        ("DisruptionTarget", "True")
    ]
    assert {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]} in job["spec"][
        "podFailurePolicy"
    ]["rules"]
    wait(world, 50)
    assert world.reason("exp") == "Running"


def test_the_sign_of_an_earlier_pod_says_nothing_of_the_next_one(world: World) -> None:
    job, pod = at_work(world)
    world.core.delete_namespaced_pod(pod, world.namespace, grace_period_seconds=0)
    world.pod(job, status=RUNNING, node="gpu-8")
    wait(world, 700)
    assert world.reason("exp") == "Running"


def test_time_in_which_the_store_was_not_read_counts_for_no_run(world: World) -> None:
    at_work(world)
    world.pass_time(3000)
    wait(world, 50)
    assert world.reason("exp") == "Running"


def test_a_sign_is_asked_for_once_a_resync_and_pods_only_where_it_is_old(world: World) -> None:
    at_work(world)
    world.requests.clear()
    wait(world, 250)
    assert world.requests["GET", "pods"] == 0
    wait(world, 50)
    assert world.requests["GET", "pods"] > 0


def test_a_pod_disruption_budget_is_kept_to_and_the_run_stays_stalled(world: World) -> None:
    budget = {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": "none"},
        "spec": {"maxUnavailable": 0, "selector": {}},
    }
    world.custom.create_namespaced_custom_object("policy", "v1", world.namespace, "poddisruptionbudgets", budget)
    _, pod = at_work(world, stallTimeoutSeconds=600)
    wait(world, 700)
    assert world.reason("exp") == "Stalled"
    assert world.core.read_namespaced_pod(pod, world.namespace).metadata.deletion_timestamp is None


def give_sign(world: World, name: str, pod: str, seconds: float = 0.1) -> None:
    """What a pod that reports or looks at volumes leaves every few seconds."""
    uid = world.core.read_namespaced_pod(pod, world.namespace).metadata.uid
    world.store.put(ExperimentLayout(world.namespace, name).sign(uid), json.dumps({"cpuSeconds": seconds}).encode())


def reporting(world: World) -> str:
    """An experiment whose report's pod is at work."""
    world.apply("exp", spec_of(world.server, {"rte": 1}, execution={"stallTimeoutSeconds": 600}))
    world.look("exp")
    world.finish(world.job("exp"))
    world.look("exp", times=2)
    return at_work_at(world, world.job("exp", "report"))


def at_work_at(world: World, job: Json, name: str = "exp") -> str:
    pod = world.pod(job, status=RUNNING, node="gpu-7")
    world.play(job, active=1, ready=1)
    give_sign(world, name, pod)
    return pod


def is_ended(world: World, pod: str) -> bool:
    """As an interruption, which costs no retry."""
    found = world.core.read_namespaced_pod(pod, world.namespace)
    told = {c.type for c in found.status.conditions or ()}
    return found.metadata.deletion_timestamp is not None and "DisruptionTarget" in told


def test_a_report_that_hangs_is_stalled_then_ended_and_another_pod_writes_it(world: World) -> None:
    pod = reporting(world)
    wait(world, 200, 50)
    assert world.reason("exp") == "Reporting"
    wait(world, 200, 50)
    assert world.reason("exp") == "Stalled"
    assert f"Writing tables and what is best. Pod {pod} on node gpu-7 has given no sign of life for" in message(world)
    assert "after 10 min (execution.stallTimeoutSeconds) it is ended, and another one begins" in message(world)
    assert world.operator.stalled() == 1
    assert not is_ended(world, pod)
    wait(world, 300, 50)
    assert is_ended(world, pod)
    world.to_the_end("exp")
    assert world.reason("exp") == "AllRunsSucceeded"


def test_a_report_that_is_slow_but_lives_is_left_alone(world: World) -> None:
    pod = reporting(world)
    for seconds in range(4):
        give_sign(world, "exp", pod, seconds)
        wait(world, 200, 50)
    assert not is_ended(world, pod)
    assert world.reason("exp") == "Reporting"


def test_a_reports_pod_of_an_earlier_release_which_gives_no_signs_is_left_alone(world: World) -> None:
    pod = reporting(world)
    uid = world.core.read_namespaced_pod(pod, world.namespace).metadata.uid
    world.store.delete(ExperimentLayout(world.namespace, "exp").sign(uid))
    wait(world, 400, 50)
    assert world.reason("exp") == "Reporting"
    assert not is_ended(world, pod)


def test_a_look_at_volumes_that_hangs_is_stalled_then_ended(world: World) -> None:
    execution = {"stallTimeoutSeconds": 600}
    world.apply("exp", spec_of(world.server, {"rte": 1}, model={"uri": "pvc://models/bert"}, execution=execution))
    world.look("exp")
    job = world.job("exp", "resolve")
    pod = at_work_at(world, job)
    wait(world, 200, 50)
    assert world.reason("exp") == "ResolvingInputs"
    wait(world, 200, 50)
    assert world.reason("exp") == "Stalled"
    assert f"a pod looks at pvc://models/bert. Pod {pod} on node gpu-7 has given no sign of life" in message(world)
    assert world.operator.stalled() == 1
    wait(world, 300, 50)
    assert is_ended(world, pod)
    wait(world, 50)
    assert world.reason("exp") == "ResolvingInputs"
    assert world.operator.stalled() == 0
    ignored = {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}
    assert ignored in job["spec"]["podFailurePolicy"]["rules"]


def test_a_searchs_report_that_hangs_is_stalled_then_ended(searching: SearchWorld) -> None:
    searching.apply_search("hunt", search_spec(searching.server, execution={"stallTimeoutSeconds": 600}))
    searching.look_at_search("hunt", times=2)
    searching.drive(searching.search_job("hunt"), "hunt")
    searching.look_at_search("hunt", times=2)
    pod = at_work_at(searching, searching.search_job("hunt", "report"), "hunt")
    wait_for_search(searching, 400)
    assert searching.search_reason("hunt") == "Stalled"
    wait_for_search(searching, 300)
    assert is_ended(searching, pod)


def wait_for_search(searching: SearchWorld, seconds: int) -> None:
    for _ in range(0, seconds, 50):
        searching.pass_time(50)
        searching.look_at_search("hunt")


def test_a_searchs_driver_without_a_heartbeat_is_stalled_and_ended(searching: SearchWorld) -> None:
    spec = search_spec(searching.server, execution={"stallTimeoutSeconds": 600})
    searching.apply_search("hunt", spec)
    searching.look_at_search("hunt")
    job = searching.search_job("hunt")
    pod = searching.pod(job, status=RUNNING, node="gpu-7")
    searching.play(job, active=1, ready=1)
    uid = searching.core.read_namespaced_pod(pod, searching.namespace).metadata.uid
    searching.store.put(SearchLayout(searching.namespace, "hunt").driver(f"c0-{uid}"), b"{}")
    for _ in range(16):
        searching.pass_time(25)
        searching.look_at_search("hunt")
    condition = searching.search_condition("hunt", "Succeeded")
    assert condition["reason"] == "Stalled"
    assert f"driver c0-{uid} in pod {pod} on node gpu-7 has given no sign of life for 6 min" in condition["message"]
    for _ in range(10):
        searching.pass_time(25)
        searching.look_at_search("hunt")
    assert searching.core.read_namespaced_pod(pod, searching.namespace).metadata.deletion_timestamp is not None


def test_those_of_experiments_and_searches_are_one_metric(monkeypatch: pytest.MonkeyPatch) -> None:
    config = Config(trainer_image=IMAGE)
    service = Service(Cluster(client.ApiClient()), config, Telemetry(), Alone())
    monkeypatch.setattr(Reconciler, "stalled", lambda _: 2)
    monkeypatch.setattr(SearchReconciler, "stalled", lambda _: 1)
    answer = asyncio.run(service._metrics(cast(web.Request, None)))
    assert b"finetune_stalled_runs 3.0\n" in cast(bytes, answer.body)
