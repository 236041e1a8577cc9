"""Tuned hyperparameters: read from a search's status, from YAML, and refused where they are none."""

from typing import Any

import pytest

from finetune_core.api import HyperparametersFrom
from finetune_core.api.search_status import HPSearchStatus
from finetune_core.planning.tuned import from_config_map, from_files, from_search, search_unready
from finetune_core.problems import InvalidInputError
from finetune_core.results.search.export import BestConfig, BestHyperparameters
from finetune_core.results.search.hyperparameter_files import all_tasks_yaml, task_yaml

SOURCE = HyperparametersFrom.model_validate({"hpSearchRef": {"name": "hunt"}})


def status(ready: str = "True", succeeded: str = "True", **best: Any) -> HPSearchStatus:
    def condition(type_: str, value: str) -> dict[str, Any]:
        return {
            "type": type_,
            "status": value,
            "reason": "TaskFailed",
            "message": "why",
            "lastTransitionTime": "",
            "observedGeneration": 1,
        }

    found = {"trial": 3, "trialId": "abc", "value": 0.66, "step": 10, "hyperparameters": {"learningRate": 5e-5}, **best}
    tasks = [{"name": "rte", "metric": "accuracy", "trials": "4/4", "best": found, "proxyFor": ["qnli"]}]
    return HPSearchStatus.model_validate(
        {
            "conditions": [condition("BestHyperparametersReady", ready), condition("Succeeded", succeeded)],
            "trials": {"total": 4, "summary": "2/4"},
            "tasks": tasks,
            "modelDigest": "md5s:m",
        }
    )


def test_a_searchs_best_come_with_where_they_are_from() -> None:
    tuned = from_search(SOURCE, "hunt", status())
    rte = tuned.tasks["rte"]
    assert (rte.values, rte.trial, rte.value) == ({"learningRate": 5e-5}, 3, 0.66)
    assert str(rte) == f"HPSearch hunt trial 3 (abc) value 0.66 digest {rte.digest}"
    assert tuned.model_digest == "md5s:m"


def test_a_proxied_task_takes_the_values_of_the_one_that_stands_in_for_it() -> None:
    qnli = from_search(SOURCE, "hunt", status()).tasks["qnli"]
    assert qnli.values == {"learningRate": 5e-5}
    assert "of rte, which stands in for it," in str(qnli)


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        pytest.param(status(), None, id="ready"),
        pytest.param(status(ready="Unknown", succeeded="Unknown"), "Waiting for HPSearch hunt to end (2/4", id="runs"),
        pytest.param(status(ready="False", succeeded="False"), "no best hyperparameters: TaskFailed: why", id="failed"),
        pytest.param(HPSearchStatus(), "Waiting for HPSearch hunt to end.", id="new"),
    ],
)
def test_a_search_is_waited_for_until_its_best_are_ready(seen: HPSearchStatus, expected: str | None) -> None:
    found = search_unready("hunt", seen)
    assert found is None if expected is None else expected in str(found)


@pytest.mark.parametrize("text", ["5e-5", "5.0e-05", "5E-5", "0.00005", "5.e-5", ".5e-4", "+5e-5"])
def test_numbers_of_yaml_1_1_and_1_2_are_numbers(text: str) -> None:
    tuned = from_config_map(SOURCE, "cm", f"rte:\n  learningRate: {text}\n  maxSteps: 500\n")
    assert tuned.tasks["rte"].values == {"learningRate": 5e-5, "maxSteps": 500}


def test_what_a_search_exports_is_read_back_as_it_was() -> None:
    values = {"learningRate": 1.2345678901234e-5, "maxSteps": 500, "lrSchedulerType": "linear", "warmupRatio": 0.0}
    best = BestConfig(hyperparameters=values, trial_id="t", trial=0, metric="accuracy", value=0.5, seeds=1)
    export = BestHyperparameters(
        namespace="n", search="s", model_uri="m", model_digest="d", report_digest="r", tasks={"rte": best}
    )
    assert from_config_map(SOURCE, "cm", all_tasks_yaml(export)).tasks["rte"].values == values
    tuned = from_files(SOURCE, {"rte": ("rte.yaml", task_yaml(export, "rte"))}).tasks["rte"]
    assert tuned.values == values
    assert tuned.digest == best.digest


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("rte: {learning_rat: 1}", "cm, rte: learning_rat: no training argument: use one of "),
        ("rte: {learningRate: -1}", "cm, rte: learningRate: "),
        ("rte: [1]", "cm, rte: no mapping of training arguments: write rte: {learningRate: 5e-5}"),
        ("- rte", "cm is no mapping of names to values: write one"),
        ("{", "cm is no YAML: correct it: while parsing"),
        ("!!python/object/apply:os.system [ls]", "cm is no YAML"),
    ],
)
def test_what_is_no_training_argument_is_told_with_its_place(text: str, expected: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        from_config_map(SOURCE, "cm", text)
    assert expected in str(caught.value)


def test_all_problems_are_told_at_once() -> None:
    with pytest.raises(InvalidInputError) as caught:
        from_config_map(SOURCE, "cm", "rte: {x: 1}\ncola: {y: 1, maxSteps: 0}")
    assert len(caught.value.problems) == 3
