"""From a search's spec, its inputs resolved, to its plan. Pure."""

from collections.abc import Mapping

from finetune_core.api import MAX_TRIALS, Algorithm, Asha, Direction, HPSearchSpec, SearchTask, Space, Training
from finetune_core.canonical import short_hash
from finetune_core.planning.parse import default_precision, define
from finetune_core.planning.plan import ResolvedData, ResolvedModel
from finetune_core.planning.search.plan import SearchPlan, SearchTaskPlan
from finetune_core.planning.search.space import grid_size
from finetune_core.planning.settings import Settings, resolve_settings
from finetune_core.planning.superglue import recipe_layer

DEFAULT_TRIALS = 20

_NOT_PLANNED = {"budget", "clusters", "concurrent_trials", "execution", "notifications", "storage"}


def make_search_plan(
    spec: HPSearchSpec,
    *,
    namespace: str,
    name: str,
    model: ResolvedModel,
    data: Mapping[str, ResolvedData],
    resolved_for: str = "",
) -> SearchPlan:
    """The plan of a spec that `check_search` has found nothing wrong with."""
    return SearchPlan(
        namespace=namespace,
        search=name,
        model=model,
        tasks={task.name: _task_plan(spec, task, data[task.name]) for task in spec.tasks},
        order=tuple(task.name for task in spec.tasks),
        seed=spec.seed,
        algorithm=spec.algorithm,
        scheduler=spec.scheduler,
        asha=spec.asha or Asha(),
        seeds_per_trial=spec.seeds_per_trial,
        max_failed_trials=spec.max_failed_trials,
        finalists=spec.finalists,
        time_budget_seconds=spec.time_budget_seconds,
        resolved_for=resolved_for,
    )


def space_of(spec: HPSearchSpec, task: SearchTask) -> Space:
    """The search's space, its entries replaced by the task's of the same name."""
    return {**(spec.space or {}), **(task.space or {})}


def trials_of(spec: HPSearchSpec, task: SearchTask) -> int:
    """How many trials a task has. Grid: the whole grid unless told otherwise, and never the same point twice."""
    asked = task.trials or spec.trials
    if spec.algorithm != Algorithm.GRID:
        return asked or DEFAULT_TRIALS
    space = space_of(spec, task)
    size = min(grid_size(space), MAX_TRIALS)
    only_grids = all(values.grid is not None for values in space.values())
    return min(asked or size, size) if only_grids else asked or size


def base_settings(spec: HPSearchSpec, task: SearchTask) -> Settings:
    """A task's settings before a trial's values are put in."""
    layers: list[Training | None] = [recipe_layer(task), spec.training, task.training]
    if spec.objective and spec.objective.metric:
        layers.append(Training(metric_for_best_model=spec.objective.metric))
    return resolve_settings(define(task), layers, default_precision=default_precision(spec))


def search_pin_key(spec: HPSearchSpec, uid: str) -> str:
    """What inputs are resolved for once, as `pin_key` has it for experiments."""
    planned = spec.model_dump(mode="json", by_alias=True, exclude=_NOT_PLANNED)
    resources = spec.execution.resources
    asked = resources.model_dump(mode="json", by_alias=True) if resources else None
    return short_hash([uid, planned, spec.execution.retry_token, asked])


def _task_plan(spec: HPSearchSpec, task: SearchTask, data: ResolvedData) -> SearchTaskPlan:
    objective = spec.objective
    settings = base_settings(spec, task)
    direction = objective.direction if objective else None
    definition = define(task)
    said = definition.greater_is_better(settings.metric_for_best_model)
    more = said if direction is None else direction == Direction.MAXIMIZE
    return SearchTaskPlan(
        definition=definition,
        settings=settings,
        data=data,
        trials=trials_of(spec, task),
        space=space_of(spec, task),
        greater_is_better=more,
        goal=objective.goal if objective else None,
        proxy_for=task.proxy_for or (),
    )
