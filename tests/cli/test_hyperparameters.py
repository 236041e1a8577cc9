"""`finetune hps`: a search's best values, and experiments made of them."""

from typing import Any

import pytest
from kubernetes import client

from finetune_cli.commands.results.hyperparameters import best_values, experiment_with
from finetune_cli.manifest.check import check_text
from finetune_cli.manifest.yaml_nodes import read
from finetune_core.results.search.hyperparameter_files import to_yaml
from support.experiments import API, create, search

from .conftest import Run


def task(name: str, rate: float | None, **fields: Any) -> dict[str, Any]:
    best = {"trial": 3, "trialId": "abc", "value": 0.7, "step": 10, "hyperparameters": {"learningRate": rate}}
    return {"name": name, "metric": "accuracy", "trials": "4/4", **({"best": best} if rate else {}), **fields}


def test_values_are_those_of_the_status_and_proxied_tasks_take_theirs() -> None:
    status = {"tasks": [task("rte", 2e-5, proxyFor=["wnli", "mrpc"]), task("mrpc", 3e-5), task("cola", None)]}

    assert best_values({"status": status}) == {
        "rte": {"learningRate": 2e-5},
        "mrpc": {"learningRate": 3e-5},
        "wnli": {"learningRate": 2e-5},
    }


def test_the_experiment_is_the_searchs_with_each_tasks_values_and_has_no_problems() -> None:
    made = search(
        training={"maxSteps": 100, "evalSteps": 10},
        tasks=[{"name": "rte", "trials": 5, "training": {"maxSeqLength": 64}}],
        execution={"parallelism": 3, "suspend": True},
        storage={"bucket": "results"},
    )

    manifest = experiment_with(made, {"rte": {"learningRate": 2e-5}}, "final", 5)

    spec = manifest["spec"]
    assert spec["tasks"] == [{"name": "rte", "training": {"maxSeqLength": 64, "learningRate": 2e-5}}]
    assert spec["runs"] == 5
    assert spec["execution"] == {"parallelism": 3}
    assert spec["storage"] == {"bucket": "results"}
    assert check_text("a.yaml", to_yaml(manifest)) == []


def test_a_value_that_excludes_another_takes_its_place() -> None:
    own = {"maxSteps": 50, "warmupSteps": 2}
    made = search(training={"maxSteps": 100, "warmupSteps": 5}, tasks=[{"name": "rte", "training": own}])

    manifest = experiment_with(made, {"rte": {"numTrainEpochs": 2, "warmupRatio": 0.1}}, "final", None)

    assert check_text("a.yaml", to_yaml(manifest)) == []


@pytest.mark.apiserver
def test_best_values_of_a_search_in_the_cluster(
    kubeconfig: None, api_client: client.ApiClient, namespace: str, run: Run
) -> None:
    create(api_client, search("tune"), namespace)
    early = run("hps", "tune", "-n", namespace)
    status = {"tasks": [task("rte", 2e-5)]}
    client.CustomObjectsApi(api_client).patch_namespaced_custom_object_status(
        *API, namespace, "hpsearches", "tune", {"status": status}
    )

    said = run("hps", "tune", "-n", namespace)
    ready = run("hps", "tune", "--experiment", "final", "-n", namespace)

    assert early.code == 3
    assert "finetune watch hps/tune" in early.text
    assert read(said.out)[0][0].value == {"rte": {"learningRate": 2e-5}}
    assert "these are the best values so far" in said.err
    assert read(ready.out)[0][0].value["metadata"] == {"name": "final"}
