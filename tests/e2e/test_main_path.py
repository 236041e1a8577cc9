"""From kubectl apply to best runs, tables and the leaderboard zip; and again, when an experiment grows."""

import csv
import hashlib
import io
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from e2e.harness import GLUE, Experiment, Experiments, condition_of, reason, spec
from e2e.namespaces import fresh_namespace
from finetune_core.tasks.registry import GLUE_TASKS, SUBMISSION_FILES
from finetune_dev.kubectl import cluster_environment
from finetune_store import Store

pytestmark = pytest.mark.timeout(600)

FIVE = ("cola", "rte", "mrpc", "stsb", "wnli")
ROWS = {
    "CoLA.tsv": 1063,
    "SST-2.tsv": 1821,
    "MRPC.tsv": 1725,
    "STS-B.tsv": 1379,
    "QQP.tsv": 390965,
    "MNLI-m.tsv": 9796,
    "MNLI-mm.tsv": 9847,
    "QNLI.tsv": 5463,
    "RTE.tsv": 3000,
    "WNLI.tsv": 146,
    "AX.tsv": 1104,
}
BINARY, PAIR, TRIPLE = {"0", "1"}, {"entailment", "not_entailment"}, {"entailment", "neutral", "contradiction"}
LABELS = {
    "CoLA.tsv": BINARY,
    "SST-2.tsv": BINARY,
    "MRPC.tsv": BINARY,
    "QQP.tsv": BINARY,
    "WNLI.tsv": BINARY,
    "QNLI.tsv": PAIR,
    "RTE.tsv": PAIR,
    "MNLI-m.tsv": TRIPLE,
    "MNLI-mm.tsv": TRIPLE,
    "AX.tsv": TRIPLE,
}


def five_tasks(**fields: Any) -> dict[str, Any]:
    return spec(FIVE, runs=3, data={"uri": GLUE}, execution={"runsPerPod": 3}, **fields)


@pytest.fixture(scope="module")
def finished(store: Store) -> Iterator[Experiment]:
    """Five tasks x 3 runs that have ended; a zip is asked for, and refused while tasks are missing."""
    with fresh_namespace() as namespace:
        experiment = Experiment(namespace, "suite", store)
        experiment.apply(five_tasks(leaderboard={"missingTasks": "Refuse"})).ends()
        yield experiment


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def rows_of(data: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(data.decode()), delimiter="\t", quoting=csv.QUOTE_NONE))


def test_five_tasks_with_three_runs_each_finish(finished: Experiment) -> None:
    status = finished.status()

    assert reason(status) == "AllRunsSucceeded", finished.describe()
    assert status["runs"] == {
        "total": 15, "pending": 0, "running": 0, "succeeded": 15, "failed": 0, "summary": "15/15"
    }  # fmt: skip
    assert len(finished.results()) == 15
    assert {task["name"]: task["runs"] for task in status["tasks"]} == dict.fromkeys(FIVE, "3/3")


def test_table_pointer_predictions_and_status_name_the_same_best_run(finished: Experiment) -> None:
    table = {row["task"]: row for row in json.loads(finished.read("results.json"))["tasks"]}
    shown = {task["name"]: task["best"] for task in finished.status()["tasks"]}
    results = finished.results()
    for task in FIVE:
        pointer = json.loads(finished.read(f"best/{task}.json"))
        best = results[pointer["runId"]]
        ours = [result for result in results.values() if result.task == task and result.value is not None]
        assert best.value == max(result.value for result in ours if result.value is not None)
        assert table[task]["best"]["runId"] == shown[task]["runId"] == pointer["runId"]
        for file in GLUE_TASKS[task].submission:
            own = finished.read(f"runs/{task}/{best.run_id}/attempts/{best.attempt}/predictions/{file.name}")
            assert sha256(finished.read(f"best/predictions/{file.name}")) == sha256(own)
            assert best.predictions[file.name].sha256 == sha256(own)


def test_a_zip_that_lacks_tasks_is_refused_by_naming_them(finished: Experiment) -> None:
    condition = finished.condition("LeaderboardReady")

    assert (condition["status"], condition["reason"]) == ("False", "TasksMissing")
    assert all(name in condition["message"] for name in ("QQP", "MNLI-m", "MNLI-mm", "QNLI", "SST-2", "AX"))
    assert "submission.zip" not in finished.stored()


def test_a_persons_own_machine_gets_the_results_by_name_alone(finished: Experiment, tmp_path: Path) -> None:
    """The store is the operator's own, at an address that only the cluster knows."""
    program = str(Path(sys.executable).with_name("finetune"))
    plain = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    arguments = (finished.name, "--namespace", finished.namespace)

    def said(*command: str) -> str:
        environment = plain | cluster_environment()
        done = subprocess.run(
            [program, *command], env=environment, cwd=tmp_path, check=True, capture_output=True, text=True
        )
        return done.stdout

    told = json.loads(said("results", *arguments, "--output", "json"))
    said("download", *arguments, "--to", "here")

    assert told == json.loads(finished.read("results.json"))
    assert (tmp_path / "here/results.csv").read_bytes() == finished.read("results.csv")


def test_asking_for_placeholders_makes_the_zip_without_a_new_run(finished: Experiment) -> None:
    before = finished.attempts()

    status = finished.apply(five_tasks(leaderboard={"missingTasks": "Placeholder"})).ends()

    assert condition_of(status, "LeaderboardReady")["reason"] == "WithPlaceholders"
    assert finished.attempts() == before
    data = finished.read("submission.zip")
    assert status["leaderboard"]["sha256"] == sha256(data)
    archive = zipfile.ZipFile(io.BytesIO(data))
    assert sorted(archive.namelist()) == sorted(file.name for file in SUBMISSION_FILES) == sorted(ROWS)
    for name in archive.namelist():
        header, *rows = rows_of(archive.read(name))
        assert header == ["index", "prediction"]
        assert [index for index, _ in rows] == [str(number) for number in range(ROWS[name])]
        predictions = {prediction for _, prediction in rows}
        if name == "STS-B.tsv":
            assert all(0 <= float(value) <= 5 for value in predictions)
        else:
            assert predictions <= LABELS[name]
    for task in FIVE:
        for file in GLUE_TASKS[task].submission:
            assert archive.read(file.name) == finished.read(f"best/predictions/{file.name}")


def test_a_task_and_two_runs_added_to_a_finished_experiment_are_all_that_runs(finished: Experiment) -> None:
    before, zip_before = finished.attempts(), finished.status()["leaderboard"]["sha256"]
    tasks = {name: {"runs": 3} for name in FIVE} | {"wnli": {"runs": 5}, "sst2": {"runs": 1}}
    grown = spec(tasks, data={"uri": GLUE}, execution={"runsPerPod": 3}, leaderboard={"missingTasks": "Placeholder"})

    status = finished.apply(grown).ends()

    assert status["runs"]["summary"] == "18/18"
    after = finished.attempts()
    assert {run: pods for run, pods in after.items() if run in before} == before
    assert sorted(finished.results()[run].task for run in after.keys() - before.keys()) == ["sst2", "wnli", "wnli"]
    assert status["leaderboard"]["sha256"] != zip_before
    assert sha256(finished.read("submission.zip")) == status["leaderboard"]["sha256"]
    rows = {row["task"]: row for row in json.loads(finished.read("results.json"))["tasks"]}
    assert (rows["wnli"]["succeeded"], rows["sst2"]["succeeded"]) == (5, 1)
    assert "sst2" in finished.read("results.md").decode()


def test_what_was_deleted_and_applied_again_repeats_no_finished_run(finished: Experiment) -> None:
    before = finished.attempts()
    again = finished.resource()["spec"]

    finished.delete()
    status = finished.apply(again).ends()

    assert reason(status) == "AllRunsSucceeded"
    assert status["runs"]["succeeded"] == status["runs"]["total"]
    assert finished.attempts() == before
    assert finished.jobs() == []


def test_experiments_of_one_name_in_two_namespaces_never_touch_each_other(
    experiment: Experiments, store: Store
) -> None:
    one = experiment("twin")
    with fresh_namespace() as other:
        two = Experiment(other, "twin", store)
        one.apply(spec(["wnli"]))
        two.apply(spec(["wnli"], seed=7))
        assert reason(one.ends()) == reason(two.ends()) == "AllRunsSucceeded"

        assert len(one.results()) == len(two.results()) == 1
        assert one.results().keys().isdisjoint(two.results())
        before = one.stored()
        two.delete()
        assert one.stored() == before
        assert {job.metadata.namespace for job in one.jobs()} == {one.namespace}
