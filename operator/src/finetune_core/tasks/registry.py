"""The task registry: the nine GLUE tasks and AX, and the shape that a custom task takes.

Facts are those of the GLUE paper (https://arxiv.org/abs/1804.07461), of the data set card
https://huggingface.co/datasets/nyu-mll/glue (column names, label order) and of the leaderboard's own checker
(file names, row counts, what is written for a label).
"""

from collections.abc import Collection
from enum import StrEnum
from types import MappingProxyType
from typing import Annotated

from pydantic import Field

from finetune_core.frozen import Frozen, absent, empty
from finetune_core.stored import Segment, Slug
from finetune_core.tasks.metric_functions import MetricFunction
from finetune_core.tasks.metrics import ProblemType, greater_is_better, is_share


class Quoting(StrEnum):
    """What a quote at the beginning of a field of a CSV or TSV file is, in the words of Python's csv and of pandas."""

    AUTO = "Auto"
    MINIMAL = "Minimal"
    NONE = "None"


class Folds(Frozen):
    """How the rows of a training file are cut into `count` parts, each of them the dev set of a fold.

    By `seed` and the file's content alone, so that all runs and experiments over a file have the same folds. Rows with
    the same value in `group_column` are in the same part.
    """

    count: int
    seed: int = 0
    group_column: str | None = None


class SubmissionFile(Frozen):
    """One file of the leaderboard zip: written from `split`, `rows` rows, labels renamed by `written`."""

    name: Segment
    split: str
    rows: int
    written: dict[str, str] = {}


class TaskDefinition(Frozen):
    """All that training and scoring must know of a task, the same for GLUE's and for custom ones.

    `labels` are names in the order of their ids (empty for regression); `evaluation_splits` maps the prefix that
    the metrics of a dev set get to the split's name (`{"": "validation"}`; MNLI has two). The labels of a text are in
    `label_column`, or in `label_columns`, one for each label; `label_delimiter` is between the labels of one cell.
    What was not there from the beginning is written only where it says something: older plans and ids stay as they are.
    """

    name: Slug
    problem_type: ProblemType
    text_columns: tuple[str, ...]
    label_column: str = "label"
    label_columns: Annotated[tuple[str, ...], Field(exclude_if=empty)] = ()
    label_delimiter: Annotated[str | None, Field(exclude_if=absent)] = None
    quoting: Annotated[Quoting, Field(exclude_if=lambda quoting: quoting == Quoting.AUTO)] = Quoting.AUTO
    labels: tuple[str, ...] = ()
    metrics: tuple[str, ...]
    measured: tuple[str, ...]
    metric_functions: Annotated[tuple[MetricFunction, ...], Field(exclude_if=empty)] = ()
    folder: str | None = None
    evaluation_splits: dict[str, str] = {"": "validation"}
    test_splits: tuple[str, ...] = ("test",)
    submission: tuple[SubmissionFile, ...] = ()
    folds: Annotated[Folds | None, Field(exclude_if=absent)] = None

    def greater_is_better(self, metric: str) -> bool:
        """Direction of a metric that the task measures."""
        own = self.function(metric)
        return greater_is_better(metric) if own is None else own.greater_is_better

    def is_share(self, metric: str) -> bool:
        """Whether a metric is a share; of a function of the user's own that is not known."""
        return self.function(metric) is None and is_share(metric)

    def function(self, metric: str) -> MetricFunction | None:
        """The function of the user's own that a metric is, if it is one."""
        return next((own for own in self.metric_functions if own.name == metric), None)

    @property
    def several_labels(self) -> bool:
        """Whether a text has any number of the labels, none included."""
        return self.problem_type == ProblemType.MULTI_LABEL

    @property
    def label_fields(self) -> tuple[str, ...]:
        """The columns of the labels."""
        return self.label_columns or (self.label_column,)

    @property
    def is_glue(self) -> bool:
        """Whether the task is one of GLUE's, with a folder name of its own in the official layout."""
        return self.folder is not None


_ZERO_ONE = ("0", "1")
_ENTAILMENT = ("entailment", "not_entailment")
_NLI = ("entailment", "neutral", "contradiction")


def _classification(
    name: str,
    folder: str,
    columns: tuple[str, ...],
    labels: tuple[str, ...],
    metrics: tuple[str, ...],
    file: str,
    rows: int,
    *,
    written: tuple[str, ...],
) -> TaskDefinition:
    return TaskDefinition(
        name=name,
        problem_type=ProblemType.CLASSIFICATION,
        text_columns=columns,
        labels=labels,
        metrics=metrics,
        measured=(*metrics, "loss"),
        folder=folder,
        submission=(
            SubmissionFile(name=file, split="test", rows=rows, written=dict(zip(labels, written, strict=True))),
        ),
    )


_PAIR = ("sentence1", "sentence2")

_DEFINITIONS = (
    _classification(
        "cola",
        "CoLA",
        ("sentence",),
        ("unacceptable", "acceptable"),
        ("matthews_correlation",),
        "CoLA.tsv",
        1063,
        written=_ZERO_ONE,
    ),
    _classification(
        "sst2",
        "SST-2",
        ("sentence",),
        ("negative", "positive"),
        ("accuracy",),
        "SST-2.tsv",
        1821,
        written=_ZERO_ONE,
    ),
    _classification(
        "mrpc",
        "MRPC",
        _PAIR,
        ("not_equivalent", "equivalent"),
        ("f1", "accuracy"),
        "MRPC.tsv",
        1725,
        written=_ZERO_ONE,
    ),
    TaskDefinition(
        name="stsb",
        problem_type=ProblemType.REGRESSION,
        text_columns=_PAIR,
        metrics=("pearson", "spearmanr"),
        measured=("pearson", "spearmanr", "loss"),
        folder="STS-B",
        submission=(SubmissionFile(name="STS-B.tsv", split="test", rows=1379),),
    ),
    _classification(
        "qqp",
        "QQP",
        ("question1", "question2"),
        ("not_duplicate", "duplicate"),
        ("f1", "accuracy"),
        "QQP.tsv",
        390965,
        written=_ZERO_ONE,
    ),
    TaskDefinition(
        name="mnli",
        problem_type=ProblemType.CLASSIFICATION,
        text_columns=("premise", "hypothesis"),
        labels=_NLI,
        metrics=("accuracy", "mm_accuracy"),
        measured=("accuracy", "mm_accuracy", "loss", "mm_loss"),
        folder="MNLI",
        evaluation_splits={"": "validation_matched", "mm_": "validation_mismatched"},
        test_splits=("test_matched", "test_mismatched"),
        submission=(
            SubmissionFile(name="MNLI-m.tsv", split="test_matched", rows=9796, written={name: name for name in _NLI}),
            SubmissionFile(
                name="MNLI-mm.tsv", split="test_mismatched", rows=9847, written={name: name for name in _NLI}
            ),
            # GLUE's diagnostic set has no training data: the MNLI model predicts it.
            SubmissionFile(name="AX.tsv", split="ax", rows=1104, written={name: name for name in _NLI}),
        ),
    ),
    _classification(
        "qnli",
        "QNLI",
        ("question", "sentence"),
        _ENTAILMENT,
        ("accuracy",),
        "QNLI.tsv",
        5463,
        written=_ENTAILMENT,
    ),
    _classification("rte", "RTE", _PAIR, _ENTAILMENT, ("accuracy",), "RTE.tsv", 3000, written=_ENTAILMENT),
    _classification(
        "wnli",
        "WNLI",
        _PAIR,
        ("not_entailment", "entailment"),
        ("accuracy",),
        "WNLI.tsv",
        146,
        written=_ZERO_ONE,
    ),
)

GLUE_TASKS = MappingProxyType({task.name: task for task in _DEFINITIONS})
"""The nine tasks by name, in the order of GLUE's own table."""

GLUE_ROWS = MappingProxyType(
    {
        "cola": (8_551, 1_043),
        "sst2": (67_349, 872),
        "mrpc": (3_668, 408),
        "stsb": (5_749, 1_500),
        "qqp": (363_846, 40_430),
        "mnli": (392_702, 9_815 + 9_832),
        "qnli": (104_743, 5_463),
        "rte": (2_490, 277),
        "wnli": (635, 71),
    }
)
"""Rows of a task's training file, and of all that an evaluation scores; those of test sets: `SubmissionFile.rows`."""

AX_FOLDER = "diagnostic"

SUBMISSION_FILES = tuple(file for task in _DEFINITIONS for file in task.submission)
"""The eleven files of the leaderboard zip."""

REGRESSION_RANGE = (0.0, 5.0)
"""STS-B's scale: a value outside is refused by the server."""


def in_order(tasks: Collection[str]) -> tuple[str, ...]:
    """GLUE's tasks in its own order, then custom ones by name."""
    return (*(task for task in GLUE_TASKS if task in tasks), *sorted(set(tasks) - GLUE_TASKS.keys()))
