"""Several processes a run (torch's DistributedDataParallel), here two of them on processors, by gloo."""

import csv
import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from safetensors.torch import load_file

from finetune_core.planning.plan import ExecutionLimits
from finetune_core.results.run import ExitCode
from finetune_core.results.evaluation import Evaluation

# 96 examples in steps of 20 are five steps an epoch, the last with 16; by passes of 3 of 20 / 2 there are several.
TRAINING = {
    "maxSteps": 12,
    "evalSteps": 4,
    "trainBatchSize": 20,
    "perDeviceTrainBatchSize": 5,
    "evalBatchSize": 7,
    "learningRate": 1e-3,
    "precision": "fp32",
}
TASK = {"name": "rte", "runs": 1, "training": TRAINING}


@pytest.fixture(scope="module")
def steady(shared, tmp_path_factory):
    """The tiny model without dropout."""
    folder = tmp_path_factory.mktemp("steady") / "model"
    shutil.copytree(shared / "model", folder)
    config = json.loads((folder / "config.json").read_text())
    config |= {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def test_two_processes_do_what_one_does(workspace, steady, tmp_path):
    alone = replace(workspace, root=tmp_path / "alone", model=steady)
    both = replace(workspace, root=tmp_path / "both", model=steady, processes=2)
    done = []
    for one in (alone, both):
        one.root.mkdir()
        job = one.plan([TASK], retention={"models": "All"})
        code, log = one.run(job)
        assert code == 0, log
        result = one.result(job)
        weights = load_file(one.store / result.model / "model.safetensors")
        done.append((job, result, weights))
    (first, expected, ours), (second, found, theirs) = done
    assert first.plan.runs == second.plan.runs
    print(expected.metrics, found.metrics)
    print(max(float((ours[name] - theirs[name]).abs().max()) for name in ours))
