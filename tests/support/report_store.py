"""A store filled as a trainer leaves it, and one that can be interrupted, for tests of the report."""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from finetune_core.layout import ExperimentLayout
from finetune_core.planning.plan import Plan
from finetune_core.results.dev_predictions import to_tsv
from finetune_core.results.run import DevPredictionFile, Failure, FailureReason, RunResult
from finetune_store import DirectoryStore, ObjectInfo, Store
from support.results import result_of

MODEL_FILES = ("config.json", "model.safetensors", "tokenizer.json")


class RecordingStore(DirectoryStore):
    """A directory store that calls `before` with each write it is about to do: ("put" or "delete", key)."""

    def __init__(self, root: Path, before: Callable[[str, str], None] | None = None) -> None:
        super().__init__(root)
        self.root = root
        self.writes: list[tuple[str, str]] = []
        self.before = before

    def put(self, key: str, data: bytes, *, content_type: str = "application/octet-stream") -> None:
        self._note("put", key)
        super().put(key, data, content_type=content_type)

    def delete(self, key: str) -> None:
        self._note("delete", key)
        super().delete(key)

    def _note(self, verb: str, key: str) -> None:
        if self.before is not None:
            self.before(verb, key)
        self.writes.append((verb, key))


def layout_of(plan: Plan) -> ExperimentLayout:
    """Where the plan's files lie."""
    return ExperimentLayout(plan.namespace, plan.experiment)


def finish_run(
    store: Store,
    plan: Plan,
    task: str,
    run: int,
    value: float | None,
    *,
    predictions: Mapping[str, bytes] | None = None,
    **fields: Any,
) -> RunResult:
    """Leave in the store what a trainer leaves of a run that succeeded: predictions, weights, result.json last."""
    result = result_of(plan, task, run, value, predictions=predictions, **fields)
    layout = layout_of(plan).run(task, result.run_id)
    for name, content in (predictions or {}).items():
        store.put(layout.predictions(result.attempt, name), content)
    for name in MODEL_FILES:
        store.put(f"{layout.model(result.attempt)}/{name}", f"{name} of {result.run_id}".encode())
    store.put(layout.result, result.to_json())
    return result


def finish_predicted_run(
    store: Store, plan: Plan, task: str, run: int, labels: str, guesses: str, *, data: str = "d1"
) -> RunResult:
    """As `finish_run`, of a task with the labels 0 and 1: its dev predictions too, by which its value is."""
    lines = [(index, *pair, "0.9") for index, pair in enumerate(zip(labels, guesses, strict=True))]
    content = b"".join(to_tsv(lines))
    record = DevPredictionFile(rows=len(lines), sha256=hashlib.sha256(content).hexdigest(), data=data, positive="1")
    value = sum(label == guess for label, guess in zip(labels, guesses, strict=True)) / len(lines)
    layout = layout_of(plan).run(task, plan.runs_of(task)[run].run_id)
    store.put(layout.dev_predictions(f"attempt-{run}", "validation.tsv"), content)
    return finish_run(store, plan, task, run, value, dev_predictions={"validation.tsv": record})


def fail_run(store: Store, plan: Plan, task: str, run: int, message: str) -> str:
    """Leave in the store what a failed run leaves; its id."""
    planned = plan.runs_of(task)[run]
    failure = Failure(
        reason=FailureReason.USER_ERROR,
        message=message,
        run_id=planned.run_id,
        task=task,
        run=run,
        attempt="a",
        exit_code=64,
        time="2026-01-01T00:00:00Z",
    )
    store.put(layout_of(plan).run(task, planned.run_id).failure("a"), failure.to_json())
    return planned.run_id


def contents(store: DirectoryStore, prefix: str = "") -> dict[str, bytes]:
    """Everything in a store."""
    return {info.key: store.get(info.key) for info in _objects(store, prefix)}


def report_files(store: DirectoryStore, plan: Plan) -> dict[str, bytes]:
    """Everything in the experiment's folder but the runs, keys below the folder."""
    root = f"{layout_of(plan).root}/"
    found = contents(store, layout_of(plan).root)
    return {key.removeprefix(root): data for key, data in found.items() if not key.startswith(f"{root}runs/")}


def read_json(store: DirectoryStore, key: str) -> Any:
    """An object's JSON."""
    return json.loads(store.get(key))


def _objects(store: DirectoryStore, prefix: str) -> Iterator[ObjectInfo]:
    return store.list(prefix)
