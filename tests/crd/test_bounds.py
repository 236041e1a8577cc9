"""Each bound of the schema on a real API server: its last good value is taken, the next one is refused by name."""

import math
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from kubernetes import client

from finetune_core.api.crd import experiment_crd
from finetune_core.api.status import ExperimentStatus
from support.experiments import CUSTOM, MODEL, errors, experiment

pytestmark = pytest.mark.apiserver

SCHEMA = experiment_crd(ExperimentStatus)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]

# What a field's neighbours must be for the spec to be valid but for the field.
NEIGHBOURS: dict[str, dict[str, Any]] = {
    "model": MODEL,
    "training.earlyStopping": {"patience": 1},
    "storage": {"bucket": "bucket"},
    "storage.caBundle": {"name": "n", "key": "k"},
    "hyperparametersFrom.hpSearchRef": {"name": "n"},
    "hyperparametersFrom.configMapRef": {"name": "n", "key": "k"},
    "tasks[]": CUSTOM,
    "tasks[].data": CUSTOM["data"],
    "tasks[].metricFunctions[]": {"name": "cost", "function": "our_metrics:cost", "greaterIsBetter": False},
    "tracking": {"reportTo": ["tensorboard"]},
    "runsUntil": {"halfWidth": 0.5, "max": 100},
    "tasks[].runsUntil": {"halfWidth": 0.5, "max": 100},
    "quarantine[]": {"runId": "0123456789abcdef", "reason": "its node was broken"},
    "notifications[]": {"name": "chat", "url": "https://chat.test"},
    "notifications[].signingSecretRef": {"name": "n", "key": "k"},
    "publish[]": {"name": "place", "to": "oci://registry.test/{task}"},
    "publish[].signingSecretRef": {"name": "n", "key": "k"},
}
UNSPLIT = {"train": "train.csv", "textColumns": ["text"]}
# The same for fields that want other neighbours than those beside them.
AROUND: dict[str, dict[str, Any]] = {
    "tasks[].folds": {"tasks[]": CUSTOM | {"data": UNSPLIT}},
    "tasks[].data.groupColumn": {"tasks[]": CUSTOM | {"folds": 5}, "tasks[].data": UNSPLIT},
    "tasks[].data.labelDelimiter": {"tasks[]": CUSTOM | {"problemType": "MultiLabelClassification"}},
    "tasks[].data.labelColumns": {"tasks[]": CUSTOM | {"problemType": "MultiLabelClassification"}},
}
AROUND |= {
    f"notifications[].urlSecretRef.{field}": {
        "notifications[]": {"name": "chat"},
        "notifications[].urlSecretRef": {"name": "n", "key": "k"},
    }
    for field in ("name", "key")
}
# Texts of a given length for the fields whose form is prescribed.
TEXTS: dict[str, Callable[[int], str]] = {
    "model.uri": lambda size: "s3://".ljust(size, "x"),
    "data.uri": lambda size: "s3://".ljust(size, "x"),
    "hyperparametersFrom.uri": lambda size: "s3://".ljust(size, "x"),
    "storage.endpoint": lambda size: "https://".ljust(size, "x"),
    "tasks[].data.train": lambda size: ".csv".rjust(size, "x"),
    "tasks[].data.validation": lambda size: ".csv".rjust(size, "x"),
    "tasks[].data.test": lambda size: ".csv".rjust(size, "x"),
    "tasks[].metricFunctions[].function": lambda size: "our_metrics:".ljust(size, "x"),
    "quarantine[].runId": lambda size: "0" * size,
    "notifications[].url": lambda size: "https://c/".ljust(size, "x"),
    "execution.cache.hostPath.path": lambda size: "/".ljust(size, "x"),
    "publish[].to": lambda size: "oci://c/".ljust(size, "x"),
    "budget.time": lambda size: ("10000d" * 5)[:size],
}
EVENTS = ["Finished", "Failed", "RunFailed", "Stalled", "Blocked", "NewBest", "Published"]
TRACKERS = ["tensorboard", "mlflow", "wandb"]
# Metric names, all of them short, that only rules can tell (test_rules.py).
ONE_OF_A_FEW = {"training.metricForBestModel"}
FREE_OBJECTS = ("tolerations", "env", "volumes", "volumeMounts", "imagePullSecrets")
LISTS: dict[str, Callable[[int], list[Any]]] = {
    "tasks": lambda size: [CUSTOM | {"name": f"task-{k}", "runs": 1} for k in range(size)],
    "tasks[].labels": lambda size: [f"label-{k}" for k in range(size)],
    "tasks[].metrics": lambda size: ["accuracy"] * size,
    "tasks[].data.textColumns": lambda size: [f"column-{k}" for k in range(size)],
    "tasks[].data.labelColumns": lambda size: [f"column-{k}" for k in range(size)],
    "tasks[].metricFunctions": lambda size: [
        {"name": f"cost{k}", "function": "our_metrics:cost", "greaterIsBetter": False} for k in range(size)
    ],
    "tracking.reportTo": lambda size: (TRACKERS * 2)[:size],
    "quarantine": lambda size: [{"runId": f"{k:016x}", "reason": "wrong"} for k in range(size)],
    "notifications": lambda size: [{"name": f"chat-{k}", "url": "https://chat.test"} for k in range(size)],
    "notifications[].on": lambda size: (EVENTS * 2)[:size],
    "publish": lambda size: [{"name": f"place-{k}", "to": f"oci://registry.test/{k}"} for k in range(size)],
    "publish[].tasks": lambda size: [f"task-{k}" for k in range(size)],
    "publish[].runs": lambda size: [f"rte/{k}" for k in range(size)],
    "training.targetModules": lambda size: [f"module{k}" for k in range(size)],
    "training.feedforwardModules": lambda size: [f"module{k}" for k in range(size)],
    "training.modulesToSave": lambda size: [f"module{k}" for k in range(size)],
} | {f"execution.podTemplate.{name}": lambda size: [{"name": f"n{k}"} for k in range(size)] for name in FREE_OBJECTS}


def fields(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    for name, child in schema.get("properties", {}).items():
        where = f"{path}.{name}".lstrip(".")
        # A task's own training is the same type as spec.training.
        if where != "tasks[].training":
            yield where, child
            yield from fields(child, where)
    if "items" in schema:
        yield from fields(schema["items"], f"{path}[]")


FIELDS = dict(fields(SCHEMA))


def of_kind(*kinds: str) -> list[str]:
    return [path for path, field in FIELDS.items() if field.get("type") in kinds and "enum" not in field]


def spec_with(path: str, value: Any, around: dict[str, Any] | None = None) -> dict[str, Any]:
    """A spec that is valid but, perhaps, for the value at the path."""
    around = NEIGHBOURS | AROUND.get(path, {}) if around is None else around
    parent, _, name = path.rpartition(".")
    if not parent:
        return {name: value}
    inner = around.get(parent, {}) | {name: value}
    if parent.endswith("[]"):
        return spec_with(parent.removesuffix("[]"), [inner], around)
    return spec_with(parent, inner, around)


def inside_and_outside(field: dict[str, Any]) -> tuple[list[float], list[float]]:
    """The numbers at a field's bounds and those just beyond."""
    inside, outside = [], []
    for bound, flag, beyond in (("minimum", "exclusiveMinimum", -math.inf), ("maximum", "exclusiveMaximum", math.inf)):
        if bound in field:
            excluded, limit = field.get(flag, False), field[bound]
            step = (1 if beyond > 0 else -1) if field["type"] == "integer" else None
            next_out = limit + step if step else math.nextafter(limit, beyond)
            inside.append(math.nextafter(limit, -beyond) if excluded else limit)
            outside.append(limit if excluded else next_out)
    return inside, outside


def refused_at(path: str, refusal: str | None) -> bool:
    return refusal is not None and f"spec.{path}".replace("[]", "[0]") in refusal


@pytest.mark.parametrize("path", of_kind("integer", "number"))
def test_numbers(api_client: client.ApiClient, path: str) -> None:
    inside, outside = inside_and_outside(FIELDS[path])

    assert [errors(api_client, experiment(**spec_with(path, value))) for value in inside] == [None] * len(inside)
    for value in outside:
        assert refused_at(path, errors(api_client, experiment(**spec_with(path, value)))), value


@pytest.mark.parametrize("path", of_kind("string"))
def test_lengths_of_texts(api_client: client.ApiClient, path: str) -> None:
    text, most = TEXTS.get(path, lambda size: "x" * size), FIELDS[path]["maxLength"]

    if path not in ONE_OF_A_FEW:
        assert errors(api_client, experiment(**spec_with(path, text(most)))) is None
    assert refused_at(path, errors(api_client, experiment(**spec_with(path, text(most + 1)))))


@pytest.mark.parametrize("path", [path for path in of_kind("string") if FIELDS[path].get("minLength")])
def test_texts_that_may_not_be_empty(api_client: client.ApiClient, path: str) -> None:
    assert refused_at(path, errors(api_client, experiment(**spec_with(path, ""))))


@pytest.mark.parametrize("path", of_kind("array"))
def test_lengths_of_lists(api_client: client.ApiClient, path: str) -> None:
    entries, field = LISTS[path], FIELDS[path]
    sizes = [field["maxItems"], *([field["minItems"]] if "minItems" in field else [])]
    wrong = [field["maxItems"] + 1, *([field["minItems"] - 1] if "minItems" in field else [])]

    assert [errors(api_client, experiment(**spec_with(path, entries(size)))) for size in sizes] == [None] * len(sizes)
    for size in wrong:
        assert refused_at(path, errors(api_client, experiment(**spec_with(path, entries(size))))), size


@pytest.mark.parametrize("path", [path for path, field in FIELDS.items() if "enum" in field])
def test_words(api_client: client.ApiClient, path: str) -> None:
    words = FIELDS[path]["enum"]

    for word in words:
        spec = spec_with(path, word)
        if word == "Regression":  # which has no labels
            del spec["tasks"][0]["labels"]
        assert errors(api_client, experiment(**spec)) is None, word
    refusal = errors(api_client, experiment(**spec_with(path, words[0] + "x")))
    assert refused_at(path, refusal)
    assert all(f'"{word}"' in refusal for word in words)


@pytest.mark.parametrize(
    ("path", "good", "bad"),
    [
        ("tasks[].name", "my-task-2", "My_Task"),
        ("tasks[].data.train", "folder/train.jsonl", "train.txt"),
        ("tasks[].data.validation", "dev.parquet", "dev.parquet.gz"),
        ("tasks[].data.test", "test.tsv", "test.txt"),
        ("quarantine[].runId", "0123456789abcdef", "rte/0"),
        ("publish[].license", "apache-2.0", "the usual one"),
        ("publish[].to", "hf://team/bert-{task}@v1/x", "hf://team"),
        ("publish[].to", "oci://registry.test:5000/a/b-{task}:{run}", "https://registry.test/a"),
        ("publish[].to", "models:/bert-{task}", "models:/bert/1"),
        ("publish[].to", "s3://bucket/a/{task}", "s3://bucket"),
        ("publish[].to", "oci://registry.test/{run}", "oci://registry.test/{seed}"),
    ],
)
def test_forms_of_texts(api_client: client.ApiClient, path: str, good: str, bad: str) -> None:
    assert errors(api_client, experiment(**spec_with(path, good))) is None
    assert refused_at(path, errors(api_client, experiment(**spec_with(path, bad))))


@pytest.mark.parametrize("path", [path for path, field in FIELDS.items() if "maxProperties" in field])
def test_sizes_of_maps(api_client: client.ApiClient, path: str) -> None:
    most = FIELDS[path]["maxProperties"]
    value = 1 if FIELDS[path].get("additionalProperties", {}).get("type") == "number" else "1"

    assert errors(api_client, experiment(**spec_with(path, {f"k{k}": value for k in range(most)}))) is None
    refusal = errors(api_client, experiment(**spec_with(path, {f"k{k}": value for k in range(most + 1)})))
    assert refused_at(path, refusal)
