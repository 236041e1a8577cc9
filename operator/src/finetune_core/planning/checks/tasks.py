"""What can be wrong with the declaration of a task, in an experiment and in a search alike."""

from collections.abc import Iterator
from decimal import Decimal
from posixpath import normpath

from finetune_core.api import TaskData, TaskSpec
from finetune_core.api.tasks import FOLDS_ALONE
from finetune_core.planning.checks.labels import define_labels, label_form_problems
from finetune_core.planning.checks.metrics import task_metric_problems
from finetune_core.problems import Problem
from finetune_core.tasks.hub_files import is_file_name
from finetune_core.tasks.labels import are_numbers, as_number
from finetune_core.tasks.metrics import ProblemType
from finetune_core.tasks.registry import GLUE_TASKS
from finetune_core.tasks.superglue import NOT_BUILT_IN, SUPERGLUE_TASKS


def definition_problems(field: str, task: TaskSpec) -> Iterator[Problem]:
    """Why it cannot be told what the task at `field` is; only a task without any can be defined."""
    if task.name not in GLUE_TASKS:
        yield from _custom_problems(field, task)
    elif task.problem_type or task.labels or task.metrics or task.metric_functions:
        yield Problem(field, "problemType, labels and metrics of a GLUE task are fixed: remove them")
    elif task.folds:
        remedy = "a GLUE task has a dev set, and a zip needs one model of it: remove folds, or declare a custom task"
        yield Problem(f"{field}.folds", remedy)


def _custom_problems(field: str, task: TaskSpec) -> Iterator[Problem]:
    if task.problem_type is None and task.name in NOT_BUILT_IN:
        yield Problem(f"{field}.name", f"this task of SuperGLUE is not built in: {NOT_BUILT_IN[task.name]}: remove it")
        return
    if task.problem_type is None:
        yield Problem(
            f"{field}.name",
            f"none of GLUE's tasks ({', '.join(GLUE_TASKS)}), nor {' or '.join(SUPERGLUE_TASKS)}: correct it, or "
            "declare a custom task by problemType, "
            "data.train, data.validation and data.textColumns",
        )
        return
    data = task.data
    if task.folds and data and (data.validation or data.test):
        yield Problem(f"{field}.folds", FOLDS_ALONE)
    yield from _group_problems(field, task)
    if data and data.train and (data.validation or task.folds) and data.text_columns:
        yield from _column_problems(f"{field}.data.textColumns", data.text_columns, _label_columns(data))
    else:
        yield Problem(
            f"{field}.data", "a custom task needs data.train, data.validation (or folds) and data.textColumns"
        )
    if task.problem_type != ProblemType.REGRESSION:
        yield from _label_problems(field, task)
        yield from label_form_problems(field, task)
    elif task.labels:
        yield Problem(f"{field}.labels", "a regression task has no labels: remove them")
    yield from task_metric_problems(field, task)


def split_problems(field: str, data: TaskData, uri: str) -> Iterator[Problem]:
    """What only a data set on the hub has, said of other data."""
    if data.config:
        yield Problem(
            f"{field}.config", f"{uri} has no configurations, only data sets on the hub (hf://) do: remove it"
        )
    for split, name in (("train", data.train), ("validation", data.validation), ("test", data.test)):
        if name and not is_file_name(name):
            yield Problem(
                f"{field}.{split}",
                f"{name} is no file: write its name with .csv, .tsv, .jsonl or .parquet; splits have names only in "
                f"data sets on the hub (hf://), and this task's data are {uri}",
            )


def _group_problems(field: str, task: TaskSpec) -> Iterator[Problem]:
    data = task.data
    if data is None or data.group_column is None:
        return
    if not task.folds:
        yield Problem(f"{field}.data.groupColumn", "is for folds: set folds, or remove it")
    if data.group_column in _label_columns(data):
        yield Problem(f"{field}.data.groupColumn", f"{data.group_column} holds labels: name another column")


def _label_columns(data: TaskData) -> tuple[str, ...]:
    return data.label_columns or (data.label_column or "label",)


def _label_problems(field: str, task: TaskSpec) -> Iterator[Problem]:
    labels = define_labels(task)
    if not labels:
        yield Problem(f"{field}.labels", "a classification task needs its label names in the order of their ids")
        return
    for label in sorted({label for label in labels if labels.count(label) > 1}):
        yield Problem(f"{field}.labels", f"{label} is listed twice: give each label one place")
    for label in labels:
        if label != label.strip():
            yield Problem(f"{field}.labels", f"{label!r} has blanks around it, no label in a file has: remove them")
    yield from _same_numbers(f"{field}.labels", labels)


def _same_numbers(field: str, labels: tuple[str, ...]) -> Iterator[Problem]:
    """Labels that are numbers are matched as numbers."""
    if not are_numbers(labels):
        return
    first: dict[Decimal | None, str] = {}
    for label in dict.fromkeys(labels):
        same = first.setdefault(as_number(label), label)
        if same != label:
            yield Problem(field, f"{label} and {same} are the same number: give each label one place")


def _column_problems(field: str, columns: tuple[str, ...], labels: tuple[str, ...]) -> Iterator[Problem]:
    for label in (label for label in labels if label in columns):
        yield Problem(field, f"{label} is the label's column: a model that reads it learns nothing else: remove it")
    if len(set(columns)) < len(columns):
        yield Problem(field, f"{columns[0]} is listed twice: name two columns, or one")


def definition_warnings(task: TaskSpec) -> Iterator[str]:
    """What is allowed in a task's declaration but probably not meant."""
    data = task.data
    if data and data.train and data.validation and normpath(data.train) == normpath(data.validation):
        yield f"{task.name}: data.validation is data.train: its scores say nothing about other texts"
