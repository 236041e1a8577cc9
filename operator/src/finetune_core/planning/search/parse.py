"""From raw manifests to specs of searches, and every problem of a spec at once."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pydantic import ValidationError

from finetune_core.api import Algorithm, Distribution, HPSearchSpec, SearchTask, Training
from finetune_core.api.search import NO_FOLDS
from finetune_core.planning.arguments.table import SEARCHABLE
from finetune_core.planning.checks.execution import budget_warnings, execution_problems, trial_problems
from finetune_core.planning.checks.notifications import notification_problems
from finetune_core.planning.checks.tasks import definition_problems, definition_warnings
from finetune_core.planning.checks.training import (
    adapter_problems,
    metric_problems,
    smoothing_problems,
    steps_problems,
    steps_warnings,
    training_problems,
    weight_problems,
)
from finetune_core.planning.parse import define, place_problems, read_spec, task_specs
from finetune_core.planning.search.build import base_settings, space_of, trials_of
from finetune_core.problems import Problem
from finetune_core.tasks.metrics import canonical_metric
from finetune_core.tasks.sparse import misspelt_type

_STEPS = frozenset({"maxSteps", "numTrainEpochs", "evalSteps"})
"""Training arguments that decide how often a run is evaluated."""


def parse_search(raw: Mapping[str, Any]) -> HPSearchSpec:
    """A spec from its JSON form; InvalidInputError lists every field that does not fit."""
    return read_spec(HPSearchSpec, raw)


def check_search(spec: HPSearchSpec, *, in_cluster: bool = True) -> tuple[Problem, ...]:
    """What is wrong with a spec that fits its schema."""
    return tuple(sorted(_problems(spec, in_cluster=in_cluster)))


def search_warnings(spec: HPSearchSpec) -> tuple[str, ...]:
    """What is allowed but probably not meant."""
    return tuple(_warnings(spec))


def _warnings(spec: HPSearchSpec) -> Iterator[str]:
    yield from budget_warnings(spec.budget, spec.execution)
    if spec.asha and spec.scheduler.value != "ASHA":
        yield f"spec.asha is not used by scheduler {spec.scheduler.value}"
    for task in spec.tasks:
        yield from definition_warnings(task)
        settings = base_settings(spec, task)
        if not _steps_are_searched(spec, task):
            yield from steps_warnings(task.name, settings)
        if settings.load_best_model_at_end is False:
            yield f"{task.name}: trials leave the last weights, not the best (allowLastModel)"


def _problems(spec: HPSearchSpec, *, in_cluster: bool) -> Iterator[Problem]:
    uris = [("spec.model.uri", spec.model.uri), ("spec.data.uri", spec.data.uri if spec.data else "")]
    uris += [(f"spec.tasks[{task.name}].data.uri", task.data.uri or "") for task in task_specs(spec) if task.data]
    for field, uri in uris:
        if in_cluster and uri.startswith("file://"):
            yield Problem(field, "file:// works in local runs only: use s3://, hf:// or pvc:// in a cluster")
    names = [task.name for task in spec.tasks]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield Problem("spec.tasks", f"{name} is listed more than once: give each task one entry")
    if (message := misspelt_type(spec.model.type)) is not None:
        yield Problem("spec.model.type", message)
    yield from training_problems("spec.training", spec.training)
    yield from execution_problems(spec.execution)
    yield from notification_problems(spec.notifications)
    if in_cluster:
        yield from trial_problems(spec.execution, spec.concurrent_trials)
    yield from _proxy_problems(spec)
    for task in spec.tasks:
        yield from _task_problems(spec, task)


def _task_problems(spec: HPSearchSpec, task: SearchTask) -> Iterator[Problem]:
    field = f"spec.tasks[{task.name}]"
    unclear = [*definition_problems(field, task), *place_problems(spec, task)]
    if task.folds:
        unclear.append(Problem(f"{field}.folds", NO_FOLDS))
    yield from unclear
    if unclear:
        return
    yield from training_problems(f"{field}.training", task.training)
    space = space_of(spec, task)
    if not space:
        yield Problem(f"{field}.space", "nothing to search: give distributions here or under spec.space")
    for name, values in space.items():
        yield from _distribution_problems(f"{field}.space.{name}", name, values)
    yield from smoothing_problems(f"{field}.space", define(task), smoothed="labelSmoothingFactor" in space)
    if spec.algorithm == Algorithm.GRID and all(values.grid is None for values in space.values()):
        yield Problem(f"{field}.space", "algorithm Grid needs at least one grid: [...]: add one, or use Random")
    if spec.algorithm == Algorithm.TPE and any(values.grid is not None for values in space.values()):
        yield Problem(f"{field}.space", "algorithm TPE does not go through grids: write choice: [...] instead")
    if spec.finalists and spec.finalists.trials > trials_of(spec, task):
        yield Problem("spec.finalists.trials", f"more than the trials of {task.name}: lower it or raise trials")
    yield from _judging_problems(spec, task, field)


def _judging_problems(spec: HPSearchSpec, task: SearchTask, field: str) -> Iterator[Problem]:
    """What trials are judged by, and when, where the space leaves that to the spec."""
    definition, settings = define(task), base_settings(spec, task)
    metric = spec.objective.metric if spec.objective else None
    if metric is None:
        yield from metric_problems(f"{field}.training", definition, settings)
    elif canonical_metric(metric) not in definition.measured:
        known = ", ".join(definition.measured)
        yield Problem("spec.objective.metric", f"{metric} is not measured in {task.name}: use one of {known}")
    yield from smoothing_problems(f"{field}.training", definition, smoothed=settings.label_smoothing_factor > 0)
    yield from weight_problems(f"{field}.training", definition, settings, "classWeights" in space_of(spec, task))
    yield from adapter_problems(f"{field}.training", settings, spec.model.type, space_of(spec, task))
    if not _steps_are_searched(spec, task):
        yield from steps_problems(f"{field}.training", settings)


def _steps_are_searched(spec: HPSearchSpec, task: SearchTask) -> bool:
    return not _STEPS.isdisjoint(space_of(spec, task))


def _proxy_problems(spec: HPSearchSpec) -> Iterator[Problem]:
    searched = {task.name for task in spec.tasks}
    proxied = [name for task in spec.tasks for name in task.proxy_for or ()]
    for name in sorted(set(proxied)):
        if name in searched:
            yield Problem("spec.tasks", f"proxyFor: {name} is searched itself: remove one of the two")
        if proxied.count(name) > 1:
            yield Problem("spec.tasks", f"proxyFor: {name} is named twice: only one task can stand in for it")


def _distribution_problems(field: str, name: str, values: Distribution) -> Iterator[Problem]:
    if name not in SEARCHABLE:
        yield Problem(field, f"{name} cannot be searched: use one of {', '.join(SEARCHABLE)}")
        return
    given = values.model_dump(exclude_none=True, by_alias=True)
    if len(given) != 1:
        yield Problem(field, "set exactly one of uniform, logUniform, int, logInt, choice, grid")
        return
    ((kind, entries),) = given.items()
    if kind not in {"choice", "grid"}:
        low, high = entries
        if low >= high:
            yield Problem(field, f"{kind}: min {low} must be less than max {high}: swap them, or set it in training")
            return
        if kind.startswith("log") and low <= 0:
            yield Problem(field, f"{kind}: min {low} must be greater than 0, which has no logarithm: raise it")
            return
        # A value between the bounds shows where a whole number is wanted.
        entries = [low, high] if kind.lower().endswith("int") else [low, low + (high - low) * 0.123456789, high]
    yield from _value_problems(field, name, entries)


def _value_problems(field: str, name: str, values: Iterable[Any]) -> Iterator[Problem]:
    for value in values:
        try:
            Training.model_validate({name: value})
        except ValidationError as error:
            yield Problem(field, f"{value} is no value of {name}: {error.errors()[0]['msg']}")
            return
