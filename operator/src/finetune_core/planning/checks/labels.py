"""What can be wrong with how the labels of a task lie in its files."""

from collections.abc import Iterator

from finetune_core.api import TaskSpec
from finetune_core.names import quoted
from finetune_core.problems import Problem
from finetune_core.tasks.metrics import ProblemType


def define_labels(task: TaskSpec) -> tuple[str, ...]:
    """The labels of a custom task, in the order of their ids: as declared, else the columns that hold them."""
    return task.labels or (task.data.label_columns if task.data else None) or ()


def label_form_problems(field: str, task: TaskSpec) -> Iterator[Problem]:
    """Columns and delimiters that do not fit the labels, or the kind of task."""
    data, labels = task.data, define_labels(task)
    columns, delimiter = (data.label_columns, data.label_delimiter) if data else (None, None)
    if task.problem_type != ProblemType.MULTI_LABEL:
        for name in [name for name, value in (("labelColumns", columns), ("labelDelimiter", delimiter)) if value]:
            remedy = "remove it, or set problemType: MultiLabelClassification"
            yield Problem(f"{field}.data.{name}", f"is for texts with several labels: {remedy}")
        return
    if columns:
        yield from _column_problems(f"{field}.data", task, columns, labels)
    if delimiter:
        for label in (label for label in labels if delimiter in label):
            remedy = "choose another delimiter, or have lists in .jsonl or .parquet"
            yield Problem(f"{field}.data.labelDelimiter", f"{quoted(delimiter)} is part of label {label}: {remedy}")


def _column_problems(
    field: str, task: TaskSpec, columns: tuple[str, ...], labels: tuple[str, ...]
) -> Iterator[Problem]:
    data = task.data
    if data and (data.label_column or data.label_delimiter):
        yield Problem(f"{field}.labelColumns", "excludes labelColumn and labelDelimiter: remove them, or this")
    if len(columns) != len(labels):
        yield Problem(
            f"{field}.labelColumns",
            f"{len(columns)} columns for {len(labels)} labels: name one for each label, in the order of labels",
        )
    for name in sorted({name for name in columns if columns.count(name) > 1}):
        yield Problem(f"{field}.labelColumns", f"{name} is listed twice: name one column for each label")
