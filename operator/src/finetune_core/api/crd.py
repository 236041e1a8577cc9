"""The custom resource definitions, generated from the API's types."""

from typing import Any

from pydantic import BaseModel

from finetune_core.api import MAX_NAME_LENGTH, ExperimentSpec, HPSearchSpec
from finetune_core.api.structural import Schema, structural_schema

GROUP = "finetune.dev"
VERSION = "v1alpha1"
CATEGORY = "finetune"

_NAME_RULE = {
    "rule": f"size(self.metadata.name) <= {MAX_NAME_LENGTH}",
    "message": f"metadata.name may have at most {MAX_NAME_LENGTH} characters, because the names of Jobs and pods "
    "are made from it: choose a shorter name",
    "fieldPath": ".metadata.name",
    "reason": "FieldValueInvalid",
}
_OBJECT_META: Schema = {
    "apiVersion": {"type": "string"},
    "kind": {"type": "string"},
    # Named so that the rule above can point at it; the API server allows nothing else to be said about metadata.
    "metadata": {"type": "object", "properties": {"name": {"type": "string"}}},
}


def _condition(kind: str, field: str) -> str:
    return f'.status.conditions[?(@.type=="{kind}")].{field}'


def _column(name: str, path: str, description: str, *, kind: str = "string", wide: bool = False) -> dict[str, Any]:
    column = {"name": name, "type": kind, "description": description, "jsonPath": path}
    # The API server stores no priority of 0, and what is stored otherwise than it was given is never "unchanged".
    return column | ({"priority": 1} if wide else {})


_EXPERIMENT_COLUMNS = (
    _column("Status", _condition("Succeeded", "reason"), "Where the experiment is, or how it ended."),
    _column("Runs", ".status.runs.summary", "Runs that succeeded, of all runs."),
    _column("Taken", ".status.runs.taken", "Of them, runs that other experiments trained.", kind="integer", wide=True),
    _column("GPU-hours", ".status.gpuHours", "What its runs took of GPUs so far.", kind="number", wide=True),
    _column("Score", ".status.score", "Mean score of the tasks that have a best run, x 100."),
    _column("ETA", ".status.eta", "Roughly how long the remaining runs take."),
    _column("Age", ".metadata.creationTimestamp", "Time since the experiment was created.", kind="date"),
    _column("Valid", _condition("Valid", "status"), "Whether the spec can be run.", wide=True),
    _column("Model", ".spec.model.uri", "The pretrained model.", wide=True),
    _column("Message", _condition("Succeeded", "message"), "What the status means, in words.", wide=True),
)


_SEARCH_COLUMNS = (
    _column("Status", _condition("Succeeded", "reason"), "Where the search is, or how it ended."),
    _column("Trials", ".status.trials.summary", "Trials that have ended, of all trials."),
    _column("Best", ".status.best", "Each task's best value so far."),
    _column("GPU-hours", ".status.gpuHours", "What its trials took of GPUs so far.", kind="number", wide=True),
    _column("ETA", ".status.eta", "Roughly how long the remaining trials take."),
    _column("Age", ".metadata.creationTimestamp", "Time since the search was created.", kind="date"),
    _column("Valid", _condition("Valid", "status"), "Whether the spec can be run.", wide=True),
    _column("Model", ".spec.model.uri", "The pretrained model.", wide=True),
    _column("Algorithm", ".spec.algorithm", "What proposes configurations.", wide=True),
    _column("Message", _condition("Succeeded", "message"), "What the status means, in words.", wide=True),
)


def experiment_crd(status: type[BaseModel]) -> dict[str, Any]:
    """`finetuneexperiments.finetune.dev`; `status` is the model of its status."""
    names = {
        "kind": "FinetuneExperiment",
        "listKind": "FinetuneExperimentList",
        "plural": "finetuneexperiments",
        "singular": "finetuneexperiment",
        "shortNames": ["fte"],
    }
    purpose = (
        "Fine-tunes one model on the tasks of a suite, each with several seeds, and collects the best runs, the "
        "scores and the leaderboard zip."
    )
    return _crd(names, _EXPERIMENT_COLUMNS, _root_schema(purpose, ExperimentSpec, status))


def search_crd(status: type[BaseModel]) -> dict[str, Any]:
    """`hpsearches.finetune.dev`; `status` is the model of its status."""
    names = {
        "kind": "HPSearch",
        "listKind": "HPSearchList",
        "plural": "hpsearches",
        "singular": "hpsearch",
        "shortNames": ["hps"],
    }
    purpose = "Searches the best hyperparameters of one model on each of several tasks, and exports them."
    return _crd(names, _SEARCH_COLUMNS, _root_schema(purpose, HPSearchSpec, status))


def _crd(names: dict[str, Any], columns: tuple[dict[str, Any], ...], schema: Schema) -> dict[str, Any]:
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": f"{names['plural']}.{GROUP}",
            # The chart must never delete a CRD: every object of its kind would go with it.
            "annotations": {"helm.sh/resource-policy": "keep"},
        },
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {**names, "categories": [CATEGORY]},
            "versions": [
                {
                    "name": VERSION,
                    "served": True,
                    "storage": True,
                    "subresources": {"status": {}},
                    "additionalPrinterColumns": list(columns),
                    "schema": {"openAPIV3Schema": schema},
                }
            ],
        },
    }


def _root_schema(purpose: str, spec: type[BaseModel], status: type[BaseModel]) -> Schema:
    return {
        "description": purpose,
        "type": "object",
        "required": ["spec"],
        "properties": _OBJECT_META
        | {
            "spec": structural_schema(spec),
            "status": structural_schema(status, defaults=False),
        },
        "x-kubernetes-validations": [_NAME_RULE],
    }
