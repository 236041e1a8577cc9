"""TensorBoard's event files of an experiment, as files for `tensorboard --logdir`."""

from collections.abc import Container, Iterator

from finetune_client.downloading import Wanted
from finetune_core.layout import ExperimentLayout
from finetune_store import Store


def event_files(store: Store, layout: ExperimentLayout, tasks: Container[str] | None) -> Iterator[Wanted]:
    """Every attempt's event files as `tensorboard/TASK/RUN ID/ATTEMPT/...`, of some tasks or of all. StoreError.

    TensorBoard names a curve by its folder: a run that was interrupted shows as one curve an attempt.
    """
    for info in store.list(layout.runs):
        match info.key.removeprefix(f"{layout.runs}/").split("/"):
            case [task, run_id, "attempts", attempt, "tensorboard", *rest] if rest and (tasks is None or task in tasks):
                yield Wanted(info.key, "/".join(("tensorboard", task, run_id, attempt, *rest)), info.size)
