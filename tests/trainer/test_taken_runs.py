"""Whole runs of the trainer where another experiment has done them already: nothing is trained, all bytes are there."""

import shutil
from pathlib import Path

from finetune_core.api import Reuse
from finetune_core.planning.plan import ExecutionLimits
from finetune_core.results.run import ExitCode
from finetune_report.build import build
from finetune_store import DirectoryStore
from support.report_store import contents
from support.trainer_runs import Workspace

TRAINING = {"maxSteps": 6, "evalSteps": 4, "maxSeqLength": 32, "learningRate": 1e-3}


def task(name, runs=1):
    return {"name": name, "runs": runs, "training": TRAINING}


def files_of(workspace, job, place=0):
    """What counts of a run: key below its attempt -> content."""
    result = workspace.result(job, place)
    folder = workspace.layout(job, place).attempt(result.attempt)
    found = contents(DirectoryStore(workspace.store), folder)
    return {key.removeprefix(f"{folder}/"): data for key, data in found.items() if "started" not in key}


def report(workspace, job):
    store = DirectoryStore(workspace.store)
    document = build(store, job.plan, [], open_data=lambda _: None, plots=False)
    root = document.folder
    return document, {
        name: data for name in document.files if not name.endswith("html") and (data := store.get(f"{root}/{name}"))
    }


def test_a_run_that_a_colleague_has_done_is_taken_with_all_of_its_bytes(workspace):
    first = workspace.plan([task("mnli")], name="first")
    code, log = workspace.run(first)
    assert code == ExitCode.SUCCESS, log
    before, tables = report(workspace, first)

    second = workspace.plan([task("mnli")], name="second")
    code, log = workspace.run(second, attempt="attempt-2")
    assert code == ExitCode.SUCCESS, log
    assert "taken from first, not trained" in log
    theirs, ours = workspace.result(first), workspace.result(second)
    assert (ours.taken_from, ours.attempt, ours.train_seconds) == ("first", "attempt-2", theirs.train_seconds)
    assert set(ours.predictions) == {"MNLI-m.tsv", "MNLI-mm.tsv", "AX.tsv"}
    assert files_of(workspace, second) == files_of(workspace, first)
    assert ours.model == workspace.layout(second).model("attempt-2")

    after, ours_tables = report(workspace, second)
    assert ours_tables["results.csv"] == tables["results.csv"]
    for name in (name for name in tables if name.startswith("best/predictions/")):
        assert ours_tables[name] == tables[name]
    assert before.tasks[0].score == after.tasks[0].score
    assert b"taken from first, which had the same runs: 1 of mnli" in ours_tables["results.md"]
    assert b",taken_from" in ours_tables["runs.csv"].splitlines()[0]
    assert b"taken_from" not in tables["runs.csv"]

    third = workspace.plan([task("mnli")], name="third")
    assert "torch" not in workspace.modules(third, attempt="attempt-3")
    assert workspace.result(third).taken_from == "first"

    by_driver = workspace.plan([task("mnli")], name="fourth")
    assert workspace.start_driver(by_driver).wait(300) == ExitCode.SUCCESS
    assert workspace.result(by_driver).taken_from == "first"


def test_who_asks_for_its_own_runs_trains_them_and_gives_none(workspace):
    alone = ExecutionLimits(reuse=Reuse.EXPERIMENT)
    jobs = [workspace.plan([task("rte")], name=name, limits=alone) for name in ("first", "second")]
    jobs.append(workspace.plan([task("rte")], name="third"))
    for job in jobs:
        assert workspace.run(job)[0] == ExitCode.SUCCESS
    assert [workspace.result(job).taken_from for job in jobs] == [None, None, None]


def test_predictions_of_other_test_sets_are_not_taken(workspace, tmp_path):
    first = workspace.plan([task("rte")], name="first")
    assert workspace.run(first)[0] == ExitCode.SUCCESS
    other = Workspace(tmp_path, workspace.model, Path(shutil.copytree(workspace.data, tmp_path / "data")))
    test = other.data / "RTE" / "test.tsv"
    head, _, rows = test.read_bytes().partition(b"\n")
    test.write_bytes(head + b"\n" + rows.swapcase())
    second = other.plan([task("rte")], name="second")
    code, log = other.run(second, attempt="attempt-2")
    assert code == ExitCode.SUCCESS, log
    assert "it has no RTE.tsv of these test sets" in log
    assert other.result(second).taken_from is None
