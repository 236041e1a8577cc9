"""Kueue on the real cluster: queued, admitted, preempted and resumed with real pods (`make test-long`).

What Kueue decides, and how the operator takes it, has tables in tests/operator/test_kueue.py; here are the pods.
"""

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest

from e2e.harness import (
    ENDLESS,
    K8S,
    SHORT,
    Experiment,
    Experiments,
    Search,
    condition_of,
    kill_operator,
    operator_ready,
    reason,
    spec,
    wait_until,
)
from e2e.test_ray_cluster import ray_jobs, ray_spec
from e2e.test_search import SPACE, search_spec
from finetune_dev.kubectl import kubectl
from finetune_store import Store
from support.checkpoints import POINTER
from support.kueue_queues import Queues

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]

URGENT = "e2e-urgent"
STEPS = {**SHORT, "maxSteps": 1500, "evalSteps": 500}


@pytest.fixture(scope="module")
def queues() -> Iterator[Queues]:
    """Kueue's objects, and a priority class that Kueue heeds and the scheduler preempts nothing for."""
    kind = {"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": URGENT}}
    kubectl("apply", "-f", "-", stdin=json.dumps({**kind, "value": 1000, "preemptionPolicy": "Never"}))
    yield Queues(K8S.api)
    kubectl("delete", "priorityclass", URGENT)


@pytest.fixture
def team(queues: Queues, namespace: str) -> Iterator[str]:
    """A queue of the namespace, with a quota for one of the experiments below."""
    name = f"e2e-{uuid4().hex[:6]}"
    queues.quota(name, namespace, cpu="300m")
    yield name
    queues.forget(name)


def queued(queue: str, *, urgent: bool = False, **fields: Any) -> dict[str, Any]:
    """A short experiment of one pod that takes the whole quota."""
    execution = {"queueName": queue, "parallelism": 1, "checkpointIntervalSeconds": 5, **fields.pop("execution", {})}
    asked = spec(["wnli"], execution=execution, **fields)
    if urgent:
        asked["execution"]["podTemplate"] = {**asked["execution"]["podTemplate"], "priorityClassName": URGENT}
    return asked


def waits(suite: Experiment, words: str, *, seconds: float = 120) -> None:
    """Wait until it is queued and says why in Kueue's words."""

    def as_wanted(status: dict[str, Any]) -> bool:
        return reason(status) == "Queued" and words in condition_of(status, "Succeeded").get("message", "")

    suite.until(f"{words!r} to be said", as_wanted, seconds=seconds)


def test_one_is_preempted_by_a_more_urgent_one_and_goes_on_from_its_checkpoint(
    experiment: Experiments, team: str
) -> None:
    low = experiment("low").apply(queued(team, training=STEPS))
    low.until("a checkpoint", lambda _: any(map(POINTER.fullmatch, low.stored("runs"))))
    (job,) = low.jobs()

    high = experiment("high").apply(queued(team, urgent=True))
    waits(low, "evicted it (Preempted): Preempted to accommodate a workload")
    low.until("its pods to be gone", lambda _: not low.running())
    assert reason(high.ends()) == "AllRunsSucceeded", high.describe()
    assert reason(low.ends(seconds=480)) == "AllRunsSucceeded", low.describe()

    assert [found.metadata.uid for found in low.jobs()] == [job.metadata.uid]
    (result,) = low.results().values()
    assert (result.attempts, result.last_step, result.evaluations) == (2, 1500, 3)
    assert result.resumed_from
    (other,) = high.results().values()
    assert other.attempts == 1


def test_the_second_waits_and_another_queue_does_not(experiment: Experiments, queues: Queues, team: str) -> None:
    other = f"{team}-other"
    first = experiment("first").apply(queued(team, training=ENDLESS))
    queues.quota(other, first.namespace, cpu="300m")
    first.until("it to be at work", lambda _: first.step() > 0)
    second = experiment("second").apply(queued(team))
    waits(second, "insufficient unused quota for cpu in flavor default")
    assert second.pods() == []
    elsewhere = experiment("elsewhere").apply(queued(other))
    assert reason(elsewhere.ends()) == "AllRunsSucceeded", elsewhere.describe()
    queues.forget(other)
    assert reason(second.status()) == "Queued"

    first.apply(queued(team, training=ENDLESS, execution={"suspend": True}))
    first.until("it to be suspended", lambda status: reason(status) == "Suspended" and not first.pods())

    assert reason(second.ends()) == "AllRunsSucceeded", second.describe()
    assert first.jobs() == []
    before = first.step()
    first.apply(queued(team, training=ENDLESS))
    first.until("it to go on from there", lambda _: first.step() > before)


def test_a_search_waits_for_an_experiment_is_preempted_by_another_and_goes_on(
    experiment: Experiments, store: Store, team: str
) -> None:
    low = experiment("low").apply(queued(team, training=ENDLESS))
    low.until("it to be at work", lambda _: low.step() > 0)
    hunt = Search(low.namespace, "hunt", store)
    execution = {"queueName": team, "parallelism": 1, "resources": {"requests": {"cpu": "300m"}}}
    long = {
        "space": {**SPACE, "maxSteps": {"int": [1500, 1600]}},
        "training": {"evalSteps": 500, "trainBatchSize": 8, "maxSeqLength": 32},
    }
    hunt.apply(search_spec(tasks=[{"name": "rte"}], trials=2, clusters=1, execution=execution, **long))
    waits(hunt, "insufficient unused quota")
    assert hunt.pods() == []
    low.delete()
    hunt.until("a trial to be at work", lambda _: hunt.step() > 0)

    high = experiment("high").apply(queued(team, urgent=True))
    waits(hunt, "evicted it (Preempted)")
    assert reason(high.ends()) == "AllRunsSucceeded", high.describe()
    assert reason(hunt.ends(seconds=480)) == "AllTrialsEnded", hunt.describe()
    assert Counter(trial.index for trial in hunt.trials()) == {0: 1, 1: 1}
    assert len(hunt.jobs()) == 1


def test_an_operator_that_is_killed_while_kueue_preempts_starts_nothing_itself(
    experiment: Experiments, team: str
) -> None:
    # Still at work when the operator is back, which takes it half a minute on a busy machine.
    low = experiment("low").apply(queued(team, training={**STEPS, "maxSteps": 6000}))
    low.until("it to be at work", lambda _: low.step() > 0)
    kill_operator()
    high = experiment("high").apply(queued(team, urgent=True, training=STEPS))
    wait_until("an operator to be back", operator_ready)
    waits(low, "Kueue (Workload")
    kill_operator()
    wait_until("an operator to be back", operator_ready)
    assert len(low.running()) + len(high.running()) <= 1
    for suite in (high, low):
        assert reason(suite.ends(seconds=480)) == "AllRunsSucceeded", suite.describe()
    (result,) = low.results().values()
    assert result.attempts == 2
    assert [len(suite.jobs()) for suite in (low, high)] == [1, 1]


def test_a_ray_cluster_is_queued_preempted_and_goes_on(experiment: Experiments, queues: Queues, namespace: str) -> None:
    team = f"e2e-{uuid4().hex[:6]}"
    # 200m for the head, 300m for one worker.
    queues.quota(team, namespace, cpu="500m")
    execution = {"queueName": team, "checkpointIntervalSeconds": 5}
    asked = ray_spec(["wnli"], parallelism=1, training=STEPS, execution=execution)
    low = experiment("low").apply(asked)
    low.until("a checkpoint", lambda _: any(map(POINTER.fullmatch, low.stored("runs"))), seconds=300)
    high = experiment("high").apply(queued(team, urgent=True))
    waits(low, "evicted it (Preempted)", seconds=180)
    assert reason(high.ends(seconds=480)) == "AllRunsSucceeded", high.describe()
    assert reason(low.ends(seconds=600)) == "AllRunsSucceeded", low.describe()
    (result,) = low.results().values()
    assert result.attempts == 2
    assert result.resumed_from
    assert len(ray_jobs(low)) == 1
    queues.forget(team)
