"""From raw manifests to specs, and every problem of a spec at once."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

from pydantic import ValidationError

from finetune_core.api import MAX_RUNS, Data, ExperimentSpec, HPSearchSpec, Precision, TaskSpec, Training
from finetune_core.planning.checks.execution import budget_warnings, execution_problems, process_problems
from finetune_core.planning.checks.labels import define_labels
from finetune_core.planning.checks.notifications import notification_problems
from finetune_core.planning.checks.publishing import publish_problems
from finetune_core.planning.checks.seeds import seeds_problems
from finetune_core.planning.checks.tasks import definition_problems, definition_warnings, split_problems
from finetune_core.planning.checks.training import (
    adapter_problems,
    metric_problems,
    smoothing_problems,
    steps_problems,
    steps_warnings,
    training_problems,
    weight_problems,
)
from finetune_core.planning.settings import Settings, resolve_settings
from finetune_core.planning.superglue import fill_in, recipe_layer
from finetune_core.problems import InvalidInputError, Problem
from finetune_core.tasks.metrics import DEFAULT_METRICS, ProblemType, always_measured
from finetune_core.tasks.recipes import recipe_for
from finetune_core.tasks.registry import GLUE_TASKS, Folds, Quoting, TaskDefinition
from finetune_core.tasks.sparse import misspelt_type

AnySpec = ExperimentSpec | HPSearchSpec
_Spec = TypeVar("_Spec", ExperimentSpec, HPSearchSpec)

HUB = "hf://"
_GPU_SUFFIX = "/gpu"
_MAX_SHOWN = 60


def parse_spec(raw: Mapping[str, Any]) -> ExperimentSpec:
    """A spec from its JSON form; InvalidInputError lists every field that does not fit."""
    return read_spec(ExperimentSpec, raw)


def read_spec(kind: type[_Spec], raw: Mapping[str, Any]) -> _Spec:
    """A spec of a kind from its JSON form; InvalidInputError lists every field that does not fit, by its path."""
    try:
        return fill_in(kind.model_validate(raw))
    except ValidationError as error:
        found = [(one["type"], one["loc"], one["msg"]) for one in error.errors()]
        # A list whose entries are all wrong is counted as empty too: only its entries need correcting.
        wrong_inside = {loc[:-depth] for _, loc, _ in found for depth in range(1, len(loc))}
        problems = (
            Problem(_path(loc, raw), message)
            for kind, loc, message in found
            if kind != "too_short" or loc not in wrong_inside
        )
        raise InvalidInputError(tuple(sorted(set(problems)))) from error


def task_specs(spec: AnySpec) -> tuple[TaskSpec, ...]:
    """The spec's tasks; all nine of GLUE where it lists none."""
    return spec.tasks or tuple(TaskSpec(name=name) for name in GLUE_TASKS)


def data_place(spec: AnySpec, task: TaskSpec) -> tuple[str, str]:
    """Where a task's data lie, and the field that says it."""
    if task.data and task.data.uri:
        return task.data.uri, f"spec.tasks[{task.name}].data.uri"
    return (spec.data or Data()).uri, "spec.data.uri"


def place_problems(spec: AnySpec, task: TaskSpec) -> Iterator[Problem]:
    """What a task says of its files that fits no folder such as its own."""
    uri, _ = data_place(spec, task)
    if task.data and not uri.startswith(HUB):
        yield from split_problems(f"spec.tasks[{task.name}].data", task.data, uri)


def define(task: TaskSpec) -> TaskDefinition:
    """What a task is: GLUE's by name, a custom one by its declaration (which must be complete)."""
    if task.name in GLUE_TASKS:
        return GLUE_TASKS[task.name]
    kind, data = task.problem_type or ProblemType.CLASSIFICATION, task.data
    labels = define_labels(task)
    metrics, functions = task.metrics or DEFAULT_METRICS[kind], task.metric_functions or ()
    measured = (*metrics, *always_measured(kind, len(labels)), *(own.name for own in functions))
    return TaskDefinition(
        name=task.name,
        problem_type=kind,
        text_columns=(data.text_columns if data and data.text_columns else ()),
        label_column=(data.label_column if data and data.label_column else "label"),
        label_columns=(data.label_columns if data and data.label_columns else ()),
        label_delimiter=(data.label_delimiter if data else None),
        quoting=(data.quoting if data and data.quoting else Quoting.AUTO),
        labels=labels,
        metrics=metrics,
        folds=Folds(count=task.folds, group_column=data.group_column if data else None) if task.folds else None,
        measured=(*dict.fromkeys(measured), "loss"),
        metric_functions=functions,
    )


def runs_of(spec: ExperimentSpec, task: TaskSpec, *, most: bool = False) -> int:
    """How many runs a task has: one a seed, of each fold where there are folds.

    Where seeds are added until they are enough, those that it begins with, or the most that it may have.
    """
    until = spec.until_of(task)
    if until is not None:
        return until.most if most else until.least
    return (task.runs or spec.runs or recipe_for(task.name).runs) * (task.folds or 1)


def default_precision(spec: AnySpec) -> Precision:
    """What `auto` means: bf16 where a GPU is asked for, fp32 otherwise (docs/decisions/0002-precision-auto.md)."""
    resources = spec.execution.resources
    asked = {**(resources.requests or {}), **(resources.limits or {})} if resources else {}
    return Precision.BF16 if any(name.endswith(_GPU_SUFFIX) for name in asked) else Precision.FP32


def settings_of(spec: ExperimentSpec, task: TaskSpec, tuned: Training | None = None) -> Settings:
    """A task's settings: recipe < spec.training < tuned < tasks[].training."""
    layers = (recipe_layer(task), spec.training, tuned, task.training)
    return resolve_settings(define(task), layers, default_precision=default_precision(spec))


def check_spec(
    spec: ExperimentSpec, *, in_cluster: bool = True, tuned: Mapping[str, Training] | None = None
) -> tuple[Problem, ...]:
    """Everything wrong with a well-formed spec: what CEL cannot see, and what it can, for use without a cluster."""
    return tuple(sorted(_spec_problems(spec, in_cluster=in_cluster, tuned=tuned or {})))


def warnings(spec: ExperimentSpec, tuned: Mapping[str, Training] | None = None) -> tuple[str, ...]:
    """What is allowed but probably not meant."""
    return tuple(_warnings(spec, tuned or {}))


def _spec_problems(spec: ExperimentSpec, *, in_cluster: bool, tuned: Mapping[str, Training]) -> Iterator[Problem]:
    yield from _tuned_source_problems(spec)
    if spec.leaderboard and not spec.predict:
        yield Problem("spec.predict", "leaderboard needs predictions: remove predict: false or leaderboard")
    if (message := misspelt_type(spec.model.type)) is not None:
        yield Problem("spec.model.type", message)
    if in_cluster:
        yield from _local_uris(spec)
    tasks = task_specs(spec)
    names = [task.name for task in tasks]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield Problem("spec.tasks", f"{name} is listed more than once: give each task one entry")
    yield from seeds_problems(spec)
    total = sum(runs_of(spec, task, most=True) for task in tasks)
    if total > MAX_RUNS:
        yield Problem("spec.runs", f"{total} runs in all; at most {MAX_RUNS}: lower runs or split the experiment")
    yield from training_problems("spec.training", spec.training)
    yield from execution_problems(spec.execution)
    yield from notification_problems(spec.notifications)
    yield from publish_problems(spec, {task.name: runs_of(spec, task, most=True) for task in tasks})
    batch_sizes = {}
    for task in tasks:
        unclear = list(_task_problems(spec, task, tuned.get(task.name)))
        yield from unclear
        if not unclear:
            batch_sizes[task.name] = settings_of(spec, task, tuned.get(task.name)).train_batch_size
    yield from process_problems(spec.execution, batch_sizes, in_cluster=in_cluster)


def _tuned_source_problems(spec: ExperimentSpec) -> Iterator[Problem]:
    source = spec.hyperparameters_from
    if source is None:
        return
    given = (source.hp_search_ref, source.config_map_ref, source.uri)
    if sum(one is not None for one in given) != 1:
        yield Problem("spec.hyperparametersFrom", "set exactly one of hpSearchRef, configMapRef and uri")
    if source.uri is not None and not source.uri.startswith("s3://"):
        yield Problem("spec.hyperparametersFrom.uri", f"{source.uri} must be s3://bucket/path")


def _local_uris(spec: ExperimentSpec) -> Iterator[Problem]:
    uris = [("spec.model.uri", spec.model.uri), ("spec.data.uri", spec.data.uri if spec.data else "")]
    uris += [(f"spec.tasks[{t.name}].data.uri", t.data.uri or "") for t in task_specs(spec) if t.data]
    for field, uri in uris:
        if uri.startswith("file://"):
            yield Problem(field, "file:// works in local runs only: use s3://, hf:// or pvc:// in a cluster")


def _task_problems(spec: ExperimentSpec, task: TaskSpec, tuned: Training | None) -> Iterator[Problem]:
    field = f"spec.tasks[{task.name}]"
    yield from training_problems(f"{field}.training", task.training)
    yield from training_problems(f"spec.hyperparametersFrom[{task.name}]", tuned)
    unclear = [*definition_problems(field, task), *place_problems(spec, task)]
    yield from unclear
    if unclear:
        return
    settings = settings_of(spec, task, tuned)
    yield from steps_problems(f"{field}.training", settings)
    yield from metric_problems(f"{field}.training", define(task), settings)
    yield from adapter_problems(f"{field}.training", settings, spec.model.type)
    yield from smoothing_problems(f"{field}.training", define(task), smoothed=settings.label_smoothing_factor > 0)
    yield from weight_problems(f"{field}.training", define(task), settings)


def _warnings(spec: ExperimentSpec, tuned: Mapping[str, Training]) -> Iterator[str]:
    yield from budget_warnings(spec.budget, spec.execution)
    for task in task_specs(spec):
        yield from definition_warnings(task)
        settings = settings_of(spec, task, tuned.get(task.name))
        yield from steps_warnings(task.name, settings)
        if settings.load_best_model_at_end is False:
            yield f"{task.name}: scored and predicted with the last weights, not the best (allowLastModel)"


def _path(location: Sequence[str | int], raw: Any) -> str:
    """`('tasks', 0, 'runs')` -> `spec.tasks[cola].runs`: list entries go by their name where they have one."""
    path, value = "spec", raw
    for part in location:
        value = _child(value, part)
        if isinstance(part, int):
            name = value.get("name") if isinstance(value, Mapping) else None
            path += f"[{name if name is not None and len(str(name)) <= _MAX_SHOWN else part}]"
        else:
            path += f".{part}"
    return path


def _child(value: Any, part: str | int) -> Any:
    if isinstance(value, Mapping):
        return value.get(part)
    if isinstance(value, Sequence) and isinstance(part, int) and part < len(value):
        return value[part]
    return None
