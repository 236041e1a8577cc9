"""The cases by which the CRDs' rules are tried on a real API server, tried offline: the same answers."""

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from finetune_cli.manifest.check import check_text
from finetune_cli.manifest.findings import Severity
from finetune_core.results.search.hyperparameter_files import to_yaml
from support.experiments import experiment, search

CRD_TESTS = Path(__file__).resolve().parents[1] / "crd"


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"crd_{name}", CRD_TESTS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


RULES = load("test_rules")


def errors(manifest: dict[str, Any]) -> list[str]:
    found = check_text("a.yaml", to_yaml(manifest))
    return [one.message for one in found if one.severity == Severity.ERROR]


@pytest.mark.parametrize("case", RULES.CASES, ids=lambda case: case.id)
def test_a_rule_lets_pass_and_refuses_the_same_specs_as_in_the_cluster(case: Any) -> None:
    assert errors(experiment(**case.good)) == []
    assert any(case.message in message for message in errors(experiment(**case.bad)))


@pytest.mark.parametrize("spec", RULES.MORE_GOOD.values(), ids=RULES.MORE_GOOD)
def test_rules_that_meet_in_one_spec_let_it_pass(spec: dict[str, Any]) -> None:
    assert errors(experiment(**spec)) == []


@pytest.mark.parametrize("spec", RULES.MORE_BAD.values(), ids=RULES.MORE_BAD)
def test_rules_hold_where_their_field_is_given_otherwise(spec: dict[str, Any]) -> None:
    assert errors(experiment(**spec)) != []


def test_the_search_of_the_tests_has_no_problems() -> None:
    assert errors(search()) == []


SEARCH_RULES = load("test_search_rules")


@pytest.mark.parametrize("case", SEARCH_RULES.CASES)
def test_a_searchs_rules_let_pass_and_refuse_the_same_specs_as_in_the_cluster(case: str) -> None:
    good, bad, _ = SEARCH_RULES.CASES[case]

    assert errors(SEARCH_RULES.manifest(good)) == []
    assert errors(SEARCH_RULES.manifest(bad)) != []
