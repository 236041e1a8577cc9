import hashlib
import io
import json
from pathlib import Path

import pytest

from finetune_core.deciding.report_digest import report_digest
from finetune_core.leaderboard.checks import validate_zip
from finetune_core.planning.plan import Plan
from finetune_core.results.schema import ResultsDocument, RunState
from finetune_core.tasks.registry import GLUE_TASKS
from finetune_report.build import build
from finetune_report.errors import ReportError, ResultsChangedError
from finetune_store import DirectoryStore, Store
from support.report_store import contents, fail_run, finish_run, layout_of, read_json, report_files
from support.results import all_prediction_files, outcome_of, plan_of, prediction_file

TASKS = {"cola": 2, "mrpc": 2, "spam": 1}
PLAN = plan_of(TASKS, retention={"models": "All"})


def no_data(uri: str) -> Store | None:
    return None


@pytest.fixture
def store(tmp_path: Path) -> DirectoryStore:
    return DirectoryStore(tmp_path / "store")


def cola_file(salt: str = "") -> dict[str, bytes]:
    return {"CoLA.tsv": prediction_file(GLUE_TASKS["cola"].submission[0], salt=salt)}


def fill(store: DirectoryStore, plan: Plan = PLAN) -> None:
    finish_run(store, plan, "cola", 0, 0.50, predictions=cola_file())
    finish_run(store, plan, "cola", 1, 0.60, predictions=cola_file("x"))
    finish_run(store, plan, "mrpc", 0, 0.90, metrics={"accuracy": 0.86})
    finish_run(store, plan, "mrpc", 1, 0.88, metrics={"accuracy": 0.89})


def finish_all(store: DirectoryStore, plan: Plan) -> None:
    files = all_prediction_files()
    for task in plan.tasks:
        names = [file.name for file in plan.tasks[task].definition.submission]
        for run in range(len(plan.runs_of(task))):
            finish_run(store, plan, task, run, 0.5 + run / 10, predictions={name: files[name] for name in names})


def test_report_has_tables_pointers_and_best_predictions(store: DirectoryStore) -> None:
    fill(store)
    build(store, PLAN, [], open_data=no_data, plots=False)
    files = report_files(store, PLAN)
    assert sorted(files) == [
        "best/cola.json",
        "best/mrpc.json",
        "best/predictions/CoLA.tsv",
        "report.html",
        "results.csv",
        "results.json",
        "results.md",
        "runs.csv",
    ]
    assert files["best/predictions/CoLA.tsv"] == cola_file("x")["CoLA.tsv"]
    assert json.loads(files["best/cola.json"])["runId"] == PLAN.runs_of("cola")[1].run_id


def test_best_pointer_leads_to_weights_that_are_there(store: DirectoryStore) -> None:
    fill(store)
    build(store, PLAN, [], open_data=no_data, plots=False)
    pointer = read_json(store, layout_of(PLAN).best("cola"))
    assert store.get(f"{layout_of(PLAN).root}/{pointer['model']}/config.json")
    assert store.get(f"{layout_of(PLAN).root}/{pointer['folder']}/result.json")
    for name, key in pointer["predictions"].items():
        assert store.get(f"{layout_of(PLAN).root}/{key}") == cola_file("x")[name]


def test_results_json_names_every_file_with_its_digest_and_what_it_was_made_from(store: DirectoryStore) -> None:
    fill(store)
    document = build(store, PLAN, [], open_data=no_data, plots=False)
    files = report_files(store, PLAN)
    stated = json.loads(files.pop("results.json"))
    assert stated["files"] == {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    outcomes = [
        outcome_of(PLAN, "cola", 0, 0.50, predictions=cola_file()),
        outcome_of(PLAN, "cola", 1, 0.60, predictions=cola_file("x")),
        outcome_of(PLAN, "mrpc", 0, 0.90, metrics={"accuracy": 0.86}),
        outcome_of(PLAN, "mrpc", 1, 0.88, metrics={"accuracy": 0.89}),
    ]
    assert stated["reportDigest"] == report_digest(PLAN, outcomes, []) == document.report_digest


def test_two_stores_with_the_same_runs_get_the_same_bytes(tmp_path: Path) -> None:
    made = []
    for name in ("one", "two"):
        store = DirectoryStore(tmp_path / name)
        fill(store)
        build(store, PLAN, [], open_data=no_data, plots=False)
        files = report_files(store, PLAN)
        made.append({key: data.replace(store.uri().encode(), b"STORE") for key, data in files.items()})
        document = json.loads(made[-1]["results.json"])
        # Both hold the store's URI, and results.json their digests.
        del document["files"]["results.md"], document["files"]["report.html"]
        made[-1]["results.json"] = json.dumps(document).encode()
    assert made[0] == made[1]


def test_failed_runs_are_listed_with_their_last_reason(store: DirectoryStore) -> None:
    fill(store)
    lost = fail_run(store, PLAN, "spam", 0, "column text is missing in train.csv")
    document = build(store, PLAN, [lost], open_data=no_data, plots=False)
    (run,) = document.failed()
    assert (run.run_id, run.state, run.message) == (lost, RunState.FAILED, "column text is missing in train.csv")
    assert "column text is missing" in store.get(layout_of(PLAN).results("md")).decode()


def test_a_failure_report_of_a_run_that_may_be_tried_again_is_not_a_failure(store: DirectoryStore) -> None:
    fail_run(store, PLAN, "spam", 0, "out of memory")
    document = build(store, PLAN, [], open_data=no_data, plots=False)
    assert document.failed() == ()
    assert {run.state for run in document.runs} == {RunState.MISSING}


def test_a_failure_report_that_cannot_be_read_blocks_nothing(store: DirectoryStore) -> None:
    lost = fail_run(store, PLAN, "spam", 0, "x")
    store.put(layout_of(PLAN).run("spam", lost).failure("z"), b"{")
    (run,) = build(store, PLAN, [lost], open_data=no_data, plots=False).failed()
    assert (run.reason, run.message) == (None, None)


def test_results_of_runs_that_are_not_planned_any_more_are_left_out(store: DirectoryStore) -> None:
    more = plan_of({"cola": 3})
    finish_run(store, more, "cola", 2, 0.99)
    fill(store)
    document = build(store, PLAN, [], open_data=no_data, plots=False)
    assert [run.state for run in document.runs[:2]] == [RunState.SUCCEEDED, RunState.SUCCEEDED]
    best = document.tasks[0].best
    assert best is not None
    assert best.run == 1


def test_a_task_that_is_not_planned_any_more_leaves_nothing_in_the_report(store: DirectoryStore) -> None:
    fill(store)
    build(store, PLAN, [], open_data=no_data, plots=False)
    shrunk = plan_of({"mrpc": 2, "spam": 1}, retention={"models": "All"})
    document = build(store, shrunk, [], open_data=no_data, plots=False)
    files = report_files(store, shrunk)
    assert "best/cola.json" not in files
    assert "best/predictions/CoLA.tsv" not in files
    assert set(document.files) == set(files) - {"results.json"}


def test_a_best_run_that_changed_is_renewed_in_table_pointer_and_predictions(store: DirectoryStore) -> None:
    finish_run(store, PLAN, "cola", 0, 0.50, predictions=cola_file())
    build(store, PLAN, [], open_data=no_data, plots=False)
    better = finish_run(store, PLAN, "cola", 1, 0.60, predictions=cola_file("x"))
    document = build(store, PLAN, [], open_data=no_data, plots=False)
    best = document.tasks[0].best
    assert best is not None
    assert best.run_id == better.run_id == read_json(store, layout_of(PLAN).best("cola"))["runId"]
    assert store.get(layout_of(PLAN).best_predictions("CoLA.tsv")) == cola_file("x")["CoLA.tsv"]
    assert better.run_id in store.get(layout_of(PLAN).results("csv")).decode()


@pytest.mark.parametrize("damage", ["changed", "gone"])
def test_predictions_that_are_not_what_the_run_wrote_are_an_error_that_names_them(
    store: DirectoryStore, damage: str
) -> None:
    fill(store)
    best = PLAN.runs_of("cola")[1].run_id
    key = layout_of(PLAN).run("cola", best).predictions("attempt-1", "CoLA.tsv")
    if damage == "changed":
        store.put(key, store.get(key) + b"0\t1\n")
    else:
        store.delete(key)
    with pytest.raises(ReportError, match=r"attempts/attempt-1/predictions/CoLA\.tsv"):
        build(store, PLAN, [], open_data=no_data, plots=False)


def test_an_error_leaves_the_report_that_was_there(store: DirectoryStore) -> None:
    finish_run(store, PLAN, "cola", 0, 0.50, predictions=cola_file())
    build(store, PLAN, [], open_data=no_data, plots=False)
    before = report_files(store, PLAN)
    better = finish_run(store, PLAN, "cola", 1, 0.60, predictions=cola_file("x"))
    store.delete(layout_of(PLAN).run("cola", better.run_id).predictions("attempt-1", "CoLA.tsv"))
    with pytest.raises(ReportError):
        build(store, PLAN, [], open_data=no_data, plots=False)
    assert report_files(store, PLAN) == before


@pytest.mark.parametrize("content", [b"{", b"{}", b"[]"])
def test_a_result_that_cannot_be_read_is_named_and_counts_as_none(
    store: DirectoryStore, caplog: pytest.LogCaptureFixture, content: bytes
) -> None:
    run = PLAN.runs_of("cola")[0]
    store.put(layout_of(PLAN).run("cola", run.run_id).result, content)
    document = build(store, PLAN, [], open_data=no_data, plots=False)
    assert {row.run_id: row.state for row in document.runs}[run.run_id] == "Missing"
    assert f"runs/cola/{run.run_id}/result.json is no result" in caplog.text


def test_a_result_in_another_runs_folder_is_named_and_counts_as_none(
    store: DirectoryStore, caplog: pytest.LogCaptureFixture
) -> None:
    fill(store)
    first, second = (layout_of(PLAN).run("cola", run.run_id).result for run in PLAN.runs_of("cola"))
    store.put(first, store.get(second))
    document = build(store, PLAN, [], open_data=no_data, plots=False)
    assert [row.state for row in document.runs if row.task == "cola"] == ["Missing", "Succeeded"]
    assert "is of run 1 of cola" in caplog.text


@pytest.mark.parametrize("damage", ["deleted", "torn"])
def test_a_report_is_not_written_once_a_result_that_was_counted_is_not_there(
    store: DirectoryStore, damage: str
) -> None:
    fill(store)
    ordered = build(store, PLAN, [], open_data=no_data, plots=False).report_digest
    key = layout_of(PLAN).run("cola", PLAN.runs_of("cola")[0].run_id).result
    store.delete(key)
    if damage == "torn":
        store.put(key, b"{")
    with pytest.raises(ResultsChangedError, match="not those that this report was ordered for"):
        build(store, PLAN, [], open_data=no_data, plots=False, expected=ordered)


def test_custom_tasks_that_name_their_files_alike_do_not_meet(store: DirectoryStore) -> None:
    plan = plan_of({"spam": 1, "price": 1, "cola": 1}, leaderboard={})
    finish_run(store, plan, "spam", 0, 0.5, predictions={"test.tsv": b"spam", "CoLA.tsv": b"not of GLUE"})
    finish_run(store, plan, "price", 0, 0.5, predictions={"test.tsv": b"price"})
    finish_run(store, plan, "cola", 0, 0.5, predictions=cola_file())
    document = build(store, plan, [], open_data=no_data, plots=False)
    files = report_files(store, plan)
    assert files["best/predictions/spam/test.tsv"] == b"spam"
    assert files["best/predictions/price/test.tsv"] == b"price"
    assert files["best/predictions/CoLA.tsv"] == cola_file()["CoLA.tsv"]
    assert json.loads(files["best/spam.json"])["predictions"]["test.tsv"] == "best/predictions/spam/test.tsv"
    assert document.submission is not None
    assert document.submission.problems == ()
    assert "CoLA.tsv" not in document.submission.missing


def test_nothing_is_written_when_the_results_are_not_those_that_were_expected(store: DirectoryStore) -> None:
    fill(store)
    before = contents(store)
    with pytest.raises(ResultsChangedError, match="not those that this report was ordered for"):
        build(store, PLAN, [], open_data=no_data, plots=False, expected="0" * 16)
    assert contents(store) == before


def test_no_results_at_all_make_a_report_without_best_runs(store: DirectoryStore) -> None:
    document = build(store, PLAN, [run.run_id for run in PLAN.runs], open_data=no_data, plots=False)
    assert all(task.best is None for task in document.tasks)
    assert len(document.failed()) == len(PLAN.runs)


def test_complete_suite_makes_a_zip_that_the_leaderboard_takes(store: DirectoryStore) -> None:
    plan = plan_of(dict.fromkeys(GLUE_TASKS, 2), leaderboard={"missingTasks": "Refuse"})
    finish_all(store, plan)
    document = build(store, plan, [], open_data=no_data, plots=False)
    content = store.get(layout_of(plan).submission)
    assert validate_zip(io.BytesIO(content)) == ()
    assert document.submission is not None
    assert document.submission.sha256 == hashlib.sha256(content).hexdigest()
    manifest = read_json(store, layout_of(plan).submission_manifest)
    assert manifest["sha256"] == document.submission.sha256
    best = {task.task: task.best.run_id for task in document.tasks if task.best}
    assert {file["task"]: file["runId"] for file in manifest["files"]} == best
    assert document.glue.missing == ()


def test_refused_zip_is_an_outcome_that_names_what_is_missing(store: DirectoryStore) -> None:
    plan = plan_of({"cola": 1}, leaderboard={})
    finish_run(store, plan, "cola", 0, 0.5, predictions=cola_file())
    document = build(store, plan, [], open_data=no_data, plots=False)
    assert document.submission is not None
    assert document.submission.sha256 is None
    assert len(document.submission.missing) == 10
    assert store.stat(layout_of(plan).submission) is None
    manifest = read_json(store, layout_of(plan).submission_manifest)
    assert manifest["state"] == "Refused"
    assert "CoLA.tsv" not in manifest["missing"]


def test_a_zip_that_was_there_goes_when_it_is_refused_now(store: DirectoryStore) -> None:
    plan = plan_of(dict.fromkeys(GLUE_TASKS, 1), leaderboard={})
    finish_all(store, plan)
    build(store, plan, [], open_data=no_data, plots=False)
    more_runs = plan_of({"cola": 1, "rte": 2}, leaderboard={})
    build(store, more_runs, [], open_data=no_data, plots=False)
    assert store.stat(layout_of(plan).submission) is None


def test_experiments_of_one_name_in_two_namespaces_do_not_touch(store: DirectoryStore) -> None:
    other = PLAN.model_copy(update={"namespace": "team2"})
    fill(store)
    finish_run(store, other, "cola", 0, 0.1)
    build(store, other, [], open_data=no_data, plots=False)
    before = contents(store, "team2")
    build(store, PLAN, [], open_data=no_data, plots=False)
    assert contents(store, "team2") == before


def test_results_json_can_be_read_back(store: DirectoryStore) -> None:
    fill(store)
    document = build(store, PLAN, [], open_data=no_data, plots=False)
    assert ResultsDocument.model_validate_json(store.get(layout_of(PLAN).results("json"))) == document
