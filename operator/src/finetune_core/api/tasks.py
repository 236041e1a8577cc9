"""The tasks of a suite: GLUE's by name, custom ones by their files and columns."""

from typing import Annotated

from pydantic import ConfigDict, Field

from finetune_core.api.common import ApiModel, cel_list, rules
from finetune_core.api.seeds import EITHER, NO_FOLDS, RunsUntil
from finetune_core.api.task_data import TaskData
from finetune_core.api.training import Training
from finetune_core.frozen import absent
from finetune_core.tasks.metric_functions import MetricFunction
from finetune_core.tasks.metrics import (
    BINARY_ONLY_METRICS,
    CLASSIFICATION_METRICS,
    LISTED,
    METRICS,
    MULTI_LABEL_METRICS,
    REGRESSION_METRICS,
    ProblemType,
    metric_spellings,
)
from finetune_core.tasks.registry import GLUE_TASKS, TaskDefinition
from finetune_core.tasks.superglue import SUPERGLUE_TASKS

_GLUE = cel_list(GLUE_TASKS)
_KINDS = {
    ProblemType.CLASSIFICATION: "classification",
    ProblemType.MULTI_LABEL: "multi-label",
    ProblemType.REGRESSION: "regression",
}

_METRIC = "self.training.metricForBestModel"
_NO_METRIC = f"!has(self.training) || !has({_METRIC})"
_OWN = "(has(self.metricFunctions) && self.metricFunctions.exists(own, {} == own.name))"


def _measured_in(task: TaskDefinition) -> tuple[str, str]:
    return (
        f"self.name != '{task.name}' || {_NO_METRIC} || {_METRIC} in {cel_list(metric_spellings(task.measured))}",
        f"training.metricForBestModel is not measured in {task.name}: use one of {', '.join(task.measured)}",
    )


def _measured_by(kind: ProblemType) -> tuple[str, str]:
    measured = (*METRICS[kind], "loss")
    return (
        f"!has(self.problemType) || self.problemType != '{kind}' || {_NO_METRIC} || "
        f"{_METRIC} in {cel_list(metric_spellings(measured))} || "
        f"(has(self.metrics) && self.metrics.exists(one, {_METRIC} in [one, 'eval_' + one])) || "
        "(has(self.metricFunctions) && "
        f"self.metricFunctions.exists(own, {_METRIC} in [own.name, 'eval_' + own.name]))",
        f"training.metricForBestModel is not measured in a {_KINDS[kind]} task: use one of {', '.join(measured)}, or "
        "list it in metrics",
    )


def _metrics_of(kind: ProblemType) -> tuple[str, str]:
    known = (*METRICS[kind], *LISTED[kind])
    return (
        f"!has(self.problemType) || self.problemType != '{kind}' || !has(self.metrics) || "
        f"self.metrics.all(metric, metric in {cel_list(dict.fromkeys(known))} || {_OWN.format('metric')})",
        f"metrics of a {_KINDS[kind]} task can be {', '.join(METRICS[kind])}, a scorer of scikit-learn, or one of "
        "metricFunctions: correct or remove the others",
    )


MAX_FOLDS = 20
FOLDS_ALONE = (
    "folds cut data.train into dev sets, and no one model predicts a test set: remove data.validation and data.test, "
    "or folds"
)


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
                f"!(self.name in {_GLUE}) || (!has(self.problemType) && !has(self.labels) && !has(self.metrics) && "
                "!has(self.metricFunctions))",
                "problemType, labels and metrics of a GLUE task are fixed: remove them, "
                "or give a custom task another name",
            ),
            (
                f"!(self.name in {_GLUE}) || !has(self.data) || (!has(self.data.train) && "
                "!has(self.data.validation) && !has(self.data.test) && !has(self.data.textColumns) && "
                "!has(self.data.labelColumn) && !has(self.data.labelColumns) && !has(self.data.labelDelimiter) && "
                "!has(self.data.quoting) && !has(self.data.config))",
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
            ("!has(self.runs) || !has(self.runsUntil)", EITHER),
            ("!has(self.folds) || !has(self.runsUntil)", NO_FOLDS),
            (
                "!has(self.data) || !has(self.data.groupColumn) || has(self.folds)",
                "data.groupColumn is for folds: set folds, or remove it",
            ),
            (
                "!has(self.problemType) || self.problemType != 'Classification' || has(self.labels)",
                "a classification task needs labels: the label names in the order of their ids",
            ),
            (
                "!has(self.problemType) || self.problemType != 'MultiLabelClassification' || has(self.labels) || "
                "(has(self.data) && has(self.data.labelColumns))",
                "a multi-label task needs labels: the label names in the order of their ids; or data.labelColumns",
            ),
            (
                "!has(self.problemType) || self.problemType == 'MultiLabelClassification' || !has(self.data) || "
                "(!has(self.data.labelColumns) && !has(self.data.labelDelimiter))",
                "data.labelColumns and data.labelDelimiter are for problemType MultiLabelClassification: remove them, "
                "or change it",
            ),
            (
                "!has(self.problemType) || self.problemType != 'Regression' || !has(self.labels)",
                "a regression task has no labels: remove them",
            ),
            *(_metrics_of(kind) for kind in ProblemType),
            (
                "!has(self.problemType) || self.problemType != 'Classification' || !has(self.labels) || "
                "self.labels.size() == 2 || !has(self.metrics) || "
                f"!self.metrics.exists(metric, metric in {cel_list(sorted(BINARY_ONLY_METRICS))})",
                f"{', '.join(sorted(BINARY_ONLY_METRICS))} need exactly two labels: use f1_macro or accuracy",
            ),
            *(_measured_by(kind) for kind in ProblemType),
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
    runs_until: Annotated[
        RunsUntil | None,
        Field(exclude_if=absent, description="As many seeds as it takes, in place of spec.runs or spec.runsUntil."),
    ] = None
    folds: Annotated[
        int | None,
        Field(
            ge=2,
            le=MAX_FOLDS,
            exclude_if=absent,
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
        ProblemType | None,
        Field(
            description="Of a custom task: Classification (a text has one of the labels), MultiLabelClassification "
            "(any number of them), or Regression."
        ),
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
        tuple[Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z][A-Za-z0-9_]*$")], ...] | None,
        Field(
            min_length=1,
            max_length=8,
            description="Metrics of a custom task; the first one decides the best run unless "
            f"metricForBestModel says otherwise. Classification: {', '.join(CLASSIFICATION_METRICS)} "
            f"(default accuracy). MultiLabelClassification: {', '.join(MULTI_LABEL_METRICS)} (default f1_micro). "
            f"Regression: {', '.join(REGRESSION_METRICS)} (default pearson, spearmanr). Also scikit-learn's scorers by "
            "their names, e.g. balanced_accuracy, roc_auc, r2; and the names of metricFunctions.",
        ),
    ] = None
    metric_functions: Annotated[
        tuple[MetricFunction, ...] | None,
        Field(
            min_length=1,
            max_length=8,
            exclude_if=absent,
            description="Metrics of your own: functions that the trainer's pods import.",
            json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
        ),
    ] = None
