"""The same manifest here and on the cluster: the same runs, results and zip; either takes what the other has run."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from e2e.harness import GLUE, TINY_MODEL, Experiment, Experiments, reason, spec
from finetune_dev import release
from finetune_store import Store, download_tree, upload_tree

pytestmark = pytest.mark.timeout(600)

SPEC = spec(
    ["cola", "rte"],
    data={"uri": GLUE},
    training={"maxSteps": 8, "evalSteps": 4, "trainBatchSize": 8, "learningRate": 1e-3, "precision": "fp32"},
    leaderboard={"missingTasks": "Placeholder"},
)


@pytest.fixture(scope="module")
def inputs(store: Store, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What lies in the bucket, as folders of this machine."""
    folder = tmp_path_factory.mktemp("local")
    for name, uri in (("model", TINY_MODEL), ("data", GLUE)):
        download_tree(store, uri.removeprefix(f"s3://{release.BUCKET}/"), folder / name)
    return folder


def run_here(experiment: Experiment, inputs: Path, folder: Path) -> Path:
    """`finetune run` with one thread, as the pods; the experiment's folder of results."""
    manifest = folder / "experiment.yaml"
    manifest.write_text(yaml.safe_dump(experiment.manifest(SPEC)))
    command = [str(Path(sys.executable).with_name("finetune")), "run", str(manifest), "--store", str(folder / "store")]
    command += ["--model", str(inputs / "model"), "--data", str(inputs / "data")]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "FINETUNE_WORK": str(folder / "work")}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "store" / experiment.layout.root


def measured(results: bytes) -> list[dict[str, Any]]:
    """What results.json says of each run, but for times and where it ran."""
    kept = ("task", "run", "runId", "seed", "state", "metric", "value", "step", "score", "metrics", "lastStep")
    return [{name: run[name] for name in kept} for run in json.loads(results)["runs"]]


def test_here_and_there_it_is_the_same_runs_results_and_zip(
    experiment: Experiments, inputs: Path, tmp_path: Path
) -> None:
    there = experiment("same").apply(SPEC)
    here = run_here(there, inputs, tmp_path)
    there.ends()

    assert measured(there.read("results.json")) == measured((here / "results.json").read_bytes())
    assert there.read("submission.zip") == (here / "submission.zip").read_bytes()


def test_what_was_run_here_and_copied_to_the_bucket_is_done_for_the_cluster(
    experiment: Experiments, store: Store, inputs: Path, tmp_path: Path
) -> None:
    there = experiment("copied")
    here = run_here(there, inputs, tmp_path)
    upload_tree(store, here, there.layout.root)
    before = there.attempts()

    status = there.apply(SPEC).ends()

    assert reason(status) == "AllRunsSucceeded", there.describe()
    assert there.attempts() == before
    assert there.jobs() == []
    assert status["leaderboard"]["uri"].endswith("/copied/submission.zip")


def test_what_the_cluster_has_run_and_was_copied_here_is_done_here(
    experiment: Experiments, store: Store, inputs: Path, tmp_path: Path
) -> None:
    there = experiment("taken").apply(SPEC)
    there.ends()
    copied = tmp_path / "store" / there.layout.root
    download_tree(store, there.layout.root, copied)

    run_here(there, inputs, tmp_path)

    attempts = {path.parent.name: {one.name for one in path.iterdir()} for path in copied.glob("runs/*/*/attempts")}
    assert attempts == there.attempts()
