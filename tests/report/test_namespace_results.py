import csv
import io
import logging
from pathlib import Path

import pytest

from finetune_core.layout import ExperimentLayout
from finetune_core.results.schema import ResultsDocument
from finetune_report.errors import OvertakenError
from finetune_report.namespace_results import update_results_table
from finetune_store import DirectoryStore
from support.documents import document_of
from support.report_store import RecordingStore


def leave(store: DirectoryStore, document: ResultsDocument) -> None:
    store.put(ExperimentLayout(document.namespace, document.experiment).results("json"), document.to_json())


def experiments(store: DirectoryStore) -> list[str]:
    text = store.get("team/finetuning_results.csv").decode()
    return list(dict.fromkeys(row["experiment"] for row in csv.DictReader(io.StringIO(text))))


def rte(name: str, value: float = 0.5, **fields: str) -> ResultsDocument:
    return document_of({"rte": [value]}, name=name, **fields)


def test_every_experiment_of_the_namespace_has_its_rows(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path)
    leave(store, rte("first"))
    update_results_table(store, "team")
    assert experiments(store) == ["first"]
    leave(store, rte("second", 0.7))
    update_results_table(store, "team")
    assert experiments(store) == ["first", "second"]
    best, means = store.get("team/finetuning_results.md").decode().split("## Means over runs")
    assert "**70.00** (1)" in best
    assert "**70.00** (1)" in means


def test_other_namespaces_runs_and_unfinished_experiments_do_not_show(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path)
    leave(store, rte("first"))
    leave(store, rte("other", namespace="team2"))
    store.put("team/unfinished/results.csv", b"")
    store.put("team/first/best/results.json", rte("deeper").to_json())
    update_results_table(store, "team")
    assert experiments(store) == ["first"]


@pytest.mark.parametrize("content", [b"{", b"\xff", b"{}", b"[]"])
def test_results_that_cannot_be_read_do_not_stand_in_the_way(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, content: bytes
) -> None:
    store = DirectoryStore(tmp_path)
    leave(store, rte("first"))
    store.put("team/broken/results.json", content)
    with caplog.at_level(logging.WARNING):
        update_results_table(store, "team")
    assert experiments(store) == ["first"]
    assert "team/broken/results.json is no results.json of this version" in caplog.text


def test_the_runs_of_the_other_experiments_are_not_walked_through(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A namespace may hold a million objects, of which a table needs one an experiment."""
    store = DirectoryStore(tmp_path)
    for name in ("first", "second"):
        leave(store, rte(name))

    def walk(*_: object, **__: object) -> None:
        raise AssertionError("a folder was walked through")

    monkeypatch.setattr(store, "list", walk)
    update_results_table(store, "team")
    assert experiments(store) == ["first", "second"]


def test_results_that_are_gone_leave_the_table(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path)
    leave(store, rte("first"))
    leave(store, rte("second"))
    update_results_table(store, "team")
    store.delete("team/second/results.json")
    update_results_table(store, "team")
    assert experiments(store) == ["first"]


def test_nothing_is_written_when_nothing_changed_but_once(tmp_path: Path) -> None:
    leave(DirectoryStore(tmp_path), rte("first"))
    store = RecordingStore(tmp_path)
    update_results_table(store, "team")
    plots = ["_comparison.png", "_comparison.svg"]
    assert store.writes == [("put", f"team/finetuning_results{rest}") for rest in (".csv", ".md", *plots, ".html")]
    store.writes.clear()
    update_results_table(store, "team")
    assert store.writes == []


def test_an_experiment_that_is_reported_while_the_table_is_written_is_not_lost(tmp_path: Path) -> None:
    other = DirectoryStore(tmp_path)
    overtaken = []

    def another_report(verb: str, key: str) -> None:
        if key == "team/finetuning_results.csv" and not overtaken:
            overtaken.append(key)
            leave(other, rte("second"))
            update_results_table(other, "team")  # and then this process writes what it had read before

    leave(other, rte("first"))
    update_results_table(RecordingStore(tmp_path, before=another_report), "team")
    assert overtaken
    assert experiments(other) == ["first", "second"]


def test_a_table_that_never_comes_to_rest_is_tried_again_later(tmp_path: Path) -> None:
    other = DirectoryStore(tmp_path)
    names = iter(range(1000))

    def yet_another(verb: str, key: str) -> None:
        if key.endswith(".csv"):
            leave(other, rte(f"e{next(names)}"))

    with pytest.raises(OvertakenError, match="the results of the namespace team changed 10 times"):
        update_results_table(RecordingStore(tmp_path, before=yet_another), "team", plots=False)
