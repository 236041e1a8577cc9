"""Objects in the store that somebody wrote by hand: they count as absent or end in a named error, and lead nowhere."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from finetune_cli.app import main
from finetune_client.errors import ClientError
from finetune_client.reports import plan_of, report_of
from finetune_client.stores import Results
from finetune_core.layout import ExperimentLayout
from finetune_core.search_layout import SearchLayout
from finetune_report.build import build
from finetune_report.errors import ReportError
from finetune_report.search.gather import read_plan
from finetune_store import DirectoryStore
from support.filled_store import finished_experiment, no_data, running_experiment, running_search
from support.hostile_text import JSON_BOMBS, TRAVERSALS
from support.report_store import finish_run, layout_of
from support.results import plan_of as make_plan

DEMO = ExperimentLayout("team", "demo")


@pytest.fixture
def store(tmp_path: Path) -> DirectoryStore:
    return DirectoryStore(tmp_path / "store")


def change(store: DirectoryStore, key: str, edit: Callable[[Any], object]) -> None:
    """Edit an object as its author would not."""
    document = json.loads(store.get(key))
    edit(document)
    store.put(key, json.dumps(document).encode())


def files_of(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("task", ["../../../outside", "/outside", "..", "a/../../../../outside"])
def test_download_writes_nothing_outside_its_folder(store: DirectoryStore, tmp_path: Path, task: str) -> None:
    finished_experiment(store, "demo", 0.6)
    if task.startswith("/"):
        task = str(tmp_path / task.strip("/"))

    def edit(document: Any) -> None:
        (row,) = document["tasks"]
        row["task"] = row["best"]["task"] = task

    change(store, DEMO.results("json"), edit)
    before = files_of(tmp_path)
    to = tmp_path / "home" / "got"

    code = main(["download", "demo", "-n", "team", "--store", str(tmp_path / "store"), "--to", str(to)])

    assert code != 0
    assert {path for path in files_of(tmp_path) - before if not path.is_relative_to(to)} == set()


@pytest.mark.parametrize("key", TRAVERSALS)
@pytest.mark.parametrize("field", ["model", "predictions", "files"])
def test_download_reads_nothing_outside_the_experiment(
    store: DirectoryStore, tmp_path: Path, key: str, field: str
) -> None:
    finished_experiment(store, "demo", 0.6)
    store.put("victim/prod/secret.txt", b"secret")

    def edit(document: Any) -> None:
        best = document["tasks"][0]["best"]
        best["model"] = key if field == "model" else None
        best["predictions"] = {"RTE.tsv": key} if field == "predictions" else {}
        document["files"] = {key: "0" * 64} if field == "files" else {}

    change(store, DEMO.results("json"), edit)
    before = files_of(tmp_path)
    to = tmp_path / "home" / "got"
    main(["download", "demo", "-n", "team", "--store", str(tmp_path / "store"), "--to", str(to)])
    written = files_of(tmp_path) - before
    assert all(path.is_relative_to(to) for path in written)
    assert not any(path.read_bytes() == b"secret" for path in written)


def test_download_of_event_files_passes_over_what_is_no_run(store: DirectoryStore, tmp_path: Path) -> None:
    finished_experiment(store, "demo", 0.6)
    store.put(f"{DEMO.runs}/README", b"no run")
    where = ["-n", "team", "--store", str(tmp_path / "store")]
    assert main(["download", "demo", "--tensorboard", *where, "--to", str(tmp_path / "got")]) == 0


def test_a_plan_of_another_experiment_is_no_plan(store: DirectoryStore) -> None:
    foreign = make_plan({"rte": 1}).model_copy(update={"namespace": "victim", "experiment": "prod"})
    store.put(DEMO.plan, foreign.to_bytes())
    with pytest.raises(ClientError, match="victim/prod"):
        plan_of(Results(store, "team", "demo"))


def test_a_search_plan_of_another_search_is_no_plan(store: DirectoryStore) -> None:
    plan = running_search(store)
    layout = SearchLayout(plan.namespace, plan.search)
    change(store, layout.plan, lambda document: document.update(namespace="victim"))
    with pytest.raises(ReportError, match="victim"):
        read_plan(store, layout)


def test_a_report_of_another_experiment_is_no_report(store: DirectoryStore) -> None:
    finished_experiment(store, "demo", 0.6)
    change(store, DEMO.results("json"), lambda document: document.update(namespace="victim", experiment="prod"))
    with pytest.raises(ClientError, match="victim/prod"):
        report_of(Results(store, "team", "demo"))


def test_the_tables_of_a_namespace_leave_out_reports_that_say_they_are_of_others(store: DirectoryStore) -> None:
    finished_experiment(store, "liar", 0.99)
    liar = ExperimentLayout("team", "liar").results("json")
    change(store, liar, lambda document: document.update(experiment="honest"))
    finished_experiment(store, "honest", 0.5)
    table = store.get("team/finetuning_results.csv").decode()
    assert "0.99" not in table
    assert "team,honest" in table


@pytest.mark.parametrize("name", TRAVERSALS)
@pytest.mark.parametrize("field", ["namespace", "experiment", "task", "runId"])
def test_names_in_a_plan_are_single_parts_of_keys(store: DirectoryStore, field: str, name: str) -> None:
    running_experiment(store)

    def edit(document: Any) -> None:
        target = document if field in {"namespace", "experiment"} else document["runs"][0]
        target[field] = name

    change(store, DEMO.plan, edit)
    with pytest.raises(ClientError):
        plan_of(Results(store, "team", "demo"))


def test_a_plan_whose_runs_are_of_a_task_that_it_does_not_have_is_no_plan(store: DirectoryStore) -> None:
    running_experiment(store)
    change(store, DEMO.plan, lambda document: document["tasks"].pop("cola"))
    with pytest.raises(ClientError):
        plan_of(Results(store, "team", "demo"))


@pytest.mark.parametrize("name", TRAVERSALS)
@pytest.mark.parametrize("field", ["attempt", "predictions"])
def test_a_result_that_leads_elsewhere_is_no_result(
    store: DirectoryStore, caplog: pytest.LogCaptureFixture, field: str, name: str
) -> None:
    plan = make_plan({"rte": 1})
    store.put(DEMO.plan, plan.to_bytes())
    result = finish_run(store, plan, "rte", 0, 0.6)
    store.put(f"victim/prod/{result.run_id}", b"secret")
    value: Any = name if field == "attempt" else {name: {"rows": 1, "sha256": "0" * 64}}
    change(store, layout_of(plan).run("rte", result.run_id).result, lambda document: document.update({field: value}))
    assert build(store, plan, (), open_data=no_data, plots=False).runs[0].state == "Missing"
    assert "no result of this version" in caplog.text


@pytest.mark.parametrize("content", JSON_BOMBS.values(), ids=JSON_BOMBS)
@pytest.mark.parametrize("key", ["plan", "results", "result", "progress", "failure", "metrics"])
@pytest.mark.parametrize("command", ["results", "best", "download"])
def test_no_content_of_an_object_ends_the_command_line_in_a_traceback(
    store: DirectoryStore, tmp_path: Path, content: bytes, key: str, command: str
) -> None:
    plan = running_experiment(store)
    run = layout_of(plan).run("rte", plan.runs_of("rte")[0].run_id)
    keys = {
        "plan": DEMO.plan, "results": DEMO.results("json"), "result": run.result, "progress": run.progress,
        "failure": run.failure("a"), "metrics": run.metrics("attempt-0"),
    }  # fmt: skip
    store.put(keys[key], content)
    where = ["-n", "team", "--store", str(tmp_path / "store")]
    code = main([command, "demo", *where, *(["--to", str(tmp_path / "got")] if command == "download" else [])])
    assert code in range(6)
