"""`finetune run`: an experiment without a cluster, interrupted in every way, ends as if it had not been."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
import yaml

import support
from finetune_dev.shell import wait_for
from glue_demo import tiny_bert, write

pytestmark = pytest.mark.timeout(1200)

TRAINING = {"maxSteps": 400, "evalSteps": 20, "trainBatchSize": 8, "learningRate": 1e-3, "maxSeqLength": 32}


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    """Generated GLUE data and a tiny random BERT."""
    folder = tmp_path_factory.mktemp("inputs")
    write(folder / "glue", train_rows=48, dev_rows=32, test_rows=8)
    tiny_bert(folder / "model")
    return folder


_OF_ATTEMPTS = {"uri", "attempt", "attempts", "model", "trainSeconds", "startedAt", "finishedAt"} | {
    "reportDigest",
    "files",
}


class Local:
    """One experiment in a folder of its own, run by the command itself."""

    def __init__(self, folder: Path, inputs: Path, **spec: object) -> None:
        folder.mkdir()
        self.folder = folder
        self.store = folder / "store"
        self.manifest = folder / "experiment.yaml"
        self.manifest.write_text(
            yaml.safe_dump(
                {
                    "apiVersion": "finetune.dev/v1alpha1",
                    "kind": "FinetuneExperiment",
                    "metadata": {"name": "local"},
                    "spec": {
                        "model": {"uri": f"file://{inputs}/model"},
                        "data": {"uri": f"file://{inputs}/glue"},
                        "tasks": [{"name": "rte"}, {"name": "wnli"}],
                        "runs": 1,
                        "training": TRAINING,
                        "execution": {"checkpointIntervalSeconds": 5},
                        **spec,
                    },
                }
            )
        )

    def start(self) -> subprocess.Popen[str]:
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "FINETUNE_WORK": str(self.folder / "work")}
        command = [
            str(Path(sys.executable).with_name("finetune")),
            "run",
            str(self.manifest),
            "--store",
            str(self.store),
        ]
        return subprocess.Popen(
            command,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            # A shell has what it runs in the background ignore Ctrl-C, and so all that is started from there.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 - no threads here
        )

    def run(self) -> tuple[int, str]:
        process = self.start()
        text, _ = process.communicate(timeout=300)
        return process.returncode, text

    def results(self) -> dict[str, object]:
        """results.json but for times, names of attempts, and digests of files that hold these."""

        def timeless(value):
            if isinstance(value, dict):
                return {key: timeless(one) for key, one in value.items() if key not in _OF_ATTEMPTS}
            return [timeless(one) for one in value] if isinstance(value, list) else value

        return timeless(json.loads((self.store / "default/local/results.json").read_text()))

    def predictions(self) -> dict[str, bytes]:
        """The predictions of the best runs."""
        return {path.name: path.read_bytes() for path in self.store.glob("default/local/best/predictions/*")}

    def attempts(self) -> set[str]:
        """The attempts that have trained up to an evaluation of their own."""
        return {path.parent.name for path in self.store.glob("default/local/runs/*/*/attempts/*/metrics.jsonl")}

    def until_at_work(self, before: set[str]) -> None:
        """Wait for an attempt that was not there before to train."""
        wait_for("an attempt to train", lambda: self.attempts() - before != set(), seconds=300)


def test_killed_three_times_it_ends_with_the_same_results_as_undisturbed(inputs, tmp_path):
    undisturbed, disturbed = Local(tmp_path / "a", inputs), Local(tmp_path / "b", inputs)
    assert undisturbed.run()[0] == 0
    for victim in ("command", "driver", "worker"):
        before = disturbed.attempts()
        command = disturbed.start()
        disturbed.until_at_work(before)
        driver, *workers = psutil.Process(command.pid).children(recursive=True)
        {"command": command, "driver": driver, "worker": workers[-1]}[victim].send_signal(signal.SIGKILL)
        if victim == "worker":
            # The driver begins its run anew, after a pause: it need not be waited for.
            command.kill()
        command.communicate(timeout=300)

    code, text = disturbed.run()

    assert code == 0, text
    assert disturbed.results() == undisturbed.results()
    assert disturbed.predictions() == undisturbed.predictions() != {}


def test_told_to_stop_it_says_how_to_go_on(inputs, tmp_path):
    local = Local(tmp_path / "c", inputs)
    command = local.start()
    local.until_at_work(set())

    command.send_signal(signal.SIGINT)

    text, _ = command.communicate(timeout=300)
    assert command.returncode == 130
    assert "the same command goes on from here" in text


def test_a_second_time_nothing_is_run_again(inputs, tmp_path):
    local = Local(tmp_path / "d", inputs, tasks=[{"name": "rte", "training": {"maxSteps": 4, "evalSteps": 2}}])
    assert local.run()[0] == 0

    code, text = local.run()

    assert code == 0
    assert "runs to do" not in text
    assert re.search(r"^rte +\d/\d", text, re.MULTILINE), text
    assert "learning curves: finetune ui --store " in text


def test_seeds_are_added_until_there_are_enough_and_a_second_time_none(inputs, tmp_path):
    # No three or four seeds are that sure.
    growing = {"name": "rte", "runsUntil": {"halfWidth": 0.001, "max": 4}}
    local = Local(tmp_path / "g", inputs, tasks=[growing], training={**TRAINING, "maxSteps": 4, "evalSteps": 2})

    code, text = local.run()

    assert code == 0, text
    assert "3 of 3 runs to do" in text
    assert "not sure enough (runsUntil): rte is to have 4 runs" in text
    assert "1 of 4 runs to do" in text
    (row,) = local.results()["tasks"]
    assert (row["planned"], row["succeeded"], row["seeds"]["enough"]) == (4, 4, "AtMost")

    code, text = local.run()
    assert code == 0
    assert "runs to do" not in text


def test_what_cannot_be_used_is_said_before_anything_is_run(inputs, tmp_path):
    local = Local(tmp_path / "e", inputs, model={"uri": f"file://{tmp_path}/no-model"}, tasks=[{"name": "qnli"}])

    code, text = local.run()

    assert code == 1
    assert "no-model" in text
    assert "--model FOLDER" in text
    assert "Traceback" not in text


def test_a_run_that_fails_is_told_and_the_others_are_reported(inputs, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "train.csv").write_text("text,label\na,yes\nb,maybe\n" * 8)
    custom = {
        "name": "mine",
        "problemType": "Classification",
        "labels": ["yes", "no"],
        "data": {
            "uri": f"file://{tmp_path}/data",
            "train": "train.csv",
            "validation": "train.csv",
            "textColumns": ["text"],
            "labelColumn": "label",
        },
    }
    short = {**TRAINING, "maxSteps": 4, "evalSteps": 2}
    local = Local(tmp_path / "f", inputs, tasks=[{"name": "rte"}, custom], training=short)

    code, text = local.run()

    assert code == 1, text
    assert "mine run 0 failed: UserError" in text
    assert "maybe" in text
    assert re.search(r"^rte +\d/\d", text, re.MULTILINE), text


def test_trackers_are_told_of_its_runs_and_what_fails_there_is_told_at_the_end(inputs, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(Path(support.__path__[0]) / "fake_trackers"))
    monkeypatch.setenv("FAKE_TRACKER_LOG", str(tmp_path / "calls.jsonl"))
    monkeypatch.setenv("FAKE_TRACKER_FAILS", "wandb.init raises")
    monkeypatch.setenv("FAKE_TRACKER_HANGS_AT_EXIT", "1")
    short = {"maxSteps": 4, "evalSteps": 2}
    tracking = {"reportTo": ["tensorboard", "wandb"]}
    local = Local(tmp_path / "g", inputs, tasks=[{"name": "rte", "training": short}], tracking=tracking)

    code, text = local.run()

    assert code == 0, text
    assert "warning: wandb: ConnectionError" in text
    assert len(list(local.store.glob("default/local/runs/rte/*/attempts/*/tensorboard/events.out.tfevents.*"))) == 1
