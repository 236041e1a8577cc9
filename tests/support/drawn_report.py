"""An experiment's own report against who has to win: table, pointers, weights, published predictions."""

import csv
import io
import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from finetune_core.tasks.registry import GLUE_TASKS
from finetune_report.build import build
from finetune_store import DirectoryStore, NotFoundError
from support.drawn_runs import CUSTOM, LESS_IS_BETTER, Left
from support.merged_table import check_cells
from support.report_store import layout_of, read_json, report_files


@contextmanager
def empty_store() -> Iterator[DirectoryStore]:
    """In a temporary folder, for one example."""
    with tempfile.TemporaryDirectory() as folder:
        yield DirectoryStore(Path(folder))


def prediction(task: str, words: str) -> dict[str, bytes]:
    """One row, of these words."""
    names = [file.name for file in GLUE_TASKS[task].submission] if task in GLUE_TASKS else ["test.tsv"]
    return {name: f"index\tprediction\n0\t{words}\n".encode() for name in names}


def report(left: Left) -> None:
    """Its report, of the runs that have arrived so far."""
    # A run that was tried again with success may still be on the list of those that failed.
    build(left.store, left.plan, left.failed | left.retried, open_data=lambda _uri: None, plots=False)


def check_report(left: Left) -> None:
    """Table, pointer, weights and published predictions are those of the winner; nothing else is published."""
    store, plan = left.store, left.plan
    document = read_json(store, layout_of(plan).results("json"))
    files = report_files(store, plan)
    rows = {row["task"]: row for row in document["tasks"]}
    assert rows.keys() == left.drawn.runs.keys()
    published = {file for task in rows for file in check_task(left, rows[task], files)}
    assert {name for name in files if name.startswith("best/predictions/")} == published
    states = {run["runId"]: run["state"] for run in document["runs"]}
    succeeded = {plan.runs_of(task)[run].run_id for task, run in left.measured}
    assert {run_id for run_id, state in states.items() if state == "Failed"} == left.failed
    assert {run_id for run_id, state in states.items() if state == "Succeeded"} == succeeded
    quarantined = {(row["task"], row["run"], row["runId"]) for row in document["quarantined"]}
    assert {(task, run) for task, run, _ in quarantined} == {
        (task, run) for task, runs in left.drawn.runs.items() for run, one in enumerate(runs) if one.quarantined
    }
    # They have values that nothing else reaches.
    named = b"".join(content for name, content in files.items() if name.startswith("best/") or name == "results.csv")
    assert not any(run_id.encode() in named for _, _, run_id in quarantined)


def check_task(left: Left, row: dict[str, Any], files: dict[str, bytes]) -> set[str]:
    """A task of the report against its winner; the prediction files that it has to publish."""
    task, winner = row["task"], left.winner(row["task"])
    cells = [line for line in csv.DictReader(io.StringIO(files["results.csv"].decode())) if line["task"] == task]
    assert {line["metric"] for line in cells} == left.rows(task)
    check_weights(left, task)
    if winner is None:
        assert row["best"] is None
        assert f"best/{task}.json" not in files
        assert {line["best_run_id"] for line in cells} == {""}
        return set()
    run, metric = left.plan.runs_of(task)[winner], left.deciding(task)
    pointer = json.loads(files[f"best/{task}.json"])
    assert pointer == row["best"]
    assert (pointer["runId"], pointer["run"], pointer["seed"]) == (run.run_id, winner, run.seed)
    assert (pointer["metric"], pointer["value"]) == (metric, left.values(task, metric)[winner])
    assert pointer["greaterIsBetter"] == (metric not in LESS_IS_BETTER)
    assert pointer["metrics"] == left.measured[task, winner]
    assert f"| {winner} (seed {run.seed}, {run.run_id}) |" in files["results.md"].decode()
    for line in cells:
        check_cells(left, task, pointer, line)
    return check_predictions(left, task, pointer, files)


def check_predictions(left: Left, task: str, pointer: dict[str, Any], files: dict[str, bytes]) -> set[str]:
    """What is published is what the run that is pointed to wrote, to the byte."""
    written = left.written[task, pointer["run"]]
    folder = f"{layout_of(left.plan).root}/{pointer['folder']}/attempts/{pointer['attempt']}/predictions"
    assert pointer["predictions"].keys() == written.keys()
    for name, content in written.items():
        place = f"best/predictions/{task}/{name}" if task in CUSTOM else f"best/predictions/{name}"
        assert pointer["predictions"][name] == place
        assert files[place] == content == left.store.get(f"{folder}/{name}")
    return set(pointer["predictions"].values())


def check_weights(left: Left, task: str) -> None:
    """They are kept as the plan says: all, none, or where there is a winner its own and those of the one after it."""
    winner = left.winner(task)
    second = left.winner(task, without=winner)
    for run, planned in enumerate(left.plan.runs_of(task)):
        if (task, run) in left.measured:
            folder = layout_of(left.plan).run(task, planned.run_id).model(f"attempt-{run}")
            kept = {"All": True, "None": False, "Best": winner is None or run in {winner, second}}[left.drawn.models]
            assert (left.store.stat(f"{folder}/config.json") is not None) == kept
            if run == winner:
                pointer = read_json(left.store, layout_of(left.plan).best(task))
                below = folder.removeprefix(f"{layout_of(left.plan).root}/")
                assert pointer["model"] == (below if kept else None)


def pointer_of(left: Left, task: str) -> dict[str, Any] | None:
    """`best/<task>.json`; None where it is not there."""
    try:
        found: dict[str, Any] = read_json(left.store, layout_of(left.plan).best(task))
    except NotFoundError:
        return None
    return found
