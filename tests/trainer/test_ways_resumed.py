"""Each way to train goes on from its checkpoint to the numbers of the whole run."""

from typing import Any

import pytest

from support.model_matrix import STEPS, STOP_AT, Tries
from support.trainer_runs import Workspace

TRAINING = {"maxSteps": STEPS, "evalSteps": STOP_AT, "learningRate": 1e-2, "trainBatchSize": 4, "maxSeqLength": 32}
WAYS: dict[str, dict[str, Any]] = {
    "LoRA": {"peftType": "LORA", "loraDropout": 0.1},
    "LoRA, its last weights": {"peftType": "LORA", "loadBestModelAtEnd": False, "allowLastModel": True},
    "IA3": {"peftType": "IA3", "mergeAdapter": False},
    "frozen layers": {"freezeEmbeddings": True, "freezeLayers": 1},
    "learning rates by layer": {"layerwiseLrDecay": 0.8},
    "Adafactor, recomputed activations": {"optim": "adafactor", "gradientCheckpointing": True},
}


@pytest.mark.parametrize("training", WAYS.values(), ids=WAYS)
def test_stopped_and_taken_up_again_it_ends_with_the_same_numbers(
    workspace: Workspace, training: dict[str, Any]
) -> None:
    job = workspace.plan([{"name": "rte", "runs": 1, "training": {**TRAINING, **training}}])
    tries = Tries.of(workspace, job)
    tries.interrupted(tries.attempt("whole"))
