"""What was meant by a field that the schema does not have: a slip of the pen, another system's word, another place."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from finetune_cli.convert.arguments import TRAINING
from finetune_cli.manifest import crds
from finetune_core.near import near, plain

ALIASES: Mapping[str, str] = MappingProxyType(
    {plain(theirs): argument.api_name for theirs, argument in TRAINING.items()}
    | {
        # run_glue.py and what its users write for short
        "lr": "learningRate",
        "batchsize": "trainBatchSize",
        "batch": "trainBatchSize",
        "epoch": "numTrainEpochs",
        "epochs": "numTrainEpochs",
        "numepochs": "numTrainEpochs",
        "maxepochs": "numTrainEpochs",
        "steps": "maxSteps",
        "scheduler": "lrSchedulerType",
        "schedulertype": "lrSchedulerType",
        "warmup": "warmupRatio",
        "maxlength": "maxSeqLength",
        "maxlen": "maxSeqLength",
        "fp16": "precision",
        "bf16": "precision",
        "metric": "metricForBestModel",
        "patience": "earlyStopping",
        "modelnameorpath": "uri",
        "taskname": "name",
        "dataset": "data",
        "datasets": "data",
        "url": "uri",
        "path": "uri",
        "seeds": "runs",
        "numseeds": "runs",
        "numruns": "runs",
        "repeats": "runs",
        # Katib
        "paralleltrialcount": "parallelism",
        "maxtrialcount": "trials",
        "objectivemetricname": "metricForBestModel",
        "parameters": "space",
        # TrainJob and Job
        "numnodes": "parallelism",
        "workers": "parallelism",
        "replicas": "parallelism",
        "concurrency": "parallelism",
        "resourcespernode": "resources",
        "resourcesperworker": "resources",
        "gpus": "resources",
        "backofflimit": "retries",
        "maxretries": "retries",
        "activedeadlineseconds": "runTimeoutSeconds",
        "timeout": "runTimeoutSeconds",
        "bucket": "storage",
    }
)
"""Words of run_glue.py, Katib, TrainJob and Job, as `plain` has them -> our field."""


def unknown_field(kind: str, name: str, known: Iterable[str], present: Iterable[str]) -> str:
    """What to write in place of a field; `known` are those of its place, `present` those that it has."""
    known = list(known)
    alias = ALIASES.get(plain(name))
    meant = alias if alias in known else near(name, known)
    if meant:
        return f"unknown field {name}: did you mean {meant}?"
    if places := crds.homes_of(kind, name):
        return f"unknown field {name} here: move it to {_either(places)}"
    word = alias or near(name, crds.fields_of(kind))
    if word and (places := crds.homes_of(kind, word)):
        return f"unknown field {name}: did you mean {word}? Write it in {_either(places)}"
    free = sorted(set(known) - set(present)) or sorted(known)
    return f"unknown field {name}: remove it; here can be {', '.join(free)}"


def _either(places: Iterable[str]) -> str:
    return " or ".join(places)
