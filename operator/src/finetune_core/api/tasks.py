"""The tasks of a suite: GLUE's by name, custom ones by their files and columns."""

from typing import Annotated, Any

from pydantic import ConfigDict, Field, SerializerFunctionWrapHandler, model_serializer

from finetune_core.api.common import ApiModel, Uri, cel_list, rules
from finetune_core.api.training import Training
from finetune_core.tasks.metrics import (
    BINARY_ONLY_METRICS,
    CLASSIFICATION_METRICS,
    REGRESSION_METRICS,
    metric_spellings,
)
from finetune_core.tasks.registry import GLUE_TASKS, ProblemType, Quoting, TaskDefinition
from finetune_core.tasks.superglue import SUPERGLUE_TASKS

_GLUE = cel_list(GLUE_TASKS)
_ALL_METRICS = (*CLASSIFICATION_METRICS, *REGRESSION_METRICS)

_METRIC = "self.training.metricForBestModel"
_NO_METRIC = f"!has(self.training) || !has({_METRIC})"


def _measured_in(task: TaskDefinition) -> tuple[str, str]:
    return (
        f"self.name != '{task.name}' || {_NO_METRIC} || {_METRIC} in {cel_list(metric_spellings(task.measured))}",
        f"training.metricForBestModel is not measured in {task.name}: use one of {', '.join(task.measured)}",
    )


def _measured_by(kind: ProblemType, metrics: tuple[str, ...]) -> tuple[str, str]:
    measured = (*metrics, "loss")
    return (
        f"!has(self.problemType) || self.problemType != '{kind}' || {_NO_METRIC} || "
        f"{_METRIC} in {cel_list(metric_spellings(measured))}",
        f"training.metricForBestModel is not measured in a {kind.lower()} task: use one of {', '.join(measured)}",
    )


def _metrics_of(kind: ProblemType, metrics: tuple[str, ...]) -> tuple[str, str]:
    return (
        f"!has(self.problemType) || self.problemType != '{kind}' || !has(self.metrics) || "
        f"self.metrics.all(metric, metric in {cel_list(metrics)})",
        f"metrics of a {kind.lower()} task can be {', '.join(metrics)}: remove the others",
    )


MAX_FOLDS = 20
FOLDS_ALONE = (
    "folds cut data.train into dev sets, and no one model predicts a test set: remove data.validation and data.test, "
    "or folds"
)

FileName = Annotated[
    str,
    Field(min_length=1, max_length=512, pattern=r"(\.((csv|tsv|jsonl?)(\.gz)?|parquet)|^[A-Za-z0-9_]+)$"),
]
Column = Annotated[str, Field(min_length=1, max_length=128)]


class TaskData(ApiModel):
    """A GLUE task needs at most `uri`; a custom task names its files and columns."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            (
                "!has(self.config) || !has(self.uri) || self.uri.startsWith('hf://')",
                "only data sets on the hub (uri: hf://...) have configurations: remove config",
            )
        )
    )

    uri: Annotated[
        Uri | None,
        Field(
            description="Folder of this task's files, in place of spec.data.uri; or a data set on the hub, "
            "hf://org/name[@revision]."
        ),
    ] = None
    config: Annotated[
        str | None,
        Field(
            min_length=1,
            max_length=128,
            description="Configuration (subset) of a data set on the hub that splits are taken from. Default: its only "
            "one, or its default one.",
        ),
    ] = None
    train: Annotated[
        FileName | None,
        Field(
            description="Training file below uri: .csv or .tsv (with a header), .jsonl or .json (one object a line), "
            "each of them with .gz where it is packed, or .parquet. Of a data set on the hub (hf://) also the name of "
            "a split: train."
        ),
    ] = None
    validation: Annotated[
        FileName | None, Field(description="Dev file below uri, or a split; decides the best run.")
    ] = None
    test: Annotated[FileName | None, Field(description="Test file below uri, or a split; predicted, never scored.")] = (
        None
    )
    text_columns: Annotated[
        tuple[Column, ...] | None,
        Field(min_length=1, max_length=2, description="One column, or two for pairs of texts."),
    ] = None
    label_column: Annotated[Column | None, Field(description="Column of the label. Default: label.")] = None
    group_column: Annotated[
        Column | None,
        Field(
            exclude_if=lambda column: column is None,
            description="With folds: rows that have the same value in this column (a document, a speaker) are in the "
            "same fold. Default: each row by itself.",
        ),
    ] = None
    quoting: Annotated[
        Quoting | None,
        Field(
            description="What quotes are in .csv and .tsv files. Minimal: they go around fields, doubled inside. "
            "None: they are parts of the texts. Default: Auto, which is Minimal, or None for a .tsv file whose quotes "
            "do not fit; a .tsv file that could be either is refused."
        ),
    ] = None

    @model_serializer(mode="wrap")
    def _said(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        fields: dict[str, Any] = handler(self)
        # A spec of before there were such fields stays what its inputs were pinned for.
        for name in ("quoting", "config"):
            if getattr(self, name) is None:
                fields.pop(name, None)
        return fields


class TaskSpec(ApiModel):
    """One task of the suite."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            (
                f"self.name in {cel_list((*GLUE_TASKS, *SUPERGLUE_TASKS))} || has(self.problemType)",
                f"name is none of GLUE's tasks ({', '.join(GLUE_TASKS)}), nor {' or '.join(SUPERGLUE_TASKS)} of "
                "SuperGLUE: correct it, or declare a custom "
                "task by problemType, data.train, data.validation and data.textColumns",
            ),
            (
                f"!(self.name in {_GLUE}) || (!has(self.problemType) && !has(self.labels) && !has(self.metrics))",
                "problemType, labels and metrics of a GLUE task are fixed: remove them, "
                "or give a custom task another name",
            ),
            (
                f"!(self.name in {_GLUE}) || !has(self.data) || (!has(self.data.train) && "
                "!has(self.data.validation) && !has(self.data.test) && !has(self.data.textColumns) && "
                "!has(self.data.labelColumn) && !has(self.data.quoting) && !has(self.data.config))",
                "files and columns of a GLUE task are fixed: only data.uri can be set",
            ),
            (
                "!has(self.problemType) || (has(self.data) && has(self.data.train) && "
                "(has(self.data.validation) || has(self.folds)) && has(self.data.textColumns))",
                "a custom task needs data.train, data.validation (or folds) and data.textColumns",
            ),
            (
                "!has(self.folds) || has(self.problemType)",
                "folds are for custom tasks: a GLUE task has a dev set, and a zip needs one model of it",
            ),
            (
                "!has(self.folds) || !has(self.data) || (!has(self.data.validation) && !has(self.data.test))",
                f"{FOLDS_ALONE}",
            ),
            (
                "!has(self.data) || !has(self.data.groupColumn) || has(self.folds)",
                "data.groupColumn is for folds: set folds, or remove it",
            ),
            (
                "!has(self.problemType) || self.problemType != 'Classification' || has(self.labels)",
                "a classification task needs labels: the label names in the order of their ids",
            ),
            (
                "!has(self.problemType) || self.problemType != 'Regression' || !has(self.labels)",
                "a regression task has no labels: remove them",
            ),
            _metrics_of(ProblemType.CLASSIFICATION, CLASSIFICATION_METRICS),
            _metrics_of(ProblemType.REGRESSION, REGRESSION_METRICS),
            (
                "!has(self.labels) || self.labels.size() == 2 || !has(self.metrics) || "
                f"!self.metrics.exists(metric, metric in {cel_list(sorted(BINARY_ONLY_METRICS))})",
                f"{', '.join(sorted(BINARY_ONLY_METRICS))} need exactly two labels: use f1_macro or accuracy",
            ),
            _measured_by(ProblemType.CLASSIFICATION, CLASSIFICATION_METRICS),
            _measured_by(ProblemType.REGRESSION, REGRESSION_METRICS),
            *(_measured_in(task) for task in GLUE_TASKS.values()),
        )
    )

    name: Annotated[
        str,
        Field(
            min_length=1,
            max_length=40,
            pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$",
            description=f"A GLUE task ({', '.join(GLUE_TASKS)}), {' or '.join(SUPERGLUE_TASKS)} of SuperGLUE, or the "
            "name of a custom task.",
        ),
    ]
    runs: Annotated[
        int | None,
        Field(ge=1, le=100, description="Seeds that this task is fine-tuned with, in place of spec.runs."),
    ] = None
    folds: Annotated[
        int | None,
        Field(
            ge=2,
            le=MAX_FOLDS,
            exclude_if=lambda folds: folds is None,
            description="Of a custom task without data.validation: cross-validation. data.train is cut into so many "
            "parts, stratified by label, and each is the dev set of runs that train on the others; runs counts seeds "
            "of each fold.",
        ),
    ] = None
    training: Training | None = Field(
        default=None, description="Training arguments of this task; each wins over spec.training."
    )
    data: TaskData | None = Field(default=None, description="Where this task's examples are.")
    problem_type: Annotated[
        ProblemType | None, Field(description="Of a custom task: Classification or Regression.")
    ] = None
    labels: Annotated[
        tuple[Annotated[str, Field(min_length=1, max_length=128)], ...] | None,
        Field(
            min_length=2,
            max_length=1000,
            description="Label names of a custom classification task in the order of their ids. The label column holds "
            "these names (numbers are compared as numbers: 1 is 1.0), or the ids where no name is a number.",
        ),
    ] = None
    metrics: Annotated[
        tuple[Annotated[str, Field(json_schema_extra={"enum": list(_ALL_METRICS)})], ...] | None,
        Field(
            min_length=1,
            max_length=8,
            description="Metrics of a custom task; the first one decides the best run unless "
            f"metricForBestModel says otherwise. Classification: {', '.join(CLASSIFICATION_METRICS)} "
            f"(default accuracy). Regression: {', '.join(REGRESSION_METRICS)} (default pearson, spearmanr).",
        ),
    ] = None
