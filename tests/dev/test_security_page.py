"""The page on security keeps to the code: each row names tests that exist, and every right of the chart is there."""

import re

import pytest

from support.doc_pages import REPOSITORY, problems_of_tests, rows_with_tests, spans, tables

PAGE = REPOSITORY / "docs/security.md"
RULES = REPOSITORY / "helm/finetune-operator/templates/rbac.yaml"
OPEN = "tests/operator/test_not_protected.py"
ROWS = rows_with_tests(PAGE)


def test_every_table_names_tests() -> None:
    assert len(ROWS) > 60
    assert all("test" in row for table in tables(PAGE) for row in table)


@pytest.mark.parametrize("row", ROWS, ids=[" ".join(row.values())[:60] for row in ROWS])
def test_the_tests_of_a_row_exist(row: dict[str, str]) -> None:
    assert problems_of_tests(row["test"]) == []


def test_the_tests_that_sentences_name_exist() -> None:
    named = [said for said in spans(PAGE) if ".py::" in said.text]
    assert len(named) > len(ROWS)
    assert [str(said) for said in named if problems_of_tests(f"`{said.text}`")] == []


@pytest.mark.parametrize("cell", ["", "`operator/test_nothing.py::test_x`", "`operator/test_storage.py::test_nothing`"])
def test_a_test_that_does_not_exist_is_found(cell: str) -> None:
    assert problems_of_tests(cell) != []


def test_every_right_of_the_chart_is_on_the_page() -> None:
    resources = {name for names in re.findall(r"resources: \[(.*)\]", RULES.read_text()) for name in names.split(", ")}
    assert {"secrets", "jobs"} <= resources
    told = {name for row in ROWS for name in re.findall(r"`([a-z/]+)`", row.get("resource", ""))}
    assert resources == told


def test_whatever_is_open_is_on_the_page() -> None:
    told = {said.text.partition("::")[2] for said in spans(PAGE)}
    tests = set(re.findall(r"^def (test_\w+)", (REPOSITORY / OPEN).read_text(), re.M))
    assert tests != set()
    assert tests <= told
