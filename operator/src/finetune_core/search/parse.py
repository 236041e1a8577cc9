"""From raw manifests to specs of searches, and every problem of a spec at once."""

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import ValidationError

from finetune_core.parse import define, task_specs
from finetune_core.problems import InvalidInputError, Problem
from finetune_core.search.planning import space_of
from finetune_core.spec import Distribution, HPSearchSpec, SearchTask, Training
from finetune_core.tasks import GLUE_TASKS

_ARGUMENTS = frozenset(field.alias or name for name, field in Training.model_fields.items())


def parse_search(raw: Mapping[str, Any]) -> HPSearchSpec:
    """A spec from its JSON form; InvalidInputError lists every field that does not fit."""
    try:
        return HPSearchSpec.model_validate(raw)
    except ValidationError as error:
        found = {Problem(".".join(map(str, ("spec", *one["loc"]))), one["msg"]) for one in error.errors()}
        raise InvalidInputError(tuple(sorted(found))) from error


def check_search(spec: HPSearchSpec) -> tuple[Problem, ...]:
    """What is wrong with a spec that fits its schema."""
    return tuple(sorted(_problems(spec)))


def search_tasks(spec: HPSearchSpec) -> tuple[SearchTask, ...]:
    """The spec's tasks."""
    return spec.tasks


def search_warnings(spec: HPSearchSpec) -> tuple[str, ...]:
    """What is allowed but probably not meant."""
    if spec.asha and spec.scheduler.value != "ASHA":
        return (f"spec.asha is not used by scheduler {spec.scheduler.value}",)
    return ()


def _problems(spec: HPSearchSpec) -> Iterator[Problem]:
    uris = [("spec.model.uri", spec.model.uri), ("spec.data.uri", spec.data.uri if spec.data else "")]
    uris += [(f"spec.tasks[{task.name}].data.uri", task.data.uri or "") for task in task_specs(spec) if task.data]
    for field, uri in uris:
        if uri.startswith("file://"):
            yield Problem(field, "file:// works in local runs only: use s3://, hf:// or pvc:// in a cluster")
    names = [task.name for task in spec.tasks]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield Problem("spec.tasks", f"{name} is listed more than once: give each task one entry")
    for task in spec.tasks:
        yield from _task_problems(spec, task)


def _task_problems(spec: HPSearchSpec, task: SearchTask) -> Iterator[Problem]:
    field = f"spec.tasks[{task.name}]"
    if task.name not in GLUE_TASKS and task.problem_type is None:
        yield Problem(f"{field}.name", f"none of GLUE's tasks ({', '.join(GLUE_TASKS)}), and no problemType is set")
        return
    space = space_of(spec, task)
    if not space:
        yield Problem(f"{field}.space", "nothing to search: give distributions here or under spec.space")
    for name, values in space.items():
        if name not in _ARGUMENTS:
            yield Problem(f"{field}.space.{name}", f"no training argument: use one of {', '.join(sorted(_ARGUMENTS))}")
        yield from _distribution_problems(f"{field}.space.{name}", values)
    metric = spec.objective.metric if spec.objective else None
    if metric and metric.removeprefix("eval_") not in define(task).measured:
        known = ", ".join(define(task).measured)
        yield Problem("spec.objective.metric", f"{metric} is not measured in {task.name}: use one of {known}")


def _distribution_problems(field: str, values: Distribution) -> Iterator[Problem]:
    given = values.model_dump(exclude_none=True, by_alias=True)
    if len(given) != 1:
        yield Problem(field, f"set exactly one of {', '.join(sorted(Distribution.model_json_schema()['properties']))}")
    for kind, bounds in given.items():
        if kind in {"choice", "grid"}:
            continue
        if bounds[0] > bounds[1]:
            yield Problem(field, f"{kind}: min {bounds[0]} exceeds max {bounds[1]}: swap them")
        if kind.startswith("log") and bounds[0] <= 0:
            yield Problem(field, f"{kind}: min {bounds[0]} must be greater than 0")
