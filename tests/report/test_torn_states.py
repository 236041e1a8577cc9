"""A report is killed, or meets another one, at every single write: it never looks complete when it is not."""

from pathlib import Path

import pytest

from finetune_core.planning.plan import Plan
from finetune_core.results.schema import ResultsDocument
from finetune_core.tasks.registry import GLUE_TASKS
from finetune_report.build import build
from finetune_report.errors import OvertakenError
from finetune_report.publish import is_intact
from finetune_store import DirectoryStore, NotFoundError, Store
from support.report_store import RecordingStore, contents, finish_run, layout_of, read_json, report_files
from support.results import plan_of, prediction_file

OLD = plan_of({"cola": 1, "rte": 2, "spam": 1}, leaderboard={})
NEW = plan_of({"cola": 3, "rte": 2}, leaderboard={})
COLA = GLUE_TASKS["cola"].submission[0]
WRITES = 17


class KilledError(Exception):
    """Stands for kill -9."""


def no_data(uri: str) -> Store | None:
    return None


def fill(store: DirectoryStore) -> None:
    for run, value in enumerate((0.5, 0.6, 0.7)):
        finish_run(store, NEW, "cola", run, value, predictions={"CoLA.tsv": prediction_file(COLA, salt="x" * run)})
    finish_run(store, NEW, "rte", 0, 0.5)
    finish_run(store, OLD, "spam", 0, 0.5)


def complete(store: DirectoryStore, plan: Plan) -> ResultsDocument | None:
    """The report that a reader takes for complete, if there is one; its parts must then all be of that report."""
    try:
        document = ResultsDocument.model_validate_json(store.get(layout_of(plan).results("json")))
    except NotFoundError:
        return None
    assert is_intact(store, layout_of(plan).root, layout_of(plan).results("json"), document)
    for task in document.tasks:
        if task.best is not None:
            assert read_json(store, layout_of(plan).best(task.task))["runId"] == task.best.run_id
    return document


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[tuple[str, str]], set[str]]:
    """The writes of a build over an older report, and all that is there afterwards."""
    store = RecordingStore(tmp_path_factory.mktemp("undisturbed"))
    fill(store)
    build(store, OLD, [], open_data=no_data, plots=False)
    store.writes.clear()
    build(store, NEW, [], open_data=no_data, plots=False)
    return list(store.writes), set(contents(store))


def test_the_number_of_writes_is_what_the_tests_below_go_through(undisturbed) -> None:
    writes, _ = undisturbed
    assert len(writes) == WRITES


def test_the_marker_goes_first_and_comes_last_before_anything_is_deleted(undisturbed) -> None:
    writes, _ = undisturbed
    marker = layout_of(NEW).results("json")
    assert writes[0] == ("delete", marker)
    place = writes.index(("put", marker))
    *deleted, table, page = writes[place + 1 :]
    assert all(verb == "delete" and "/model/" in key for verb, key in deleted)
    assert {table, page} == {("put", f"team/finetuning_results.{suffix}") for suffix in ("csv", "md")}
    assert not any("/model/" in key for _, key in writes[:place])
    assert any("/model/" in key for _, key in writes[place:])


@pytest.mark.parametrize("kill_at", range(WRITES))
def test_killed_at_any_write_and_run_again_it_ends_as_undisturbed(tmp_path: Path, undisturbed, kill_at: int) -> None:
    _, whole = undisturbed
    store = RecordingStore(tmp_path)
    fill(store)
    build(store, OLD, [], open_data=no_data, plots=False)
    store.writes.clear()

    def kill(verb: str, key: str) -> None:
        if len(store.writes) == kill_at:
            raise KilledError

    store.before = kill
    with pytest.raises(KilledError):
        build(store, NEW, [], open_data=no_data, plots=False)
    complete(store, NEW)
    store.before = None
    document = build(store, NEW, [], open_data=no_data, plots=False)
    assert complete(store, NEW) == document
    assert set(contents(store)) == whole


def intrude_before(store: RecordingStore, at: int, other: Plan) -> None:
    """Have another report run from start to end, in another process as it were, just before a write."""
    store.writes.clear()

    def intrude(verb: str, key: str) -> None:
        if len(store.writes) == at:
            store.before = None
            build(DirectoryStore(store.root), other, [], open_data=no_data, plots=False)

    store.before = intrude


def writes_of(folder: Path, plan: Plan) -> int:
    store = RecordingStore(folder)
    fill(store)
    store.writes.clear()
    build(store, plan, [], open_data=no_data, plots=False)
    return len(store.writes)


@pytest.mark.parametrize(("first", "second"), [(OLD, NEW), (NEW, OLD)], ids=["old-new", "new-old"])
def test_another_report_amid_the_writes_never_leaves_a_mixture(tmp_path: Path, first: Plan, second: Plan) -> None:
    overtaken = 0
    for at in range(writes_of(tmp_path / "count", first)):
        store = RecordingStore(tmp_path / str(at))
        fill(store)
        intrude_before(store, at, second)
        try:
            build(store, first, [], open_data=no_data, plots=False)
        except OvertakenError:
            # Withdrawn: nothing looks complete. The Job tries again.
            overtaken += 1
            assert complete(store, first) is None
            build(store, first, [], open_data=no_data, plots=False)
        assert store.before is None, "the other report did not run"
        found = complete(store, first)
        assert found is not None
        # Amid the deletions of weights the first report is whole already, so that the other one is the newer.
        came_later = ("put", layout_of(first).results("json")) in store.writes[:at]
        assert found.plan_digest == (second if came_later else first).digest
    assert overtaken > 0


def test_two_reports_over_the_same_inputs_never_disturb_each_other(tmp_path: Path) -> None:
    for at in range(writes_of(tmp_path / "count", NEW)):
        store = RecordingStore(tmp_path / str(at))
        fill(store)
        intrude_before(store, at, NEW)
        document = build(store, NEW, [], open_data=no_data, plots=False)
        assert store.before is None, "the other report did not run"
        assert complete(store, NEW) == document


def test_a_report_that_was_overtaken_leaves_the_other_ones_marker(tmp_path: Path) -> None:
    """The other report's results.json came after our last write: it was checked against what lies there now."""

    class Late(RecordingStore):
        def put(self, key: str, data: bytes, *, content_type: str = "application/octet-stream") -> None:
            super().put(key, data, content_type=content_type)
            if key == layout_of(NEW).results("json"):
                build(DirectoryStore(self.root), OLD, [], open_data=no_data, plots=False)

    store = Late(tmp_path)
    fill(store)
    with pytest.raises(OvertakenError):
        build(store, NEW, [], open_data=no_data, plots=False)
    found = complete(store, OLD)
    assert found is not None
    assert found.plan_digest == OLD.digest


def test_a_second_build_writes_nothing(tmp_path: Path) -> None:
    store = RecordingStore(tmp_path)
    fill(store)
    build(store, NEW, [], open_data=no_data, plots=False)
    store.writes.clear()
    build(store, NEW, [], open_data=no_data, plots=False)
    assert store.writes == []


@pytest.mark.parametrize("name", ["best/cola.json", "best/predictions/CoLA.tsv", "results.csv", "results.json"])
@pytest.mark.parametrize("damage", ["changed", "gone"])
def test_a_report_that_somebody_changed_is_written_anew(tmp_path: Path, name: str, damage: str) -> None:
    store = DirectoryStore(tmp_path)
    fill(store)
    build(store, NEW, [], open_data=no_data, plots=False)
    before = report_files(store, NEW)
    key = f"{layout_of(NEW).root}/{name}"
    if damage == "changed":
        store.put(key, before[name] + b" ")
    else:
        store.delete(key)
    build(store, NEW, [], open_data=no_data, plots=False)
    assert report_files(store, NEW) == before
