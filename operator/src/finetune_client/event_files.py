"""TensorBoard's event files of an experiment, from its store to a folder for `tensorboard --logdir`."""

from collections.abc import Container
from pathlib import Path

from finetune_core.layout import ExperimentLayout
from finetune_store import Store


def download_event_files(store: Store, layout: ExperimentLayout, to: Path, *, tasks: Container[str] | None) -> int:
    """Every attempt's event files as `to/TASK/RUN ID/ATTEMPT/...`, of some tasks or of all; how many. StoreError.

    TensorBoard names a curve by its folder: a run that was interrupted shows as one curve an attempt.
    """
    written = 0
    for info in list(store.list(layout.runs)):
        match info.key.removeprefix(f"{layout.runs}/").split("/"):
            case [task, run_id, "attempts", attempt, "tensorboard", *rest] if rest and (tasks is None or task in tasks):
                store.download(info.key, to.joinpath(task, run_id, attempt, *rest))
                written += 1
    return written
