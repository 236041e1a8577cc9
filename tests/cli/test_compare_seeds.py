"""`finetune compare --until-decided`: what is decided, what is still needed, and how to have it."""

import json
from pathlib import Path

import pytest

from finetune_cli.commands.objects.changing import more_runs
from finetune_client.errors import UsageError
from finetune_core.json_types import Json
from finetune_core.layout import ExperimentLayout
from finetune_store import DirectoryStore
from support.documents import document_of
from support.world import World, spec_of

from .conftest import Run

LOW, HIGH = [0.60, 0.62, 0.61, 0.63, 0.60], [0.70, 0.71, 0.73, 0.72, 0.71]


@pytest.fixture
def store(tmp_path: Path) -> DirectoryStore:
    """`team/untuned` and `team/tuned`: RTE is decided, CoLA needs seeds on either side."""
    store = DirectoryStore(tmp_path / "store")
    for document in (
        document_of({"rte": LOW, "cola": [0.5] * 3}, name="untuned"),
        document_of({"rte": HIGH, "cola": [0.6] * 4}, name="tuned"),
    ):
        key = ExperimentLayout(document.namespace, document.experiment).results("json")
        store.put(key, document.to_json())
    return store


def where(store: DirectoryStore) -> tuple[str, ...]:
    return ("-n", "team", "--store", store.uri())


def test_each_task_is_decided_or_says_what_it_needs(store: DirectoryStore, run: Run) -> None:
    said = run("compare", "untuned", "tuned", "--until-decided", *where(store))
    assert (said.code, said.err) == (0, "")
    assert "rte accuracy 5 +10.20 0.0001 0.0076 paired better" in said.text
    assert "undecided 2 more before, 1 more after: look at 5" in said.text
    assert "finetune add-runs untuned 2 --task cola -n team" in said.text
    assert "finetune add-runs tuned 1 --task cola -n team" in said.text
    assert "looks at the first 5, 7, 10, 15, 20 seeds" in said.text


def test_programs_read_it_too(store: DirectoryStore, run: Run) -> None:
    said = run("compare", "untuned", "tuned", "--until-decided", "--max-seeds", "7", "-o", "json", *where(store))
    made = json.loads(said.out)
    assert (made["most"], made["looks"]) == (7, [5, 7])
    assert [(task["task"], task["verdict"], task["beforeMore"]) for task in made["tasks"]] == [
        ("cola", "undecided", 2),
        ("rte", "better", 0),
    ]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--add",), "--add is for --until-decided"),
        (("--until-decided", "--add"), "--add is for experiments of a cluster"),
        (("--until-decided", "-o", "csv"), "-o csv is not for --until-decided"),
        (("--until-decided", "--max-seeds", "1"), "--max-seeds"),
    ],
)
def test_what_cannot_be_is_refused(store: DirectoryStore, run: Run, options: tuple[str, ...], message: str) -> None:
    said = run("compare", "untuned", "tuned", *options, *where(store))
    assert said.code == 2
    assert message in said.err


@pytest.mark.parametrize(
    ("spec", "counts"),
    [
        ({"tasks": [{"name": "rte"}, {"name": "cola", "runs": 4}], "runs": 2}, {"rte": 3, "cola": 6}),
        ({"tasks": [{"name": "rte", "runs": 2}, {"name": "cola", "runs": 4}], "runsUntil": {}}, {"rte": 3, "cola": 6}),
    ],
)
def test_each_task_gets_runs_of_its_own(spec: Json, counts: dict[str, int]) -> None:
    changed, found = more_runs(spec, {"rte": 1, "cola": 2})
    assert found == counts
    assert {task["name"]: task["runs"] for task in changed["tasks"]} == counts


def test_a_task_that_has_seeds_until_they_are_enough_says_what_to_change() -> None:
    with pytest.raises(UsageError) as refused:
        more_runs({"tasks": [{"name": "rte"}], "runsUntil": {"halfWidth": 1, "max": 9}}, 2)
    assert refused.value.message == "rte: runsUntil says when seeds are added"
    assert "Raise its min" in refused.value.remedy


@pytest.mark.apiserver
@pytest.mark.s3
def test_the_runs_that_are_needed_are_added(world: World, run: Run) -> None:
    for name in ("first", "second"):
        world.apply(name, spec_of(world.server, {"rte": 2, "cola": 3}))
        world.to_the_end(name)
    said = run("compare", "first", "second", "--until-decided", "--add", "-n", world.namespace)
    assert said.code == 0, said.err
    for name in ("first", "second"):
        tasks = world.resource(name)["spec"]["tasks"]
        assert [(task["name"], task["runs"]) for task in tasks] == [("rte", 5), ("cola", 5)]
