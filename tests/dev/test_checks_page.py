"""The page of checks keeps to the code: its tests exist, its messages are said, no rule of the CRDs is left out."""

import ast
import re
from collections.abc import Iterator
from functools import cache

import pytest
import yaml

from support.doc_pages import REPOSITORY, problems_of_tests, rows_with_tests

PAGE = REPOSITORY / "docs/checks.md"
SOURCES = ("operator/src", "trainer_image/src")
ANYTHING = "…"
ROWS = rows_with_tests(PAGE)


@cache
def _texts() -> frozenset[str]:
    """Every text in the code, what is filled in as an ellipsis, and the messages of the CRDs' rules."""
    found: set[str] = set(_rules())
    for source in SOURCES:
        for path in (REPOSITORY / source).rglob("*.py"):
            found.update(_strings(ast.parse(path.read_text())))
    return frozenset(found)


def _strings(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
        elif isinstance(node, ast.JoinedStr):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else ANYTHING for part in node.values)


def _rules() -> Iterator[str]:
    """Messages of the CRDs' CEL rules."""

    def below(node: object) -> Iterator[str]:
        if isinstance(node, dict):
            for rule in node.get("x-kubernetes-validations", ()):
                yield rule["message"]
            for value in node.values():
                yield from below(value)
        elif isinstance(node, list):
            for value in node:
                yield from below(value)

    for path in sorted((REPOSITORY / "crds").glob("*.yaml")):
        for document in yaml.safe_load_all(path.read_text()):
            yield from below(document)


def _pieces(text: str) -> list[str]:
    """What stands between the ellipses, and before and after a colon: a remedy is often a text of its own."""
    return [piece for piece in re.split(f"{ANYTHING}|: ", text) if len(piece.strip(" :;,.()'")) > 3]


def _is_said(message: str) -> bool:
    """Whether each piece of the message is in the code; a message may be put together from several texts."""
    return all(any(piece.strip() in text for text in _texts()) for piece in _pieces(message))


def _messages(row: dict[str, str]) -> list[str]:
    return re.findall(r"`([^`]+)`", row.get("message", ""))


def test_the_page_has_tables_at_all() -> None:
    assert len(ROWS) > 80


@pytest.mark.parametrize("row", ROWS, ids=[next(iter(row.values()))[:60] for row in ROWS])
def test_the_test_of_a_row_exists(row: dict[str, str]) -> None:
    assert problems_of_tests(row["test"]) == []


@pytest.mark.parametrize("row", ROWS, ids=[next(iter(row.values()))[:60] for row in ROWS])
def test_the_message_of_a_row_is_said_by_the_code(row: dict[str, str]) -> None:
    assert [message for message in _messages(row) if not _is_said(message)] == []


def test_a_message_that_nobody_says_is_found() -> None:
    assert not _is_said("… is misspelt by no one: remove the spoon")


def _covered(rule: str) -> bool:
    said = [message for row in ROWS for message in _messages(row)]
    patterns = (".*".join(map(re.escape, message.split(ANYTHING))) for message in said)
    return any(re.fullmatch(pattern, rule, flags=re.DOTALL) for pattern in patterns)


def test_no_rule_of_the_crds_is_left_out() -> None:
    assert sorted({rule for rule in _rules() if not _covered(rule)}) == []
