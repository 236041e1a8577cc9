"""What a finished run leaves in the store, in the order that makes result.json the last."""

import importlib.metadata
import json
import logging
import platform
import resource
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import safetensors.torch

from finetune_core.api import ModelRetention
from finetune_core.layout import ExperimentLayout, RunLayout
from finetune_core.planning.plan import Plan, PlannedRun
from finetune_core.results.best_run import with_weights
from finetune_core.results.run import DevPredictionFile, PredictionFile, RunResult
from finetune_store import Store, upload_tree
from finetune_store.documents import find_or_warn
from finetune_trainer.model.adapters import Adapter
from finetune_trainer.run.checkpoints import Checkpoints

logger = logging.getLogger(__name__)

PREDICTIONS = "predictions"
DEV = "dev"
ADAPTER = "adapter"

_PACKAGES = ("finetune-operator", "torch", "transformers", "tokenizers", "accelerate", "numpy", "scikit-learn", "scipy")


def publish(
    store: Store,
    layout: RunLayout,
    plan: Plan,
    result: RunResult,
    *,
    model: Any,
    adapter: Adapter | None,
    tokenizer: Any,
    predictions: dict[str, PredictionFile],
    dev_predictions: dict[str, DevPredictionFile],
    metrics: bytes,
    checkpoints: Checkpoints,
    folder: Path,
) -> RunResult:
    """Write metrics, predictions and model, then result.json (once and for all), then drop the checkpoints.

    `folder` holds the predictions, as `folder/predictions/<name>`, and those of dev sets, as `folder/dev/<name>`.
    """
    store.put(layout.metrics(result.attempt), metrics)
    for name in predictions:
        store.upload(layout.predictions(result.attempt, name), folder / PREDICTIONS / name)
    for name in dev_predictions:
        store.upload(layout.dev_predictions(result.attempt, name), folder / DEV / name)
    kept = None
    if _keeps_model(store, plan, result):
        kept = layout.model(result.attempt)
        _upload_model(store, kept, model, adapter, tokenizer, folder / "model")
    written = {"predictions": predictions, "dev_predictions": dev_predictions, "model": kept}
    final = result.model_copy(update=written)
    if not store.create(layout.result, final.to_json()):
        # Two attempts at once (a node that came back): the first result stays, whatever has been read of it.
        logger.warning("another attempt has finished this run first; its result stays")
    checkpoints.clear()
    return final


def _keeps_model(store: Store, plan: Plan, result: RunResult) -> bool:
    """All: yes. None: no. Best: if it is among those that keep theirs of the task's runs that have finished.

    Nothing is deleted here: a run that is beaten later loses its weights when the report is made, with all results
    before its eyes. So pods that finish at once keep too many rather than too few.
    """
    if plan.retention != ModelRetention.BEST:
        return plan.retention == ModelRetention.ALL
    return result in with_weights([result, *_others(store, plan, result)])


def _others(store: Store, plan: Plan, result: RunResult) -> Iterator[RunResult]:
    """Results of the task's other runs."""
    layout = ExperimentLayout(plan.namespace, plan.experiment)
    for run in plan.runs_of(result.task):
        if run.run_id != result.run_id:
            other = find_or_warn(store, layout.run(run.task, run.run_id).result, RunResult)
            if other is not None:
                yield other


def _upload_model(store: Store, key: str, model: Any, adapter: Adapter | None, tokenizer: Any, folder: Path) -> None:
    """A folder for `from_pretrained`; the weights go to the store without a detour over the pod's disk.

    A merged adapter lies in a folder beside them; one that is not merged is all that there is.
    """
    tokenizer.save_pretrained(folder)
    if adapter is not None:
        adapter.save(folder / ADAPTER if adapter.merge else folder)
    if adapter is not None and not adapter.merge:
        upload_tree(store, folder, key)
        return
    whole = adapter.merged() if adapter else model
    whole.config.architectures = [type(whole).__name__]
    whole.config.save_pretrained(folder)
    upload_tree(store, folder, key)
    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in _untied(whole).items()}
    store.put(f"{key}/model.safetensors", safetensors.torch.save(weights, metadata={"format": "pt"}))


def _untied(model: Any) -> dict[str, Any]:
    """The weights, each once: those that share another's memory (BART's, T5's embeddings) are tied again on loading."""
    state: dict[str, Any] = model.state_dict()
    tied: dict[str, str] = model.all_tied_weights_keys
    again = {
        name for name, first in tied.items() if first in state and state[name].data_ptr() == state[first].data_ptr()
    }
    return {name: tensor for name, tensor in state.items() if name not in again}


def put_json(store: Store, key: str, value: dict[str, Any]) -> None:
    """Write a value as indented JSON."""
    store.put(key, (json.dumps(value, indent=2) + "\n").encode())


def config(plan: Plan, planned: PlannedRun) -> dict[str, Any]:
    """config.json: exactly what the run was told."""
    task = plan.tasks[planned.task]
    return {
        "run": planned.model_dump(mode="json", by_alias=True),
        "model": plan.model.model_dump(mode="json", by_alias=True),
        "task": task.model_dump(mode="json", by_alias=True),
        "recipeVersion": plan.recipe_version,
        "predict": plan.predict,
    }


@cache
def versions() -> dict[str, str]:
    """Versions of what decides numbers."""
    return {"python": platform.python_version(), **{name: importlib.metadata.version(name) for name in _PACKAGES}}


def peak_memory() -> int:
    """Most resident memory of this process so far, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
