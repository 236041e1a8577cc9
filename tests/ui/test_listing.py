"""The list of the page: sorted, filtered and grouped by its address."""

from urllib.parse import parse_qs, urlsplit

import pytest

from finetune_client.overview import Mood, Overview
from finetune_kube.kinds import EXPERIMENT, SEARCH
from finetune_ui.listing import Asked, arranged, groups, states


def head(name: str, state: str = "Running", **fields: object) -> Overview:
    known = {"kind": EXPERIMENT, "namespace": "team", "name": name, "state": state, "mood": Mood.BUSY}
    return Overview(**{**known, **fields})  # type: ignore[arg-type]


HEADS = (
    head("b", score="61.50 (5/9)", created="2026-01-02T00:00:00Z", done=1, total=4, model="s3://m/bert",
         labels={"team": "nlp"}),
    head("a", "AllRunsSucceeded", score="9.75", created="2026-01-03T00:00:00Z", done=4, total=4, model="s3://m/roberta",
         labels={"team": "vision", "paper": "acl"}),
    head("c", "Pending", created="2026-01-01T00:00:00Z", model="s3://m/bert"),
    head("d", kind=SEARCH, score="rte 66.12", done=1, total=2),
)  # fmt: skip


def names(**query: str) -> list[str]:
    return [one.name for group in arranged(HEADS, Asked.of(query)) for one in group.heads]


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        ("", "bacd"),
        ("name", "abcd"),
        ("-name", "dcba"),
        ("score", "abcd"),  # 9.75 is less than 61.50; what has no score is last in either order
        ("-score", "bacd"),
        ("created", "abcd"),  # the youngest first: the column says how old they are
        ("-created", "cbad"),
        ("done", "cbda"),
        ("status", "acbd"),
        ("nonsense", "bacd"),
    ],
)
def test_it_is_sorted_by_any_column_in_either_order(sort: str, expected: str) -> None:
    assert "".join(names(sort=sort)) == expected


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("", "bacd"),
        ("bert", "bac"),
        ("s3://m/bert", "bc"),
        ("BERT nlp", "b"),
        ("team=nlp", "b"),
        ("search", "d"),
        ("no-such", ""),
    ],
)
def test_all_words_have_to_be_somewhere(words: str, expected: str) -> None:
    assert "".join(names(words=words)) == expected


def test_a_status_leaves_the_others_out() -> None:
    assert names(status="Running") == ["b", "d"]
    assert states(HEADS) == ["AllRunsSucceeded", "Pending", "Running"]


def test_labels_are_what_one_can_group_by_too() -> None:
    assert groups(HEADS) == {
        "namespace": "namespace", "kind": "kind", "status": "status", "model": "model",
        "label:paper": "label paper", "label:team": "label team",
    }  # fmt: skip
    made = arranged(HEADS, Asked.of({"group": "label:team", "sort": "name"}))
    assert [(one.title, [head.name for head in one.heads]) for one in made] == [
        ("label team: nlp", ["b"]),
        ("label team: none", ["c", "d"]),
        ("label team: vision", ["a"]),
    ]


def test_a_title_sorts_and_turns_round_and_keeps_all_else_that_was_asked_for() -> None:
    asked = Asked.of({"words": "a & b", "group": "model", "sort": "score"})
    assert (asked.order("score"), asked.order("name")) == ("ascending", "none")
    assert parse_qs(urlsplit(asked.sorted_by("score")).query) == {
        "words": ["a & b"], "group": ["model"], "sort": ["-score"]
    }  # fmt: skip
    assert parse_qs(urlsplit(asked.sorted_by("name")).query)["sort"] == ["name"]
