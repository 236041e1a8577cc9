"""What placeholders hold: the majority label of the training set, where it can be read."""

import io
import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator

from finetune_core.leaderboard.placeholders import majority
from finetune_core.planning.plan import Plan, TaskPlan
from finetune_core.tasks.data_files import TRAIN, DataLayout
from finetune_core.tasks.official import OFFICIAL_COLUMNS
from finetune_core.tasks.registry import SubmissionFile
from finetune_store import Store, StoreError

_log = logging.getLogger(__name__)

_COLA_LABEL = 1
"""Its column: CoLA's train file has no header."""

OpenData = Callable[[str], Store | None]
"""From a data URI to a store over it; None where this process cannot read it."""


def known_constants(plan: Plan, missing: Iterable[str], open_data: OpenData) -> dict[str, str]:
    """File name -> majority label, for those missing files whose task's training set can be read.

    Raises StoreError only where trying again may help.
    """
    wanted = set(missing)
    found: dict[str, str] = {}
    for task in plan.tasks.values():
        files = [file for file in task.definition.submission if file.name in wanted]
        labels = _labels(task, open_data) if files else None
        for file in files:
            constant = majority(file, _written(task, file, labels)) if labels else None
            if constant is not None:
                found[file.name] = constant
    return found


def _labels(task: TaskPlan, open_data: OpenData) -> Counter[str] | None:
    try:
        store = open_data(task.data.uri)
        if store is None or task.data.splits.layout not in {DataLayout.TSV, DataLayout.PARQUET}:
            return None
        contents = [store.get(path) for path in task.data.splits.files.get(TRAIN, ())]
    except StoreError as error:
        if error.transient:
            raise
        _log.warning("no majority label for %s, its training data cannot be read: %s", task.definition.name, error)
        return None
    read = _tsv_labels if task.data.splits.layout == DataLayout.TSV else _parquet_labels
    return Counter(label for content in contents for label in read(task, content))


def _written(task: TaskPlan, file: SubmissionFile, labels: Counter[str]) -> Iterator[str]:
    """The labels as the file writes them: by name, or as they are where the data has them so already."""
    for label, count in labels.items():
        for _ in range(count):
            yield file.written.get(label, label)


def _tsv_labels(task: TaskPlan, content: bytes) -> Iterator[str]:
    """The label column of an official training file, read with quoting off: sentences hold lone double quotes."""
    lines = io.TextIOWrapper(io.BytesIO(content), encoding="utf-8-sig", newline="\n")
    column = _COLA_LABEL
    if task.definition.name != "cola":
        head = next(lines, "").rstrip("\r\n").split("\t")
        if (label := OFFICIAL_COLUMNS[task.definition.name].label) not in head:
            return
        column = head.index(label)
    for line in lines:
        cells = line.rstrip("\r\n").split("\t")
        if column < len(cells):
            yield cells[column]


def _parquet_labels(task: TaskPlan, content: bytes) -> Iterator[str]:
    """The label column of a Hugging Face parquet file: ids become names, scores stay numbers."""
    from pyarrow import parquet  # noqa: PLC0415 - takes a second to import, and is hardly ever needed

    names = task.definition.labels
    for label in parquet.read_table(io.BytesIO(content), columns=["label"])["label"].to_pylist():
        yield names[label] if names and 0 <= label < len(names) else str(label)
