"""Plans, results and prediction files for tests, small and without any training."""

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

from finetune_core.api import ExperimentSpec, Precision, TaskSpec, Training
from finetune_core.deciding.outcome import Outcome
from finetune_core.planning.parse import define
from finetune_core.planning.plan import Plan, ResolvedData, ResolvedModel, TaskPlan, make_plan
from finetune_core.planning.settings import Settings, resolve_settings
from finetune_core.problems import InvalidInputError
from finetune_core.results.run import PredictionFile, RunResult
from finetune_core.tasks.data_files import DataLayout, SplitFiles
from finetune_core.tasks.registry import GLUE_TASKS, SubmissionFile, TaskDefinition

MODEL = ResolvedModel(uri="s3://models/tiny", digest="md5s:" + "0" * 32)

CUSTOM_CLASSIFICATION = TaskSpec.model_validate(
    {
        "name": "spam",
        "problemType": "Classification",
        "labels": ["ham", "spam"],
        "metrics": ["accuracy", "f1"],
        "data": {"train": "train.csv", "validation": "dev.csv", "textColumns": ["text"]},
    }
)
CUSTOM_REGRESSION = TaskSpec.model_validate(
    {
        "name": "price",
        "problemType": "Regression",
        "metrics": ["mse", "pearson"],
        "data": {"train": "train.csv", "validation": "dev.csv", "textColumns": ["text"]},
    }
)
_CUSTOM = {"spam": define(CUSTOM_CLASSIFICATION), "price": define(CUSTOM_REGRESSION)}


def definition_of(task: str) -> TaskDefinition:
    """A GLUE task, `spam` (custom classification) or `price` (custom regression, mse decides)."""
    return {**GLUE_TASKS, **_CUSTOM}[task]


def settings_for(task: str, **training: Any) -> Settings:
    """A task's settings as its recipe has them, but for the training arguments given."""
    return resolve_settings(definition_of(task), [Training(**training)], default_precision=Precision.FP32)


def task_plan(task: str, *, data_uri: str = "s3://data/glue", **training: Any) -> TaskPlan:
    """A task of a plan, its training file named as in the official layout."""
    definition = definition_of(task)
    train = f"{definition.folder}/train.tsv" if definition.folder else "train.csv"
    layout = DataLayout.TSV if definition.folder else DataLayout.CUSTOM
    data = ResolvedData(
        uri=data_uri, digest="md5s:" + "1" * 32, splits=SplitFiles(layout=layout, files={"train": (train,)})
    )
    return TaskPlan(definition=definition, settings=settings_for(task, **training), data=data)


def plan_of(
    runs: Mapping[str, int],
    *,
    training: Mapping[str, Mapping[str, Any]] | None = None,
    data_uri: str = "s3://data/glue",
    **spec: Any,
) -> Plan:
    """The plan of `team/demo` with so many runs a task; `spec` are further fields, `training` is task -> arguments."""
    given = training or {}
    tasks = {task: task_plan(task, data_uri=data_uri, **given.get(task, {})) for task in runs}
    parsed = ExperimentSpec.model_validate({"model": {"uri": MODEL.uri}, **spec})
    return make_plan(parsed, namespace="team", name="demo", model=MODEL, tasks=tasks, runs=dict(runs))


def result_of(
    plan: Plan,
    task: str,
    run: int,
    value: float | None,
    *,
    metrics: Mapping[str, float | None] | None = None,
    predictions: Mapping[str, bytes] | None = None,
    **fields: Any,
) -> RunResult:
    """The result of a planned run; the other metrics are 0.5 unless given."""
    planned = plan.runs_of(task)[run]
    metric = plan.tasks[task].settings.metric_for_best_model
    measured = dict.fromkeys(plan.tasks[task].definition.measured, 0.5) | dict(metrics or {}) | {metric: value}
    files = {
        name: PredictionFile(rows=max(content.count(b"\n") - 1, 0), sha256=hashlib.sha256(content).hexdigest())
        for name, content in (predictions or {}).items()
    }
    known: dict[str, Any] = {
        "run_id": planned.run_id,
        "task": task,
        "run": run,
        "seed": planned.seed,
        "attempt": f"attempt-{run}",
        "metric": metric,
        "greater_is_better": plan.tasks[task].greater_is_better,
        "value": value,
        "step": 75,
        "metrics": measured,
        "last_step": 150,
        "last_metrics": measured,
        "evaluations": 2,
        "started_at": "2026-01-01T00:00:00Z",
        "finished_at": "2026-01-01T00:01:00Z",
        "train_seconds": 60.0,
        "predictions": files,
        "settings": {},
        "model_uri": plan.model.uri,
        "model_digest": plan.model.digest,
        "data_digest": plan.tasks[task].data.digest,
        "recipe_version": plan.recipe_version,
    }
    return RunResult(**{**known, **fields})


def outcome_of(plan: Plan, task: str, run: int, value: float | None, **fields: Any) -> Outcome:
    """As `result_of`, but what the operator remembers of it."""
    return Outcome.of(result_of(plan, task, run, value, **fields))


def prediction_file(file: SubmissionFile, *, salt: str = "", rows: int | None = None) -> bytes:
    """A well-formed prediction file of the official number of rows; `salt` changes what it predicts."""
    words = list(file.written.values()) or ["0.000", "2.500", "5.000"]
    start = len(salt)
    lines = (
        f"{index}\t{words[(index + start) % len(words)]}\n" for index in range(file.rows if rows is None else rows)
    )
    return b"index\tprediction\n" + "".join(lines).encode()


def all_prediction_files(salt: str = "") -> dict[str, bytes]:
    """Well-formed files of all eleven names."""
    return {file.name: prediction_file(file, salt=salt) for task in GLUE_TASKS.values() for file in task.submission}


def problems_of(error: InvalidInputError) -> Iterator[str]:
    """The problems as text."""
    return (str(problem) for problem in error.problems)
