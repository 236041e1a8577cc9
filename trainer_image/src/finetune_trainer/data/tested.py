"""Which test sets a task has, and which content they are of. Without torch."""

from collections.abc import Iterable
from pathlib import Path

from finetune_core.canonical import short_hash
from finetune_core.planning.plan import TaskPlan
from finetune_core.tasks.data_files import AX, DataLayout
from finetune_core.tasks.registry import SubmissionFile, TaskDefinition
from finetune_store import file_md5
from finetune_trainer.inputs import Inputs


def available_splits(task: TaskPlan) -> set[str]:
    """The splits that the data folder has."""
    if task.data.splits.layout == DataLayout.HUB:
        names = {"train", *task.definition.evaluation_splits.values(), *task.definition.test_splits}
        return names | ({AX} if task.definition.name == "mnli" else set())
    return set(task.data.splits.files)


def prediction_files(definition: TaskDefinition) -> dict[str, tuple[str, SubmissionFile | None]]:
    """The files of predictions -> the split that each is of."""
    files = {file.name: (file.split, file) for file in definition.submission}
    return {**files} or {f"{split}.tsv": (split, None) for split in definition.test_splits}


def split_content(task: TaskPlan, paths: Iterable[Path]) -> list[str]:
    """MD5s of a split's files, in their order; where the hub's own reader has no files, the digest of its data."""
    return [file_md5(path) for path in paths] or [task.data.digest]


def split_digest(content: list[str], split: str, *, of_files: bool) -> str:
    """16 hex digits over a split's content: the same rows in the same order."""
    return short_hash(content if of_files else [*content, split])


def tested_content(inputs: Inputs, task: TaskPlan) -> dict[str, str]:
    """File of predictions -> digest of the test set as it is now; fetches no other file. UserError, StoreError."""
    found = {}
    for name, (split, _) in prediction_files(task.definition).items():
        if split in available_splits(task):
            paths = inputs.data_files(task.data, task.data.splits.files.get(split, ()), ())
            found[name] = split_digest(split_content(task, paths), split, of_files=bool(paths))
    return found
