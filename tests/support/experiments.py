"""Experiments as manifests, and what the API server says to them."""

import json
from collections.abc import Mapping
from typing import Any

from kubernetes import client

MODEL = {"uri": "hf://org/name"}
API = ("finetune.dev", "v1alpha1")
PLURAL = "finetuneexperiments"
PLURALS = {"FinetuneExperiment": PLURAL, "HPSearch": "hpsearches"}
CUSTOM = {
    "name": "mine",
    "problemType": "Classification",
    "labels": ["no", "yes"],
    "data": {"train": "train.csv", "validation": "dev.csv", "textColumns": ["text"]},
}
REGRESSION = {key: value for key, value in CUSTOM.items() if key != "labels"} | {"problemType": "Regression"}


def experiment(name: str = "an-experiment", **spec: Any) -> dict[str, Any]:
    """A manifest that is valid but for what `spec` and `name` make of it."""
    return {
        "apiVersion": "/".join(API),
        "kind": "FinetuneExperiment",
        "metadata": {"name": name},
        "spec": {"model": MODEL, **spec},
    }


def search(name: str = "a-search", **spec: Any) -> dict[str, Any]:
    """A manifest of a search that is valid but for what `spec` and `name` make of it."""
    return {
        "apiVersion": "/".join(API),
        "kind": "HPSearch",
        "metadata": {"name": name},
        "spec": {
            "model": MODEL,
            "tasks": [{"name": "rte"}],
            "space": {"learningRate": {"logUniform": [1e-5, 1e-3]}},
            **spec,
        },
    }


def errors(api: client.ApiClient, manifest: Mapping[str, Any], namespace: str = "default") -> str | None:
    """The API server's words on why it refuses the manifest; None if it would take it. Nothing is stored."""
    try:
        create(api, manifest, namespace, dry_run="All")
    except client.ApiException as error:
        if error.status not in (400, 413, 422):
            raise
        return json.loads(error.body)["message"]
    return None


def create(api: client.ApiClient, manifest: Mapping[str, Any], namespace: str, **options: str) -> dict[str, Any]:
    """Create the manifest as kubectl does: a field that the schema does not know is an error."""
    return client.CustomObjectsApi(api).create_namespaced_custom_object(
        *API, namespace, PLURALS[manifest["kind"]], manifest, field_validation="Strict", **options
    )
