"""A model folder is data: code that lies in it, or is pickled into its weights, is not run."""

import json
from pathlib import Path

import pytest
import torch

from finetune_core.tasks.registry import GLUE_TASKS
from finetune_trainer.errors import UserError
from finetune_trainer.model.loading import load_model
from support.tiny_models import tiny_model


class Touch:
    """Pickled, it makes a file where it is read without care."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return (Path.touch, (self.path,))


def with_code(folder, seen, model_type):
    """The folder with code of its own for its type."""
    config = json.loads((folder / "config.json").read_text())
    names = {"AutoConfig": "own.Config", "AutoModelForSequenceClassification": "own.Model"}
    (folder / "config.json").write_text(json.dumps(config | {"auto_map": names, "model_type": model_type}))
    (folder / "own.py").write_text(f"open({str(seen)!r}, 'w').close()\n")
    return folder


def test_code_beside_a_model_of_a_known_type_is_not_run(tmp_path):
    seen = tmp_path / "seen"
    load_model(with_code(tiny_model(tmp_path / "bert", "bert"), seen, "bert"), GLUE_TASKS["rte"], None)
    assert not seen.exists()


def test_a_model_that_needs_code_of_its_own_is_refused(tmp_path):
    seen = tmp_path / "seen"
    folder = with_code(tiny_model(tmp_path / "bert", "bert"), seen, "of-my-own")
    with pytest.raises(UserError):
        load_model(folder, GLUE_TASKS["rte"], None)
    assert not seen.exists()


def test_code_in_pickled_weights_is_not_run(tmp_path):
    folder, seen = tiny_model(tmp_path / "bert", "bert"), tmp_path / "seen"
    (folder / "model.safetensors").unlink()
    torch.save({"bert.pooler.dense.bias": Touch(seen)}, folder / "pytorch_model.bin")
    with pytest.raises(UserError):
        load_model(folder, GLUE_TASKS["rte"], None)
    assert not seen.exists()
    torch.load(folder / "pytorch_model.bin", weights_only=False)
    assert seen.exists(), "read without care, it would have run"
