"""The commands that talk to a cluster, on a real API server with the operator at work."""

import io
import json
import sys
from pathlib import Path

import pytest
import typer
import yaml

from support.experiments import experiment
from support.world import World, spec_of

from .conftest import Run

pytestmark = [pytest.mark.apiserver, pytest.mark.s3]


def test_an_empty_namespace_says_how_to_begin(world: World, run: Run) -> None:
    said = run("status", "-n", world.namespace)

    assert said.code == 0
    assert "finetune submit FILE" in said.err


def test_status_lists_and_shows_one_with_its_tasks(world: World, run: Run) -> None:
    world.apply("first", spec_of(world.server, {"rte": 2, "cola": 1}))
    world.to_the_end("first")

    listed = run("status", "-n", world.namespace)
    shown = run("status", "first", "-n", world.namespace)

    assert "first AllRunsSucceeded 3/3" in listed.text
    assert "runs 3/3" in shown.text
    assert "rte 2/2 accuracy 71.00" in shown.text
    assert "results: s3://results/out/" in shown.text


def test_status_as_json_is_the_object(world: World, run: Run) -> None:
    world.apply("first", spec_of(world.server, {"rte": 1}))

    said = run("status", "fte/first", "-o", "json", "-n", world.namespace)

    assert json.loads(said.out)["spec"]["tasks"] == [{"name": "rte", "runs": 1}]


def test_a_name_that_is_not_there_gets_a_near_one(world: World, run: Run) -> None:
    world.apply("first", spec_of(world.server, {"rte": 1}))

    said = run("status", "frist", "-n", world.namespace)

    assert said.code == 3
    assert "there is no FinetuneExperiment or HPSearch frist" in said.text
    assert "Did you mean first?" in said.text


def test_submit_creates_then_changes_then_leaves_alone(world: World, run: Run, tmp_path: Path) -> None:
    file = tmp_path / "first.yaml"
    manifest = experiment("first", **spec_of(world.server, {"rte": 1}))

    said = []
    for runs in (1, 2, 2):
        manifest["spec"]["tasks"][0]["runs"] = runs
        file.write_text(yaml.safe_dump(manifest))
        said.append(run("submit", str(file), "-n", world.namespace).out.split()[-1])

    assert said == ["created", "changed", "unchanged"]
    assert world.resource("first")["spec"]["tasks"][0]["runs"] == 2


def test_submit_refuses_what_is_broken_with_its_line_and_changes_nothing(
    world: World, run: Run, tmp_path: Path
) -> None:
    file = tmp_path / "first.yaml"
    file.write_text(yaml.safe_dump(experiment("first", runs=0)))

    said = run("submit", str(file), "-n", world.namespace)

    assert said.code == 1
    assert f"{file}:" in said.err
    assert "use at least 1" in said.text
    assert run("status", "first", "-n", world.namespace).code == 3


def test_a_dry_run_asks_the_cluster_and_stores_nothing(world: World, run: Run, tmp_path: Path) -> None:
    file = tmp_path / "first.yaml"
    file.write_text(yaml.safe_dump(experiment("first")))

    assert "created (dry run" in run("submit", "--dry-run", str(file), "-n", world.namespace).out
    assert run("status", "first", "-n", world.namespace).code == 3


def test_watch_ends_with_the_experiment_and_says_how_it_ended(world: World, run: Run) -> None:
    world.apply("good", spec_of(world.server, {"rte": 1}))
    world.to_the_end("good")
    world.apply("bad", spec_of(world.server, {"rte": 1}))
    world.to_the_end("bad", failed=[0])

    assert run("watch", "good", "-n", world.namespace).code == 0
    assert run("watch", "bad", "-n", world.namespace).code == 1


def test_suspend_and_resume_change_the_spec_once(world: World, run: Run) -> None:
    world.apply("first", spec_of(world.server, {"rte": 1}))

    said = [run(verb, "first", "-n", world.namespace).text for verb in ("suspend", "suspend", "resume")]

    assert "suspended" in said[0]
    assert "is already suspended" in said[1]
    assert "goes on" in said[2]
    assert world.resource("first")["spec"]["execution"]["suspend"] is False


def test_retry_runs_the_failed_runs_again(world: World, run: Run) -> None:
    world.apply("first", spec_of(world.server, {"rte": 1}))
    world.to_the_end("first", failed=[0])
    assert world.reason("first") == "TaskFailed"

    run("retry", "first", "-n", world.namespace)
    world.to_the_end("first")

    assert world.reason("first") == "AllRunsSucceeded"


def test_runs_are_added_to_one_task_and_the_others_stay(world: World, run: Run) -> None:
    world.apply("first", spec_of(world.server, {"rte": 1, "cola": 1}))

    said = run("add-runs", "first", "2", "--task", "rte", "-n", world.namespace)

    assert "has 3 runs of rte" in said.out
    assert [task["runs"] for task in world.resource("first")["spec"]["tasks"]] == [3, 1]


def test_adding_runs_to_a_task_that_is_not_there_names_those_that_are(world: World, run: Run) -> None:
    world.apply("first", spec_of(world.server, {"rte": 1}))

    said = run("add-runs", "first", "2", "--task", "cola", "-n", world.namespace)

    assert said.code == 2
    assert "The experiment has rte" in said.text


def test_a_quarantined_run_is_out_of_best_and_tables_and_only_it_is_done_again(world: World, run: Run) -> None:
    world.apply("first", spec_of(world.server, {"rte": 3}))
    world.to_the_end("first")
    assert world.status("first")["tasks"][0]["best"]["run"] == 2
    wrong = world.status("first")["tasks"][0]["best"]["runId"]

    said = run("quarantine", "first", "rte/2", "--reason", "its node was broken", "-n", world.namespace)

    assert said.code == 0, said.text
    assert f"does without rte run 2 ({wrong})" in said.text
    begun = []
    world.to_the_end("first", between=lambda: begun.extend(world.jobs("first", "train")))
    (again,) = world.job_plan(begun[-1]).runs_at(0)
    assert (again.task, again.run) == ("rte", 2)
    assert again.run_id != wrong
    assert len(world.job_plan(begun[-1]).indexes) == 1
    assert world.status("first")["tasks"][0]["best"]["runId"] == again.run_id
    shown = run("results", "first", "-n", world.namespace)
    assert f"Quarantined: rte run 2 ({wrong}): its node was broken" in shown.text

    back = run("quarantine", "first", wrong, "--undo", "-n", world.namespace)

    assert f"counts {wrong} again" in back.text
    world.to_the_end("first")
    assert world.status("first")["tasks"][0]["best"]["runId"] == wrong


def test_a_run_that_is_not_planned_cannot_be_quarantined_and_those_that_are_are_named(world: World, run: Run) -> None:
    world.apply("first", spec_of(world.server, {"rte": 1}))
    world.look("first", 2)
    (planned,) = world.plan("first").runs

    said = run("quarantine", "first", "rte/7", "--reason", "wrong", "-n", world.namespace)

    assert said.code == 1
    assert "no run rte/7 is planned" in said.text
    assert f"rte/0 ({planned.run_id})" in said.text
    assert run("quarantine", "first", "rte/0", "-n", world.namespace).code == 2
    assert "is not quarantined" in run("quarantine", "first", planned.run_id, "--undo", "-n", world.namespace).text


def test_without_a_cluster_the_message_says_what_to_do(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))

    said = run("status")

    assert said.code == 5
    assert "there is no cluster to talk to" in said.text
    assert "Set KUBECONFIG" in said.text


def test_delete_asks_and_removes_the_object_and_nothing_of_the_store(
    world: World, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.apply("first", spec_of(world.server, {"rte": 1}))
    world.to_the_end("first")
    ask = ("delete", "first", "-n", world.namespace)
    kept = [info.key for info in world.store.list(f"{world.namespace}/first")]

    nobody = run(*ask)
    assert (nobody.code, "Give --yes." in nobody.text) == (2, True)
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    monkeypatch.setattr(typer, "confirm", lambda *_, **__: False)
    assert run(*ask).code == 1
    assert run("status", "first", "-n", world.namespace).code == 0

    said = run(*ask, "--yes")

    assert said.code == 0
    assert f"FinetuneExperiment {world.namespace}/first deleted" in said.out
    assert "Its results stay: s3://results/out/" in said.text
    assert run("status", "first", "-n", world.namespace).code == 3
    assert [info.key for info in world.store.list(f"{world.namespace}/first")] == kept != []


def test_submit_reads_stdin(world: World, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    manifest = json.dumps(experiment("piped", **spec_of(world.server, {"rte": 1})))
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(manifest.encode())))

    said = run("submit", "-", "-n", world.namespace)

    assert said.code == 0, said.text
    assert f"FinetuneExperiment {world.namespace}/piped created" in said.out
