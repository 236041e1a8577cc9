"""What curves are recorded of: a task's data, a model, and the space that its configurations are drawn from."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
import transformers

from finetune_core.tasks.registry import GLUE_TASKS
from glue_demo import minilm_path, tiny_bert, write

TINY: Final = "tiny"
MINILM: Final = "minilm"

_LAYERS = 2
"""Of MiniLM's six: a curve of all of them takes half a minute of a processor."""

_SPACE: Final[dict[str, Any]] = {"warmupRatio": {"choice": [0, 0.1, 0.2]}, "weightDecay": {"uniform": [0.0, 0.1]}}


@dataclass(frozen=True)
class Setting:
    """A task with a model.

    `rows` are (train, dev), `evaluations` how many a curve has, `training` what is the same for all configurations.
    """

    name: str
    task: str
    model: str
    real: bool
    rows: tuple[int, int]
    evaluations: int
    configurations: int
    seeds: int
    space: dict[str, Any]
    training: dict[str, Any]


def _generated(task: str) -> Setting:
    space = _SPACE | {
        "learningRate": {"logUniform": [2e-4, 3e-2]},
        "trainBatchSize": {"choice": [16, 32, 64]},
        "numTrainEpochs": {"choice": [2, 4, 6]},
    }
    training = {"maxSeqLength": 32, "precision": "fp32", "evalBatchSize": 128}
    return Setting(f"{task}-generated-tiny", task, TINY, False, (800, 250), 20, 42, 2, space, training)


def _longer(task: str) -> Setting:
    """With smaller batches and so up to 600 steps; few of them, for each takes twice the time."""
    space = _SPACE | {
        "learningRate": {"logUniform": [1e-4, 3e-2]},
        "trainBatchSize": {"choice": [8, 16, 32]},
        "numTrainEpochs": {"choice": [2, 4, 6]},
    }
    training = {"maxSeqLength": 32, "precision": "fp32"}
    return Setting(f"{task}-generated-tiny/longer", task, TINY, False, (800, 250), 20, 8, 1, space, training)


def _real(task: str) -> Setting:
    space = _SPACE | {
        "learningRate": {"logUniform": [1e-5, 5e-3]},
        "trainBatchSize": {"choice": [8, 16, 32]},
        "numTrainEpochs": {"choice": [1, 2, 4]},
    }
    training = {"maxSeqLength": 32, "precision": "bf16", "freezeEmbeddings": True}
    return Setting(f"{task}-real-minilm", task, MINILM, True, (480, 200), 10, 12, 1, space, training)


SETTINGS: Final = (
    *map(_generated, ("rte", "mnli", "sst2", "stsb")),
    *map(_longer, ("rte", "qnli", "mnli", "sst2")),
    *map(_real, ("cola", "mrpc", "rte")),
)
"""Real data with the first layers of a pretrained MiniLM, generated data with a small random BERT."""


def model_folder(model: str, out: Path) -> Path:
    """The model's folder below `out`, made if it is not there."""
    if (out / "config.json").exists():
        return out
    if model == TINY:
        return tiny_bert(out)
    config = transformers.AutoConfig.from_pretrained(minilm_path(), num_hidden_layers=_LAYERS)
    cut = transformers.AutoModel.from_pretrained(minilm_path(), config=config, dtype=torch.float32)
    cut.save_pretrained(out)
    transformers.AutoTokenizer.from_pretrained(minilm_path()).save_pretrained(out)
    return out


def data_folder(setting: Setting, glue: Path | None, out: Path) -> Path:
    """The task's data below `out`, of as many rows as the setting says. `glue` has the real data."""
    folder = str(GLUE_TASKS[setting.task].folder)
    if not setting.real:
        train, dev = setting.rows
        write(out, layout="tsv", train_rows=train, dev_rows=dev, test_rows=8, tasks=[setting.task], seed=1)
        return out
    if glue is None:
        raise SystemExit(f"{setting.name} is of real data: give --glue-dir")
    shutil.copytree(glue / folder, out / folder, dirs_exist_ok=True)
    for name, rows in zip(("train.tsv", "dev.tsv"), setting.rows, strict=True):
        _shorten(out / folder / name, rows)
    return out


def _shorten(file: Path, rows: int) -> None:
    """Keep the first rows; one more line, which is a header in all files but CoLA's."""
    lines = file.read_text(encoding="utf-8").split("\n")
    file.write_text("\n".join(lines[: rows + 1]) + "\n", encoding="utf-8")
