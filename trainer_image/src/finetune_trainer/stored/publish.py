"""What a finished run leaves in the store, in the order that makes result.json the last."""

import logging
import resource
from pathlib import Path
from typing import Any

import safetensors.torch

from finetune_core.layout import RunLayout
from finetune_core.planning.plan import Plan
from finetune_core.results.run import DevPredictionFile, PredictionFile, RunResult
from finetune_store import Store, upload_tree
from finetune_store.folders import weights_digest
from finetune_trainer.model.adapters import Adapter
from finetune_trainer.stored.checkpoints import Checkpoints
from finetune_trainer.stored.written import keeps_model

logger = logging.getLogger(__name__)

PREDICTIONS = "predictions"
DEV = "dev"
ADAPTER = "adapter"


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
    kept, weights = None, None
    if keeps_model(store, plan, result):
        kept = layout.model(result.attempt)
        _upload_model(store, kept, model, adapter, tokenizer, folder / "model")
        weights = weights_digest(store, kept)
    written = {"predictions": predictions, "dev_predictions": dev_predictions, "model": kept, "weights_digest": weights}
    final = result.model_copy(update=written)
    if not store.create(layout.result, final.to_json()):
        # Two attempts at once (a node that came back): the first result stays, whatever has been read of it.
        logger.warning("another attempt has finished this run first; its result stays")
    checkpoints.clear()
    return final


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


def peak_memory() -> int:
    """Most resident memory of this process so far, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
