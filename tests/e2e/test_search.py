"""A search on the cluster: its trials, each once, whatever is killed; what it exports; the experiment that uses it."""

import csv
import io
import json
import random
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from e2e.harness import (
    K8S,
    ONE_THREAD,
    SHORT,
    SMALL_GLUE,
    TINY_MODEL,
    Experiment,
    Search,
    condition_of,
    kill_operator,
    reason,
    spec,
)
from finetune_core.results.search.best_trial import best_trial
from finetune_store import Store

pytestmark = pytest.mark.timeout(900)

SPACE = {"learningRate": {"logUniform": [1e-4, 1e-2]}, "maxSteps": {"int": [4, 8]}}


def search_spec(**fields: Any) -> dict[str, Any]:
    """Two tasks, two clusters, a few short trials of a tiny model."""
    execution = {
        "parallelism": 4,
        "retries": 3,
        "terminationGracePeriodSeconds": 60,
        "podTemplate": {"env": [ONE_THREAD, {"name": "FINETUNE_LEASE_SECONDS", "value": "20"}]},
        "resources": {"requests": {"cpu": "200m"}},
        **fields.pop("execution", {}),
    }
    return {
        "model": {"uri": TINY_MODEL},
        "data": {"uri": SMALL_GLUE},
        "tasks": [{"name": "rte"}, {"name": "mrpc"}],
        "space": SPACE,
        "training": {name: value for name, value in SHORT.items() if name not in {"maxSteps", "learningRate"}},
        "trials": 5,
        "clusters": 2,
        "execution": execution,
        **fields,
    }


def trials_once(search: Search, each: int) -> None:
    """Every trial of both tasks has ended, once; no run of theirs was begun by two drivers at a time."""
    found = Counter((trial.task, trial.index) for trial in search.trials())
    assert found == Counter({(task, index): 1 for task in ("rte", "mrpc") for index in range(each)})


def table_of(search: Search) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(search.read("trials.csv").decode())))


def kill_pod(search: Search) -> None:
    """One driver's pod, at once."""
    pod = search.running()[0]
    K8S.core.delete_namespaced_pod(pod.metadata.name, search.namespace, grace_period_seconds=0)


def kill_ray_cluster(search: Search) -> None:
    """All pods of one Ray cluster, at once: its driver, and the trials that it runs."""
    name = search.running()[0].metadata.labels["ray.io/cluster"]
    selector = f"ray.io/cluster={name}"
    K8S.core.delete_collection_namespaced_pod(search.namespace, label_selector=selector, grace_period_seconds=0)


ON_RAY = {"execution": {"mode": "RayCluster", "parallelism": 1}}
RANDOM, TPE_ASHA = {"algorithm": "Random"}, {"algorithm": "TPE", "scheduler": "ASHA"}


@pytest.mark.parametrize(
    ("how", "kill"),
    [
        pytest.param(RANDOM, kill_pod, id="random", marks=pytest.mark.long),
        pytest.param(TPE_ASHA, kill_pod, id="tpe-asha"),
        pytest.param({**RANDOM, **ON_RAY}, kill_ray_cluster, id="random-on-ray", marks=pytest.mark.long),
        pytest.param({**TPE_ASHA, **ON_RAY}, kill_ray_cluster, id="tpe-asha-on-ray"),
    ],
)
def test_a_cluster_killed_in_mid_search_costs_no_trial_and_the_best_values_are_used(
    namespace: str, store: Store, how: dict[str, Any], kill: Callable[[Search], None]
) -> None:
    search = Search(namespace, "search", store).apply(search_spec(**how))
    search.until("a trial to end", lambda _: bool(search.trials()), seconds=400)
    kill(search)

    status = search.ends(seconds=600)

    assert reason(status) == "AllTrialsEnded", search.describe()
    trials_once(search, 5)
    best = {task: best_trial(t for t in search.trials() if t.task == task) for task in ("rte", "mrpc")}
    exported = json.loads(search.read("hps/best.json"))["tasks"]
    config_map = K8S.core.read_namespaced_config_map("search-hyperparameters", namespace).data
    rows = table_of(search)
    for task, trial in best.items():
        assert trial is not None
        values = exported[task]["hyperparameters"]
        assert values == trial.config
        assert yaml.safe_load(search.read(f"hps/{task}.yaml")) == values
        assert yaml.safe_load(config_map["hyperparameters.yaml"])[task] == values
        (row,) = (row for row in rows if row["task"] == task and row["trialId"] == trial.trial_id)
        assert float(row["learningRate"]) == values["learningRate"]
        (shown,) = (one["best"] for one in status["tasks"] if one["name"] == task)
        assert shown["hyperparameters"] == values

    # The use of what was found does not depend on how it was found: once is enough for each mode.
    if how["algorithm"] == "TPE":
        the_best_values_are_used(Experiment(namespace, "tuned", store), exported)


def the_best_values_are_used(tuned: Experiment, exported: dict[str, Any]) -> None:
    """An experiment that names the search runs with exactly its best values, and its plan says so."""
    tuned.apply(
        spec(["rte", "mrpc"], training={"evalSteps": 2, "trainBatchSize": 8, "maxSeqLength": 32},
             hyperparametersFrom={"hpSearchRef": {"name": "search"}})
    )  # fmt: skip
    assert reason(tuned.ends()) == "AllRunsSucceeded", tuned.describe()
    for result in tuned.results().values():
        values = exported[result.task]["hyperparameters"]
        assert {name: result.settings[name] for name in values} == values
    plan = json.loads(tuned.read("plan.json"))
    for task in ("rte", "mrpc"):
        assert "search" in json.dumps(plan["tasks"][task]["hyperparametersSource"])


@pytest.mark.alone
def test_the_search_suspended_and_the_operator_killed_at_any_moment_lose_nothing(namespace: str, store: Store) -> None:
    search = Search(namespace, "search", store)
    # Enough trials that it is still at work when it is suspended.
    wanted = search_spec(clusters=1, trials=20)
    search.apply(wanted).until("a trial to end", lambda _: bool(search.trials()), seconds=400)

    search.apply({**wanted, "execution": {**wanted["execution"], "suspend": True}})
    search.until("no pod to run", lambda status: reason(status) == "Suspended" and not search.running())
    kill_operator()
    search.apply(wanted)
    search.until("pods to run again", lambda _: bool(search.running()))
    moments = random.Random(0)
    for _ in range(5):
        # The point of the test are moments that nothing announces.
        time.sleep(moments.uniform(0, 8))
        kill_operator()

    assert reason(search.ends(seconds=600)) == "AllTrialsEnded", search.describe()
    trials_once(search, 20)


def test_bad_searches_are_refused_with_what_to_do(namespace: str, store: Store) -> None:
    search = Search(namespace, "bad", store)
    good = search_spec()

    assert "trials" in search.refused({**good, "trials": 0})
    assert "a space can hold" in search.refused({**good, "space": {"learninRate": {"uniform": [0.1, 0.2]}}})
    assert "min" in search.refused({**good, "space": {"learningRate": {"uniform": [0.2, 0.1]}}})
    assert "logUniform" in search.refused({**good, "space": {"learningRate": {"logUniform": [0, 0.1]}}})
    assert "space" in search.refused({**good, "space": {}})

    # What no rule at admission can see.
    told = Search(namespace, "objective", store).apply({**good, "objective": {"metric": "pearson"}})
    told.until(
        "Valid to say why",
        lambda status: "pearson is not measured in rte" in condition_of(status, "Valid").get("message", ""),
    )
