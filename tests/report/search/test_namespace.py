import csv
import io
from pathlib import Path

import pytest

from finetune_core.results.search.export import BestHyperparameters
from finetune_report.errors import OvertakenError
from finetune_report.search.build import build_search
from finetune_report.search.namespace import update_namespace_table
from finetune_store import DirectoryStore
from support.report_store import RecordingStore
from support.search_trials import leave, search_plan, trial

HUNT = search_plan(proxy_for={"rte": ["qnli"]})
CHASE = search_plan(search="chase")


def rows(store: DirectoryStore) -> list[tuple[str, str]]:
    text = store.get("team/best_hyperparameters.csv").decode()
    return [(row["task"], row["search"]) for row in csv.DictReader(io.StringIO(text))]


def report(store: DirectoryStore, *plans: object) -> None:
    for plan in (HUNT, CHASE):
        if plan in plans:
            build_search(store, "team", plan.search, expected=leave(store, plan, [trial(plan, 0)]))


def test_every_search_of_the_namespace_has_its_rows(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path)
    report(store, HUNT)
    assert rows(store) == [("qnli", "hunt"), ("rte", "hunt")]
    report(store, CHASE)
    assert rows(store) == [("qnli", "hunt"), ("rte", "chase"), ("rte", "hunt")]
    markdown = store.get("team/best_hyperparameters.md").decode()
    assert "qnli (as rte)" in markdown
    assert "| chase |" in markdown


def test_other_namespaces_do_not_show(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path)
    other = search_plan(namespace="team2")
    build_search(store, "team2", "hunt", expected=leave(store, other, [trial(other, 0)]))
    report(store, CHASE)
    assert rows(store) == [("rte", "chase")]


def test_an_export_that_cannot_be_read_does_not_stand_in_the_way(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path)
    store.put("team/broken/hps/best.json", b"{")
    report(store, CHASE)
    assert rows(store) == [("rte", "chase")]


def test_a_search_that_is_reported_while_the_table_is_written_is_not_lost(tmp_path: Path) -> None:
    other = DirectoryStore(tmp_path)
    overtaken = []

    def another_report(verb: str, key: str) -> None:
        if key == "team/best_hyperparameters.csv" and not overtaken:
            overtaken.append(key)
            report(other, CHASE)  # and then this process writes what it had read before

    report(RecordingStore(tmp_path, before=another_report), HUNT)
    assert rows(other) == [("qnli", "hunt"), ("rte", "chase"), ("rte", "hunt")]


def copy_export(store: DirectoryStore, name: str) -> None:
    """The export of `chase` as another search's own."""
    export = BestHyperparameters.model_validate_json(store.get("team/chase/hps/best.json"))
    copied = export.model_copy(update={"search": name})
    store.put(f"team/{name}/hps/best.json", copied.model_dump_json(by_alias=True).encode())


def test_a_table_that_never_comes_to_rest_is_tried_again_later(tmp_path: Path) -> None:
    other = DirectoryStore(tmp_path)
    count = 0

    def yet_another(verb: str, key: str) -> None:
        nonlocal count
        if key.endswith(".csv"):
            count += 1
            copy_export(other, f"s{count}")

    report(other, CHASE)
    copy_export(other, "s0")
    with pytest.raises(OvertakenError, match="namespace team"):
        update_namespace_table(RecordingStore(tmp_path, before=yet_another), "team")
