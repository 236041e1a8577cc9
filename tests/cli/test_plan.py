"""`finetune plan`: what a manifest would run, and how long by past runs."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes import client

from finetune_cli.shown.plans import forecast_experiment, forecast_search
from finetune_core.layout import ExperimentLayout
from finetune_core.planning.cost import Rates
from finetune_core.planning.parse import parse_spec
from finetune_core.planning.search.parse import parse_search
from finetune_store import DirectoryStore
from support.experiments import API, create, experiment, search
from support.report_store import finish_run
from support.results import plan_of

from .conftest import Run, Said


def planned(**spec: Any) -> dict[str, Any]:
    made = forecast_experiment("a", parse_spec(experiment(**spec)["spec"]), Rates())
    return made.to_json()


def test_no_task_list_means_the_nine_of_glue_with_their_recipes() -> None:
    made = planned()

    assert [one["task"] for one in made["tasks"]][:2] == ["cola", "sst2"]
    assert made["runs"] == 64


@pytest.mark.parametrize(
    ("execution", "words"),
    [
        ({"parallelism": 2}, "Indexed Job: 5 pods, 2 at a time"),
        ({"runsPerPod": 2}, "Indexed Job: 3 pods of up to 2 runs, 1 at a time"),
        ({"runsAtOnce": 4}, "Indexed Job: 2 pods of up to 3 runs, 1 at a time; a pod does 4 runs at a time"),
        ({"mode": "RayCluster", "parallelism": 4}, "RayJob: 5 runs on 4 worker pods"),
    ],
)
def test_objects_are_those_that_the_operator_would_make(execution: dict[str, Any], words: str) -> None:
    assert words in planned(tasks=[{"name": "rte", "runs": 5}], execution=execution)["objects"]


def test_short_runs_share_pods_as_those_of_the_operator_do() -> None:
    made = planned(tasks=[{"name": "wnli", "runs": 10}], execution={"parallelism": 2})

    assert "Indexed Job: 2 pods of up to 5 runs, 2 at a time" in made["objects"]


def test_a_model_on_a_volume_is_looked_at_by_a_pod() -> None:
    made = planned(model={"uri": "pvc://claim/model"})

    assert any(one.startswith("resolve Job") for one in made["objects"])


def test_a_search_counts_seeds_and_finalists() -> None:
    spec = search(trials=10, seedsPerTrial=2, finalists={"trials": 3, "seeds": 4})["spec"]

    (task,) = forecast_search("a", parse_search(spec), Rates()).tasks

    assert (task.trials, task.runs) == (10, 10 * 2 + 3 * 4)


def test_past_runs_tell_how_long_it_takes(tmp_path: Path, run: Run) -> None:
    store = DirectoryStore(tmp_path / "store")
    past = plan_of({"rte": 2}, training={"rte": {"max_steps": 100}})
    store.put(ExperimentLayout(past.namespace, past.experiment).plan, past.to_bytes())
    for index in range(2):
        finish_run(store, past, "rte", index, 0.6, train_seconds=60.0)
    manifest = experiment(
        tasks=[{"name": "rte", "runs": 3, "training": {"maxSteps": 1000}}],
        execution={"resources": {"limits": {"nvidia.com/gpu": 2}}},
    )
    file = tmp_path / "a.yaml"
    file.write_text(yaml.safe_dump(manifest))

    (made,) = json.loads(run("plan", str(file), "-o", "json", "-n", "team", "--store", store.uri()).out)

    # Evaluations every 75 steps on 277 rows, 2 of them or 14; 3,000 rows are predicted either way.
    seconds = 60 * (1000 * 32 + (14 * 277 + 3000) / 3) / (100 * 32 + (2 * 277 + 3000) / 3)
    assert made["tasks"][0]["secondsPerRun"] == pytest.approx(seconds)
    assert made["gpuHours"] == pytest.approx(3 * seconds * 2 / 3600)
    assert "about 0.8 GPU-hours" in run("plan", str(file), "-n", "team", "--store", store.uri()).text


def test_without_past_runs_it_says_where_to_look(tmp_path: Path, run: Run) -> None:
    file = tmp_path / "a.yaml"
    file.write_text(yaml.safe_dump(experiment(tasks=[{"name": "rte"}])))

    assert "How long it takes is not known: give --store" in run("plan", str(file)).text


def test_a_broken_manifest_is_not_planned(tmp_path: Path, run: Run) -> None:
    file = tmp_path / "a.yaml"
    file.write_text(yaml.safe_dump(experiment(runs=0)))

    said = run("plan", str(file))

    assert said.code == 1
    assert "use at least 1" in said.text


def write(folder: Path, **spec: Any) -> str:
    file = folder / "tuned.yaml"
    file.write_text(yaml.safe_dump(experiment(tasks=[{"name": "rte"}, {"name": "mrpc"}], **spec)))
    return str(file)


def rates(said: Said) -> dict[str, float]:
    (made,) = json.loads(said.out)
    return {one["task"]: one["settings"]["learningRate"] for one in made["tasks"]}


@pytest.mark.apiserver
def test_tuned_values_of_a_config_map_are_those_that_would_run(
    kubeconfig: None, api_client: client.ApiClient, namespace: str, run: Run, tmp_path: Path
) -> None:
    reference = {"configMapRef": {"name": "tuned", "key": "hps.yaml"}}
    file = write(tmp_path, hyperparametersFrom=reference, training={"learningRate": 1e-5})
    early = run("plan", file, "-n", namespace)
    data = {"hps.yaml": "rte: {learningRate: 7e-5}"}
    client.CoreV1Api(api_client).create_namespaced_config_map(namespace, {"metadata": {"name": "tuned"}, "data": data})

    assert early.code == 0
    assert "The tuned values are not known here" in early.text
    assert "ConfigMap tuned is not in namespace" in early.text
    assert rates(run("plan", file, "-n", namespace, "-o", "json")) == {"rte": 7e-5, "mrpc": 1e-5}
    said = run("plan", file, "-n", namespace).text
    assert "rte: tuned by ConfigMap tuned, key hps.yaml" in said
    assert "mrpc: not covered by ConfigMap tuned, key hps.yaml" in said


@pytest.mark.apiserver
def test_tuned_values_of_a_search_are_those_of_its_best_trials(
    kubeconfig: None, api_client: client.ApiClient, namespace: str, run: Run, tmp_path: Path
) -> None:
    file = write(tmp_path, hyperparametersFrom={"hpSearchRef": {"name": "hunt"}})
    create(api_client, search("hunt"), namespace)
    early = run("plan", file, "-n", namespace)
    best = {"trial": 3, "trialId": "abc", "value": 0.7, "step": 10, "hyperparameters": {"learningRate": 7e-5}}
    status = {
        "observedGeneration": 1,
        "tasks": [{"name": "rte", "metric": "accuracy", "trials": "4/4", "best": best, "proxyFor": ["mrpc"]}],
        "conditions": [
            {
                "type": "BestHyperparametersReady",
                "status": "True",
                "reason": "Exported",
                "message": "",
                "lastTransitionTime": "2026-01-01T00:00:00Z",
                "observedGeneration": 1,
            }
        ],
    }
    objects = client.CustomObjectsApi(api_client)
    objects.patch_namespaced_custom_object_status(*API, namespace, "hpsearches", "hunt", {"status": status})

    assert "Waiting for HPSearch hunt to end" in early.text
    assert rates(run("plan", file, "-n", namespace, "-o", "json")) == {"rte": 7e-5, "mrpc": 7e-5}
    assert "mrpc: tuned by HPSearch hunt trial 3 (abc) of rte, which stands in for it" in " ".join(
        run("plan", file, "-n", namespace).text.split()
    )
    # As the operator has it: the status of an older generation tells nothing of what the search is now.
    changed = {"spec": {"maxFailedTrials": 7}}
    objects.patch_namespaced_custom_object(*API, namespace, "hpsearches", "hunt", changed)
    assert "HPSearch hunt has changed and is about to be looked at again" in run("plan", file, "-n", namespace).text


def test_without_a_cluster_the_plan_says_that_it_does_not_know(
    tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    said = run("plan", write(tmp_path, hyperparametersFrom={"hpSearchRef": {"name": "hunt"}}))

    assert said.code == 0
    assert "The tuned values are not known here" in said.text
