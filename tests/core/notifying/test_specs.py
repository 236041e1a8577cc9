"""`spec.notifications` without a cluster: what is wrong with it, who is told all the same, and no plan knows of it."""

from typing import Any

import pytest

from finetune_core.notifying.wanted import wanted
from finetune_core.planning.parse import check_spec, parse_spec
from finetune_core.planning.plan import pin_key
from finetune_core.planning.search.build import search_pin_key
from finetune_core.planning.search.parse import check_search, parse_search
from finetune_core.problems import InvalidInputError

CHAT: dict[str, Any] = {"name": "chat", "url": "https://chat.test/hook"}
KEY = {"name": "hook", "key": "k"}
EXPERIMENT = {"model": {"uri": "s3://b/m"}, "tasks": [{"name": "rte"}]}
SEARCH = EXPERIMENT | {"space": {"learningRate": {"logUniform": [1e-5, 1e-3]}}}

WRONG: dict[str, tuple[list[dict[str, Any]], str, str]] = {
    "twice": ([CHAT, CHAT], "spec.notifications", "chat is listed more than once"),
    "no address": ([{"name": "chat"}], "spec.notifications[chat]", "set exactly one of url and urlSecretRef"),
    "two addresses": ([CHAT | {"urlSecretRef": KEY}], "spec.notifications[chat]", "set exactly one of"),
    "signed for Slack": (
        [CHAT | {"format": "Slack", "signingSecretRef": KEY}],
        "spec.notifications[chat].signingSecretRef",
        "remove it",
    ),
    "an event twice": ([CHAT | {"on": ["Failed", "Failed"]}], "spec.notifications[chat].on", "Failed is listed more"),
}


@pytest.mark.parametrize(("notifications", "field", "words"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_named_by_its_field(notifications: list[dict[str, Any]], field: str, words: str) -> None:
    problems = [
        *check_spec(parse_spec(EXPERIMENT | {"notifications": notifications})),
        *check_search(parse_search(SEARCH | {"notifications": notifications})),
    ]
    assert [problem.field for problem in problems] == [field, field]
    assert all(words in problem.message for problem in problems)


def test_what_is_right_is_no_problem() -> None:
    right = [CHAT, {"name": "pipeline", "urlSecretRef": KEY, "signingSecretRef": KEY, "on": ["NewBest"]}]
    assert check_spec(parse_spec(EXPERIMENT | {"notifications": right})) == ()


@pytest.mark.parametrize("url", ["chat.test", "https://user:key@chat.test/", "https://chat.test/#x", "https://a b/"])
def test_what_is_no_address_is_refused_with_its_form(url: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        parse_spec(EXPERIMENT | {"notifications": [CHAT | {"url": url}]})
    (problem,) = caught.value.problems
    assert problem.field == "spec.notifications[chat].url"
    assert "write https://HOST/PATH" in problem.message


def test_no_plan_knows_of_them() -> None:
    told = {"notifications": [CHAT]}
    assert pin_key(parse_spec(EXPERIMENT | told), "uid") == pin_key(parse_spec(EXPERIMENT), "uid")
    assert search_pin_key(parse_search(SEARCH | told), "uid") == search_pin_key(parse_search(SEARCH), "uid")


@pytest.mark.parametrize(
    ("notifications", "names"),
    [
        ([CHAT], ["chat"]),
        ([{"name": "wrong", "what": 1}, CHAT, CHAT], ["chat"]),
        ("chat", []),
        (None, []),
        ([None, 3], []),
    ],
)
def test_a_spec_that_is_wrong_elsewhere_still_says_whom_to_tell(notifications: Any, names: list[str]) -> None:
    assert [one.name for one in wanted({"notifications": notifications, "model": 3})] == names
