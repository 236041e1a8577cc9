"""Each rule of HPSearch on a real API server: a spec that it lets pass, and one that it refuses with its message."""

from typing import Any

import pytest
from kubernetes import client

from crd.cases import STORAGE_CASES, Case
from support.experiments import CUSTOM, errors, search

pytestmark = pytest.mark.apiserver

LEARNING_RATE = {"learningRate": {"logUniform": [1e-5, 1e-3]}}


def space(**values: Any) -> dict[str, Any]:
    return {"space": values}


def rate(**kinds: Any) -> dict[str, Any]:
    return space(learningRate=kinds)


CASES = {
    "one kind": (rate(choice=[1e-5]), rate(choice=[1e-5], uniform=[0.1, 0.2]), "must have at most 1 item"),
    "a kind": (rate(grid=[1e-5]), rate(), "should have at least 1 properties"),
    "uniform ordered": (rate(uniform=[0.1, 0.2]), rate(uniform=[0.2, 0.1]), "uniform: min must be less than max"),
    "logUniform ordered": (rate(logUniform=[0.1, 0.2]), rate(logUniform=[0.2, 0.1]), "logUniform: min must be less"),
    "int ordered": (space(maxSteps={"int": [1, 2]}), space(maxSteps={"int": [2, 1]}), "int: min must be less than max"),
    "logInt ordered": (space(maxSteps={"logInt": [1, 2]}), space(maxSteps={"logInt": [2, 1]}), "logInt: min must be"),
    "log of zero": (
        rate(logUniform=[0.1, 0.2]), rate(logUniform=[0, 0.2]), "which has no logarithm: raise it, or use uniform"
    ),
    "log of zero, whole": (
        space(maxSteps={"logInt": [1, 2]}), space(maxSteps={"logInt": [0, 2]}), "logarithm: raise it, or use int"
    ),
    "two bounds": (rate(uniform=[0.1, 0.2]), rate(uniform=[0.1]), "should have at least 2 items"),
    "known argument": (space(**LEARNING_RATE), space(learninRate={"choice": [1]}), "a space can hold"),
    "maxSteps or epochs": (
        space(maxSteps={"int": [1, 2]}),
        space(maxSteps={"int": [1, 2]}, numTrainEpochs={"int": [1, 2]}),
        "maxSteps and numTrainEpochs exclude each other",
    ),
    "warm-up once": (
        space(warmupRatio={"choice": [0, 0.1]}),
        space(warmupRatio={"choice": [0]}, warmupSteps={"choice": [0]}),
        "warmupRatio and warmupSteps exclude each other",
    ),
    "space not empty": (space(**LEARNING_RATE), {"space": {}}, "should have at least 1 properties"),
    "a space for each task": (
        {"space": None, "tasks": [{"name": "rte", "space": LEARNING_RATE}]},
        {"space": None, "tasks": [{"name": "rte", "space": LEARNING_RATE}, {"name": "mrpc"}]},
        "nothing to search",
    ),
    "trials": ({"trials": 1}, {"trials": 0}, "should be greater than or equal to 1"),
    "sparse type": (
        {"model": {"uri": "hf://a/b", "type": "fully_static_sparse_bert"}},
        {"model": {"uri": "hf://a/b", "type": "fully_sparse_bert"}},
        "type is no sparse type",
    ),
    "no runs": ({"trials": 3}, {"tasks": [{"name": "rte", "runs": 3}]}, "are for experiments"),
    "no folds": (
        {"trials": 3},
        {"tasks": [CUSTOM | {"folds": 3, "data": {"train": "train.csv", "textColumns": ["text"]}}]},
        "folds is for experiments",
    ),
    "known task": ({"tasks": [{"name": "cola"}]}, {"tasks": [{"name": "colla"}]}, "name is none of GLUE's tasks"),
    "algorithm": ({"algorithm": "TPE"}, {"algorithm": "Bayes"}, "Unsupported value"),
}  # fmt: skip


def manifest(fields: dict[str, Any]) -> dict[str, Any]:
    wanted = search(**fields)
    wanted["spec"] = {name: value for name, value in wanted["spec"].items() if value is not None}
    return wanted


@pytest.mark.parametrize("case", STORAGE_CASES, ids=lambda case: case.id)
def test_a_rule_of_storage_holds_for_searches_too(api_client: client.ApiClient, case: Case) -> None:
    assert errors(api_client, manifest(case.good)) is None
    assert case.message in (errors(api_client, manifest(case.bad)) or "")


@pytest.mark.parametrize("case", CASES)
def test_a_rule_lets_pass_what_fits_and_names_what_does_not(api_client: client.ApiClient, case: str) -> None:
    good, bad, message = CASES[case]

    assert errors(api_client, manifest(good)) is None
    assert message in (errors(api_client, manifest(bad)) or "")


def test_a_name_that_is_too_long_is_refused(api_client: client.ApiClient) -> None:
    assert errors(api_client, search("x" * 40)) is None
    assert "choose a shorter name" in (errors(api_client, search("x" * 41)) or "")
