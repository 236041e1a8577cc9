"""The commands that read results: from a cluster's experiment by its Secret, and from a store alone."""

import csv
import io
import json
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from finetune_core.api import Storage
from finetune_core.layout import ExperimentLayout
from finetune_core.planning.plan import Plan
from finetune_core.results.schema import ResultsDocument
from finetune_core.tables.results import ResultsTable
from finetune_report.build import build
from finetune_store import DirectoryStore, Store, UnreachableError
from support.documents import document_of
from support.report_store import fail_run, finish_run
from support.results import plan_of
from support.world import World, spec_of

from .conftest import Run


def prediction(rows: int, words: str = "entailment") -> bytes:
    return ("index\tprediction\n" + "".join(f"{index}\t{words}\n" for index in range(rows))).encode()


@pytest.fixture
def store(tmp_path: Path) -> DirectoryStore:
    return DirectoryStore(tmp_path / "store")


@pytest.fixture
def plan(store: DirectoryStore) -> Plan:
    """`team/demo`: two runs of RTE done, the second is the best; one of CoLA failed."""
    plan = plan_of({"rte": 2, "cola": 1})
    store.put(ExperimentLayout(plan.namespace, plan.experiment).plan, plan.to_bytes())
    for run, value in enumerate((0.6, 0.7)):
        finish_run(store, plan, "rte", run, value, predictions={"RTE.tsv": prediction(3000)})
    return plan


def publish(store: Store, plan: Plan, failed: list[str]) -> ResultsDocument:
    return build(store, plan, failed, open_data=lambda _uri: None)


def where(store: DirectoryStore) -> tuple[str, ...]:
    return ("-n", "team", "--store", store.uri())


def test_results_before_the_end_are_those_of_the_runs_that_have_ended(
    store: DirectoryStore, plan: Plan, run: Run
) -> None:
    said = run("results", "demo", *where(store))

    assert said.code == 0
    assert "rte 2/2 accuracy 70.00 65.00 ± 7.07 (2) 70.00 1 (seed" in said.text
    assert "cola 0/1" in said.text
    assert "Not all runs have ended" in said.err


@pytest.mark.parametrize(
    ("output", "words"), [("csv", "rte,accuracy,2"), ("md", "| rte | 2/2 |"), ("yaml", "experiment: demo")]
)
def test_results_come_in_the_formats_of_the_report(
    store: DirectoryStore, plan: Plan, run: Run, output: str, words: str
) -> None:
    assert words in run("results", "demo", "-o", output, *where(store)).out


def test_results_as_json_are_the_reports_own(store: DirectoryStore, plan: Plan, run: Run) -> None:
    document = publish(store, plan, [fail_run(store, plan, "cola", 0, "no such column")])

    said = run("results", "demo", "-o", "json", *where(store))

    assert ResultsDocument.model_validate_json(said.out) == document
    assert said.err == ""


def test_when_runs_were_added_the_results_are_those_of_the_new_plan(
    store: DirectoryStore, plan: Plan, run: Run
) -> None:
    publish(store, plan, [fail_run(store, plan, "cola", 0, "no such column")])
    store.put(ExperimentLayout("team", "demo").plan, plan_of({"rte": 3, "cola": 1}).to_bytes())

    said = run("results", "demo", *where(store))

    assert "rte 2/3" in said.text
    assert "Not all runs have ended" in said.err


def test_an_experiment_that_the_store_does_not_have_is_said_so(store: DirectoryStore, run: Run) -> None:
    said = run("results", "demo", *where(store))

    assert said.code == 3
    assert "there is no experiment team/demo in" in said.text
    assert "Check name, namespace (-n) and --store" in said.text


def test_best_names_the_best_run_and_its_place(store: DirectoryStore, plan: Plan, run: Run) -> None:
    (row,) = json.loads(run("best", "demo", "-o", "json", *where(store)).out)

    assert (row["task"], row["run"], row["value"]) == ("rte", 1, 0.7)
    assert row["uri"].startswith(store.uri("team/demo/runs/rte/"))


def test_download_writes_best_models_predictions_and_tables(
    store: DirectoryStore, plan: Plan, run: Run, tmp_path: Path
) -> None:
    publish(store, plan, [fail_run(store, plan, "cola", 0, "no such column")])

    said = run("download", "demo", "--to", str(tmp_path / "got"), *where(store))

    got = {str(path.relative_to(tmp_path / "got")) for path in (tmp_path / "got").rglob("*") if path.is_file()}
    assert said.code == 0
    assert {"models/rte/config.json", "models/rte/model.safetensors", "predictions/RTE.tsv", "results.csv"} <= got


@pytest.mark.parametrize("there", [False, True])
def test_a_download_that_fails_leaves_nothing_and_one_that_works_leaves_no_scratch(
    store: DirectoryStore, plan: Plan, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, there: bool
) -> None:
    publish(store, plan, [fail_run(store, plan, "cola", 0, "no such column")])
    folder = tmp_path / "to" / "got"
    if there:
        folder.mkdir(parents=True)
        (folder / "results.csv").write_text("older")
    whole = DirectoryStore.download

    def breaks(self: DirectoryStore, key: str, path: Path) -> None:
        if key.endswith("RTE.tsv"):
            raise UnreachableError("the line is cut")
        whole(self, key, path)

    with monkeypatch.context() as patched:
        patched.setattr(DirectoryStore, "download", breaks)
        assert run("download", "demo", "--to", str(folder), *where(store)).code == 5
    left = {path.name: path.read_text() for path in (tmp_path / "to").rglob("*") if path.is_file()}
    assert left == ({"results.csv": "older"} if there else {})

    assert run("download", "demo", "--to", str(folder), *where(store)).code == 0
    assert [path.name for path in (tmp_path / "to").iterdir()] == ["got"]
    assert (folder / "results.csv").read_bytes() == store.get("team/demo/results.csv")


def test_what_the_report_names_and_the_store_lacks_is_named_before_anything_is_written(
    store: DirectoryStore, plan: Plan, run: Run, tmp_path: Path
) -> None:
    publish(store, plan, [fail_run(store, plan, "cola", 0, "no such column")])
    store.delete("team/demo/best/predictions/RTE.tsv")

    said = run("download", "demo", "--to", str(tmp_path / "got"), *where(store))

    assert said.code == 3
    assert "best/predictions/RTE.tsv is not there" in said.text
    assert not (tmp_path / "got").exists()


def test_download_takes_every_runs_event_files_where_it_is_asked_to(
    store: DirectoryStore, plan: Plan, run: Run, tmp_path: Path
) -> None:
    publish(store, plan, [fail_run(store, plan, "cola", 0, "no such column")])
    layout = ExperimentLayout("team", "demo")
    for planned in plan.runs:
        key = layout.run(planned.task, planned.run_id).tensorboard("attempt-1")
        store.put(f"{key}/events.out.tfevents.1.pod", planned.run_id.encode())

    asked = ("download", "demo", "--tensorboard", *where(store))
    assert run(*asked, "--to", str(tmp_path / "all")).code == 0
    assert run(*asked, "--task", "rte", "--to", str(tmp_path / "rte")).code == 0

    for folder, tasks in (("all", {"rte", "cola"}), ("rte", {"rte"})):
        root = tmp_path / folder / "tensorboard"
        got = {str(path.relative_to(root)): path.read_bytes().decode() for path in root.rglob("events.*")}
        assert got == {
            f"{one.task}/{one.run_id}/attempt-1/events.out.tfevents.1.pod": one.run_id
            for one in plan.runs
            if one.task in tasks
        }


def test_download_says_where_event_files_come_from_when_there_are_none(
    store: DirectoryStore, plan: Plan, run: Run, tmp_path: Path
) -> None:
    publish(store, plan, [fail_run(store, plan, "cola", 0, "no such column")])
    said = run("download", "demo", "--tensorboard", "--to", str(tmp_path / "got"), *where(store))
    assert said.code == 0
    assert "spec.tracking.reportTo" in said.text


def test_download_before_the_report_says_what_to_wait_for(store: DirectoryStore, plan: Plan, run: Run) -> None:
    said = run("download", "demo", *where(store))

    assert said.code == 3
    assert "finetune watch demo" in said.text


def test_a_zip_with_placeholders_is_built_here_and_passes_the_check(
    store: DirectoryStore, plan: Plan, run: Run, tmp_path: Path
) -> None:
    file = tmp_path / "a.zip"

    built = run("leaderboard", "build", "demo", "-f", str(file), "--missing-tasks", "Placeholder", *where(store))

    assert "Placeholders, not predictions" in built.err
    assert len(zipfile.ZipFile(file).namelist()) == 11
    checked = run("leaderboard", "check", str(file))
    assert checked.code == 0
    # RTE's predictions are all the same here too; MNLI has three files.
    assert checked.err.count("every row says") == 11
    assert "CoLA.tsv: every row says 1: a placeholder" in checked.text


def test_a_file_with_different_predictions_is_no_placeholder(
    store: DirectoryStore, plan: Plan, run: Run, tmp_path: Path
) -> None:
    rows = prediction(2999) + b"2999\tnot_entailment\n"
    finish_run(store, plan, "rte", 1, 0.7, predictions={"RTE.tsv": rows})
    file = str(tmp_path / "a.zip")
    run("leaderboard", "build", "demo", "-f", file, "--missing-tasks", "Placeholder", *where(store))

    checked = run("leaderboard", "check", file)

    assert checked.err.count("every row says") == 10
    assert "RTE.tsv" not in checked.err


def test_a_zip_without_all_tasks_is_refused_with_their_files(store: DirectoryStore, plan: Plan, run: Run) -> None:
    said = run("leaderboard", "build", "demo", *where(store))

    assert said.code == 1
    assert "CoLA.tsv: no best run with predictions" in said.text
    assert "--missing-tasks Placeholder" in said.text


def test_saving_a_zip_that_was_never_asked_for_says_how_to_get_one(store: DirectoryStore, plan: Plan, run: Run) -> None:
    said = run("leaderboard", "save", "demo", *where(store))

    assert said.code == 3
    assert "finetune leaderboard build demo" in said.text


def test_saving_a_zip_says_which_of_its_files_are_placeholders(store: DirectoryStore, run: Run, tmp_path: Path) -> None:
    plan = plan_of({"rte": 1}, leaderboard={"missingTasks": "Placeholder"})
    layout = ExperimentLayout(plan.namespace, plan.experiment)
    store.put(layout.plan, plan.to_bytes())
    finish_run(store, plan, "rte", 0, 0.6, predictions={"RTE.tsv": prediction(3000)})
    publish(store, plan, [])
    file = tmp_path / "a.zip"

    said = run("leaderboard", "save", "demo", "-f", str(file), *where(store))

    assert said.code == 0
    (told,) = [line for line in said.err.splitlines() if "Placeholders, not predictions: " in line]
    assert "CoLA.tsv" in told
    assert "RTE.tsv" not in told

    store.delete(layout.submission_manifest)
    again = run("leaderboard", "save", "demo", "-f", str(file), *where(store))
    assert (again.code, "submission.json is not there" in again.err) == (0, True)


def test_checking_what_is_no_zip_says_so(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "a.zip"
    file.write_text("no zip")

    assert run("leaderboard", "check", str(file)).code == 1
    assert run("leaderboard", "check", str(tmp_path / "none.zip")).code == 3


def weights(store: DirectoryStore) -> int:
    return sum("/model/" in info.key for info in store.list("team/demo/runs"))


def test_gc_shows_what_retention_would_delete_and_deletes_it_with_yes(store: DirectoryStore, run: Run) -> None:
    plan = plan_of({"rte": 3, "cola": 1})
    store.put(ExperimentLayout(plan.namespace, plan.experiment).plan, plan.to_bytes())
    for number, value in enumerate((0.5, 0.6, 0.7)):
        finish_run(store, plan, "rte", number, value, predictions={"RTE.tsv": prediction(3000)})
    publish(store, plan, [fail_run(store, plan, "cola", 0, "no such column")])
    # As after an interrupted clean-up: the weights of the third best run are there again.
    lesser = finish_run(store, plan, "rte", 0, 0.5, predictions={"RTE.tsv": prediction(3000)})

    shown = run("gc", "demo", *where(store))
    before = weights(store)
    run("gc", "demo", "--yes", *where(store))

    assert shown.out.count(lesser.run_id) == 3
    assert (before, weights(store)) == (9, 6)


def test_gc_deletes_nothing_by_a_report_that_is_older_than_the_runs(
    store: DirectoryStore, plan: Plan, run: Run
) -> None:
    publish(store, plan, [])
    finish_run(store, plan, "cola", 0, 0.5)

    said = run("gc", "demo", "--yes", *where(store))

    assert said.code == 3
    assert "older than its runs" in said.text
    assert weights(store) == 9


@pytest.mark.apiserver
@pytest.mark.s3
def test_the_store_of_an_experiment_is_found_by_its_spec_and_secret(world: World, run: Run, tmp_path: Path) -> None:
    world.apply("first", spec_of(world.server, {"rte": 2}))
    world.to_the_end("first")

    assert "rte 2/2 accuracy 71.00" in run("results", "first", "-n", world.namespace).text
    assert "rte accuracy 71.00 1" in run("best", "first", "-n", world.namespace).text


@pytest.mark.apiserver
@pytest.mark.s3
def test_the_operators_own_storage_is_found_without_a_word_about_it(world: World, run: Run) -> None:
    spec = spec_of(world.server, {"rte": 2})
    world.config = replace(world.config, default_storage=Storage.model_validate(spec.pop("storage")))
    world.restart()
    world.apply("first", spec)
    world.look("first")
    assert "rte 0/2" in run("results", "first", "-n", world.namespace).text
    world.to_the_end("first")

    assert "rte 2/2 accuracy 71.00" in run("results", "first", "-n", world.namespace).text


def test_a_store_that_does_not_answer_is_told_once_with_the_way_to_reach_it(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"ENDPOINT_URL": "http://127.0.0.1:9", "ACCESS_KEY_ID": "a", "SECRET_ACCESS_KEY": "b"}.items():
        monkeypatch.setenv(f"AWS_{name}", value)

    said = run("results", "demo", "-n", "team", "--store", "s3://bucket/prefix")

    assert said.code == 5
    assert said.err.count("cannot read") == 1
    assert "kubectl port-forward" in said.text


@pytest.mark.apiserver
@pytest.mark.s3
def test_a_secret_that_is_gone_is_named_with_the_way_around_it(world: World, run: Run) -> None:
    spec = spec_of(world.server, {"rte": 1})
    spec["storage"]["secretRef"]["name"] = "gone"
    world.apply("first", spec)

    said = run("results", "first", "-n", world.namespace)

    assert said.code == 3
    assert "Secret gone is not in namespace" in said.text
    assert "--store" in said.text


@pytest.fixture
def two(store: DirectoryStore, plan: Plan) -> tuple[ResultsDocument, ResultsDocument]:
    """The reports of `team/demo` and of `team/better`."""
    better = document_of({"rte": [0.75, 0.85]}, name="better", model="s3://models/large")
    store.put(ExperimentLayout("team", "better").results("json"), better.to_json())
    return publish(store, plan, [fail_run(store, plan, "cola", 0, "no such column")]), better


def test_several_names_give_one_table_with_the_best_runs(store: DirectoryStore, two: object, run: Run) -> None:
    said = run("results", "demo", "better", *where(store))

    assert (said.code, said.err) == (0, "")
    assert "team/better s3://models/large 85.00* 85.00* – 85.00 (2)" in said.text
    assert "team/demo s3://models/tiny 70.00* 70.00* – (0) 70.00 (2)" in said.text


def test_the_statistic_may_be_the_mean_also_of_a_single_experiment(
    store: DirectoryStore, two: object, run: Run
) -> None:
    assert "80.00 ± 7.07 (2)" in run("results", "better", "--statistic", "mean", *where(store)).text
    assert "80.00 ± 7.07 (2)" in run("results", "--all", "--statistic", "mean", *where(store)).text


@pytest.mark.parametrize(
    ("output", "words"),
    [
        ("csv", "team,better,"),
        ("md", "| **85.00** (2) |"),
        ("latex", r"\textbf{85.00} (2)"),
        ("html", "<strong>85.00</strong></span> (2)</td>"),
        ("yaml", "experiment: better"),
    ],
)
def test_the_table_comes_in_every_format(store: DirectoryStore, two: object, run: Run, output: str, words: str) -> None:
    assert words in run("results", "demo", "better", "-o", output, *where(store)).out


def test_the_table_as_json_holds_the_documents_own_figures(
    store: DirectoryStore, two: tuple[ResultsDocument, ResultsDocument], run: Run
) -> None:
    made = ResultsTable.model_validate_json(run("results", "demo", "better", "-o", "json", *where(store)).out)

    assert [(row.experiment, row.tasks) for row in made.experiments] == [
        (one.experiment, one.tasks) for one in sorted(two, key=lambda one: one.model_uri)
    ]


def test_all_are_those_of_the_namespace_and_what_cannot_be_read_is_named(
    store: DirectoryStore, two: object, run: Run
) -> None:
    store.put("team/broken/results.json", b"{")
    store.put("other/foreign/results.json", document_of({"rte": [0.5]}).to_json())

    said = run("results", "--all", "-o", "csv", *where(store))

    rows = list(csv.DictReader(io.StringIO(said.out)))
    assert said.code == 0
    assert {row["experiment"] for row in rows} == {"demo", "better"}
    assert "broken is left out:" in said.err


def test_experiments_that_have_not_ended_are_named(store: DirectoryStore, plan: Plan, run: Run) -> None:
    said = run("results", "--all", *where(store))

    assert "team/demo s3://models/tiny 70.00*" in said.text
    assert "Not all runs of demo have ended" in said.err


def test_html_of_one_experiment_is_the_table_with_its_row(store: DirectoryStore, two: object, run: Run) -> None:
    assert ">70.00</span> (2)</td>" in run("results", "demo", "-o", "html", *where(store)).out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "NAME... or --all"),
        (("demo", "--all"), "leave the names out"),
        (("demo", "hps/hunt"), "hps/hunt is a search"),
        (("hps/hunt", "-o", "latex"), "not written as LaTeX"),
    ],
)
def test_what_makes_no_table_is_said(
    store: DirectoryStore, plan: Plan, run: Run, arguments: tuple[str, ...], words: str
) -> None:
    said = run("results", *arguments, *where(store))

    assert said.code == 2
    assert words in said.text


def test_a_namespace_without_results_is_not_found(store: DirectoryStore, run: Run) -> None:
    said = run("results", "--all", *where(store))

    assert said.code == 3
    assert "no experiment of the namespace team has results" in said.text


@pytest.mark.apiserver
@pytest.mark.s3
def test_all_experiments_of_a_cluster_are_found_by_their_specs(world: World, run: Run) -> None:
    world.apply("first", spec_of(world.server, {"rte": 2}))
    world.to_the_end("first")

    assert "/first" in run("results", "--all", "-n", world.namespace).text
    assert "71.00 (2)" in run("results", "--all", "-n", world.namespace).text
