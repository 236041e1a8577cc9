"""A Ray cluster from which something is taken away, or whose operators are away or upgraded meanwhile: it ends right.

Part of `make test-long`: `.ci/run` has no minute left for it. What it runs of this kind is in test_ray_cluster.py.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from e2e.harness import (
    K8S,
    SHORT,
    Experiment,
    Experiments,
    Upgrade,
    condition_of,
    kill_operator,
    operator_ready,
    reason,
    wait_until,
)
from e2e.test_ray_cluster import ray_jobs, ray_spec, workers
from finetune_dev.addons.catalogue import KUBERAY
from finetune_dev.kubectl import kubectl
from support.checkpoints import POINTER

pytestmark = [pytest.mark.long, pytest.mark.alone, pytest.mark.timeout(900)]

LONG = {**SHORT, "maxSteps": 1500, "evalSteps": 500}
RUNS = 3


@contextmanager
def without_kuberay() -> Iterator[None]:
    """Take KubeRay's operator away; it comes back as an upgrade does, by another template of its pod."""
    deployment = ("--namespace", KUBERAY.namespace, f"deployment/{KUBERAY.deployment}")
    try:
        kubectl("scale", *deployment, "--replicas=0")
        wait_until("KubeRay's operator to be gone", lambda: not K8S.core.list_namespaced_pod(KUBERAY.namespace).items)
        yield
    finally:
        kubectl("rollout", "restart", *deployment)
        kubectl("scale", *deployment, "--replicas=1")
        kubectl("rollout", "status", *deployment, "--timeout=180s")


def long_runs(parallelism: int) -> dict[str, Any]:
    execution = {"checkpointIntervalSeconds": 5}
    return ray_spec(["wnli"], runs=RUNS, parallelism=parallelism, training=LONG, execution=execution)


def at_work(suite: Experiment) -> None:
    """Two workers are at it."""
    suite.until("runs to be at work", lambda _: len(workers(suite)) == 2 and suite.step() > 0, seconds=300)


def one_ended_and_one_at_work(suite: Experiment) -> Callable[[object], bool]:
    """A condition: some run has its result, and another has a checkpoint."""

    def holds(_: object) -> bool:
        begun = {key.split("/")[2] for key in suite.stored("runs") if POINTER.fullmatch(key)}
        ended = suite.results().keys()
        return bool(ended) and bool(begun - ended)

    return holds


def ends_with_each_once(suite: Experiment) -> None:
    """Every run has one result, of all its steps, and none that had one was begun again."""
    assert reason(suite.ends(seconds=600)) == "AllRunsSucceeded", suite.describe()
    results = suite.results()
    assert len(results) == RUNS
    assert {result.last_step for result in results.values()} == {LONG["maxSteps"]}
    assert {run: len(pods) for run, pods in suite.attempts().items()} == {
        run: result.attempts for run, result in results.items()
    }


def test_a_worker_pod_that_is_gone_at_once_costs_no_result(experiment: Experiments) -> None:
    suite = experiment("gone").apply(long_runs(2))
    at_work(suite)
    K8S.core.delete_namespaced_pod(workers(suite)[0].metadata.name, suite.namespace, grace_period_seconds=0)
    ends_with_each_once(suite)
    assert {result.attempts for result in suite.results().values()} == {1, 2}


def test_a_head_that_is_lost_costs_no_result_and_repeats_none(experiment: Experiments) -> None:
    # One worker does one run at a time: one is done, one at work and one to come when the head goes.
    suite = experiment("headless").apply(long_runs(1))
    suite.until("a run to have ended and another to be at work", one_ended_and_one_at_work(suite), seconds=480)
    done = suite.results()
    (head,) = (pod for pod in suite.running() if pod.metadata.labels.get("ray.io/node-type") == "head")
    K8S.core.delete_namespaced_pod(head.metadata.name, suite.namespace, grace_period_seconds=0)

    ends_with_each_once(suite)

    after = suite.results()
    assert {run: after[run] for run in done} == done, "what had a result kept it"


def test_our_operator_killed_and_upgraded_disturbs_no_ray_cluster(experiment: Experiments, upgraded: Upgrade) -> None:
    suite = experiment("undisturbed").apply(long_runs(2))
    at_work(suite)
    (job,) = ray_jobs(suite)
    nodes = {pod.metadata.uid for pod in suite.running()}

    kill_operator()
    upgraded("logFormat=text")
    wait_until("an operator to be back", operator_ready)
    suite.until("it to have looked", lambda status: status.get("runs", {}).get("running") == 2)
    assert {pod.metadata.uid for pod in suite.running()} == nodes, "no pod was replaced"

    K8S.core.delete_namespaced_pod(workers(suite)[0].metadata.name, suite.namespace)
    kill_operator()
    wait_until("an operator to be back", operator_ready)
    ends_with_each_once(suite)
    assert [found["metadata"]["uid"] for found in ray_jobs(suite)] == [job["metadata"]["uid"]]


def test_kuberays_operator_away_and_upgraded_meanwhile(experiment: Experiments) -> None:
    suite, late = experiment("before"), experiment("late")
    suite.apply(long_runs(2))
    at_work(suite)
    (job,) = ray_jobs(suite)
    with without_kuberay():
        lost = workers(suite)[0].metadata
        K8S.core.delete_namespaced_pod(lost.name, suite.namespace)
        late.apply(ray_spec(["wnli"], parallelism=1))
        status = late.until("it to say who does not answer", lambda status: reason(status) == "Blocked")
        assert "KubeRayDoesNotAnswer" in condition_of(status, "Succeeded")["message"]
        suite.until("the worker to be gone", lambda _: len(workers(suite)) == 1)

    ends_with_each_once(suite)
    assert [found["metadata"]["uid"] for found in ray_jobs(suite)] == [job["metadata"]["uid"]]
    assert reason(late.ends(seconds=480)) == "AllRunsSucceeded", late.describe()


def test_kuberays_operator_away_when_the_driver_ends(experiment: Experiments) -> None:
    suite = experiment("ending").apply(ray_spec(["wnli"], parallelism=2, training=LONG))
    suite.until("a run to be at work", lambda _: suite.step() > 0, seconds=300)
    with without_kuberay():
        suite.until("its result", lambda _: bool(suite.results()), seconds=240)
    assert reason(suite.ends(seconds=300)) == "AllRunsSucceeded", suite.describe()
    assert {len(pods) for pods in suite.attempts().values()} == {1}
