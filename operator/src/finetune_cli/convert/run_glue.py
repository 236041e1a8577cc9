"""A command line of Hugging Face's run_glue.py as an experiment.

https://github.com/huggingface/transformers/tree/main/examples/pytorch/text-classification
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, get_args
from urllib.parse import quote

from finetune_cli.convert.arguments import LISTS, TASK_NAMES, TRAINING, boolean, number, parse_command, unknown
from finetune_cli.manifest.crds import API_VERSION, EXPERIMENT
from finetune_core.api import MAX_NAME_LENGTH
from finetune_core.names import name_from
from finetune_core.problems import InvalidInputError, Problem
from finetune_core.tasks.registry import GLUE_TASKS

_USED = frozenset(
    {
        *TRAINING,
        "model_name_or_path",
        "task_name",
        "dataset_name",
        "dataset_config_name",
        "seed",
        "fp16",
        "bf16",
        "per_device_train_batch_size",
        "per_gpu_train_batch_size",
        "gradient_accumulation_steps",
        "early_stopping_patience",
        "early_stopping_threshold",
        "train_file",
        "validation_file",
        "test_file",
        "nproc_per_node",
        "mixed_precision",
        "launcher_config_file",
    }
)


_MIXED = ("bf16", "fp16")

_OWNERS = {
    "bert-": "google-bert",
    "roberta-": "FacebookAI",
    "xlm-roberta-": "FacebookAI",
    "distilbert-": "distilbert",
    "distilroberta-": "distilbert",
    "albert-": "albert",
    "xlnet-": "xlnet",
}
"""Where the hub keeps the models that went without an organisation at first."""


@dataclass(frozen=True)
class Converted:
    """A manifest, and what a person should know of how it came about."""

    manifest: dict[str, Any]
    notes: tuple[str, ...]


def from_run_glue(command: str, *, name: str | None = None, devices: int = 1) -> Converted:
    """The experiment that does what the command does; InvalidInputError where it lacks model or task.

    devices: how many GPUs the command used: the global batch size is theirs together.
    """
    arguments = parse_command(command)
    if (model := arguments.get("model_name_or_path")) is None:
        problem = Problem("--model_name_or_path", "is missing: the command names no model")
        raise InvalidInputError((problem,))
    notes: list[str] = []
    task = _task(arguments, notes)
    spec: dict[str, Any] = {
        "model": {"uri": model_uri(model, notes)},
        "tasks": [task],
        "runs": 1,
        **({"seed": number(arguments["seed"])} if "seed" in arguments else {}),
        "training": training_of(arguments, devices, notes),
    }
    if "seed" in arguments:
        notes.append("seed: each run's own seed is derived from it; raise runs for more seeds")
    if "load_best_model_at_end" not in arguments:
        notes.append("the best evaluation counts here; the script scores the last weights unless told otherwise")
    notes += _beside(arguments)
    notes += [f"--{one} is not carried over: nothing here is like it" for one in unknown(arguments, _USED)]
    metadata = {"name": name or _name(model, str(task["name"]))}
    manifest = {"apiVersion": API_VERSION, "kind": EXPERIMENT, "metadata": metadata, "spec": spec}
    return Converted(manifest, tuple(notes))


def training_of(arguments: Mapping[str, str], devices: int, notes: list[str]) -> dict[str, Any]:
    """The training arguments; what the script has as its default is written out where ours differs."""
    training: dict[str, Any] = {}
    for theirs, ours in TRAINING.items():
        if theirs in arguments:
            training[ours.api_name] = _value(theirs, arguments[theirs])
    if training.get("maxSteps", 0) in (-1, 0):
        training.pop("maxSteps", None)
        training.setdefault("numTrainEpochs", 3)
    else:
        # The script counts epochs only where it has no steps.
        training.pop("numTrainEpochs", None)
    if training.get("warmupSteps"):
        training.pop("warmupRatio", None)
    elif "warmupRatio" not in training:
        training |= {"warmupRatio": 0}
        training.pop("warmupSteps", None)
    training["trainBatchSize"] = _batch(arguments, devices, notes)
    training |= _precision(arguments, notes)
    if training.get("loadBestModelAtEnd") is False:
        training["allowLastModel"] = True
    if "early_stopping_patience" in arguments:
        stopping = {"patience": number(arguments["early_stopping_patience"])}
        if "early_stopping_threshold" in arguments:
            stopping["threshold"] = number(arguments["early_stopping_threshold"])
        training["earlyStopping"] = stopping
    return training


def _value(theirs: str, text: str) -> Any:
    if theirs in LISTS:
        return text.replace(",", " ").split()
    kind = TRAINING[theirs].kind
    return boolean(text) if bool in (kind, *get_args(kind)) else number(text)


def _batch(arguments: Mapping[str, str], devices: int, notes: list[str]) -> Any:
    sizes = [
        number(arguments.get("per_device_train_batch_size") or arguments.get("per_gpu_train_batch_size") or "8"),
        number(arguments.get("gradient_accumulation_steps", "1")),
        int(number(arguments.get("nproc_per_node", str(devices)))),
    ]
    if not all(isinstance(size, int) for size in sizes):
        # A place holder of a search.
        return sizes[0]
    total = 1
    for size in sizes:
        total *= int(size)
    if total != sizes[0]:
        notes.append(f"trainBatchSize {total}: {sizes[0]} a device x {sizes[1]} accumulation x {sizes[2]} devices")
    return total


def _precision(arguments: Mapping[str, str], notes: list[str]) -> dict[str, str]:
    given = [one for one in _MIXED if boolean(arguments.get(one, "false"))]
    launched = arguments.get("mixed_precision", "no").lower()
    if given or launched in {"no", *given}:
        return {"precision": given[0] if given else "fp32"}
    if launched not in _MIXED:
        notes.append(f"--mixed_precision {launched} is not carried over: use precision bf16, fp16 or fp32")
        return {"precision": "fp32"}
    notes.append(f"precision {launched}: what accelerate launch --mixed_precision says, the script says nothing")
    return {"precision": launched}


def _beside(arguments: Mapping[str, str]) -> Iterator[str]:
    """What the command does otherwise, by its switches and by its launcher's."""
    switched = {name for name in ("do_train", "do_eval", "do_predict") if boolean(arguments.get(name, "false"))}
    if switched and "do_train" not in switched:
        yield (
            f"the command has --{' and --'.join(sorted(switched))} without --do_train, so it trains nothing; an "
            "experiment always trains the model that it names, then scores and predicts"
        )
    if (path := arguments.get("launcher_config_file")) is not None:
        yield f"accelerate's {path} is not read: compare precision, and give its number of devices with --devices"


def _task(arguments: Mapping[str, str], notes: list[str]) -> dict[str, Any]:
    name = arguments.get("task_name", "").lower()
    name = TASK_NAMES.get(name, name)
    if name in GLUE_TASKS:
        return {"name": name}
    if "dataset_name" in arguments:
        return _hub_task(arguments, notes)
    if "train_file" not in arguments:
        known = ", ".join(GLUE_TASKS)
        problem = f"{name or 'missing'}: use one of {known}, or --dataset_name, or --train_file"
        raise InvalidInputError((Problem("--task_name", problem),))
    notes.append("a task of your own: correct labels, textColumns and data.uri")
    files = {"train": "train_file", "validation": "validation_file", "test": "test_file"}
    data = {key: arguments[theirs].rpartition("/")[2] for key, theirs in files.items() if theirs in arguments}
    return {
        "name": "custom",
        "problemType": "Classification",
        "labels": ["0", "1"],
        "data": {"uri": "s3://BUCKET/FOLDER", **data, "textColumns": ["sentence1"]},
    }


def _hub_task(arguments: Mapping[str, str], notes: list[str]) -> dict[str, Any]:
    """A data set of the hub; the script finds its labels and columns when it runs."""
    notes.append("a data set of the hub: correct labels, textColumns and the names of its splits")
    dataset = arguments["dataset_name"]
    if "/" not in dataset:
        notes.append(f"data set {dataset} has no organisation: write hf://organisation/{dataset}")
    config = {"config": arguments["dataset_config_name"]} if "dataset_config_name" in arguments else {}
    splits = {"train": "train", "validation": "validation"}
    if boolean(arguments.get("do_predict", "false")):
        splits["test"] = "test"
    return {
        "name": name_from(dataset.rpartition("/")[2], MAX_NAME_LENGTH) or "custom",
        "problemType": "Classification",
        "labels": ["0", "1"],
        "data": {"uri": f"hf://{dataset}", **config, **splits, "textColumns": ["text"]},
    }


def model_uri(name: str, notes: list[str]) -> str:
    """A model's name as the script takes it -> its URI here."""
    if "://" in name:
        return name
    if name.startswith(("/", "./", "../", "~")):
        notes.append(f"model {name} is a local folder: upload it, and write s3://bucket/folder or pvc://claim/folder")
        return f"file:///{quote(name.lstrip('./~'))}"
    if "/" in name:
        return f"hf://{name}"
    owner = next((owner for prefix, owner in _OWNERS.items() if name.startswith(prefix)), None)
    if owner is None:
        notes.append(f"model {name} has no organisation: write hf://organisation/{name}")
    return f"hf://{owner or 'ORGANISATION'}/{name}"


def _name(model: str, task: str) -> str:
    return name_from(f"{model.rstrip('/').rpartition('/')[2]}-{task}", MAX_NAME_LENGTH)
