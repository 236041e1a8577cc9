"""Tuned training arguments of tasks: from a search's status, a ConfigMap, or a folder of `<task>.yaml` files. Pure."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.alias_generators import to_camel

from finetune_core.api import HyperparametersFrom, Training
from finetune_core.api.search_status import HPSearchStatus
from finetune_core.api.status import ConditionStatus, ConditionType
from finetune_core.canonical import short_hash
from finetune_core.problems import InvalidInputError, Problem
from finetune_core.yaml_text import YamlTextError, read_yaml, shown

_MOST_PROBLEMS = 20


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True)


class Tuned(_Frozen):
    """One task's tuned training arguments, in the API's spelling, and where they came from.

    `trial` and `value` are those of the search's trial where a search was read; `searched` is the task that was
    searched in this one's place.
    """

    values: dict[str, Any]
    source: str
    trial: int | None = None
    trial_id: str | None = None
    value: float | None = None
    searched: str | None = None

    @property
    def digest(self) -> str:
        """12 hex digits over the values alone, as in a search's export."""
        return short_hash(self.values, 12)

    @property
    def training(self) -> Training:
        """The values as a layer of settings."""
        return Training.model_validate(self.values)

    def __str__(self) -> str:
        trial = "" if self.trial is None else f" trial {self.trial} ({self.trial_id})"
        value = "" if self.value is None else f" value {self.value:.6g}"
        stands_in = "" if self.searched is None else f" of {self.searched}, which stands in for it,"
        return f"{self.source}{trial}{stands_in}{value} digest {self.digest}"


class TunedTasks(_Frozen):
    """All that a source holds, pinned in an experiment's plan; `source` is the spec's hyperparametersFrom."""

    source: HyperparametersFrom
    tasks: dict[str, Tuned]
    model_digest: str | None = None
    model_uri: str | None = None

    @property
    def digest(self) -> str:
        """12 hex digits over the values of all tasks."""
        return short_hash({task: tuned.values for task, tuned in self.tasks.items()}, 12)

    @property
    def where(self) -> str:
        """What was read, in words."""
        if self.source.hp_search_ref:
            return f"HPSearch {self.source.hp_search_ref.name}"
        if self.source.config_map_ref:
            return f"ConfigMap {self.source.config_map_ref.name}, key {self.source.config_map_ref.key}"
        return self.source.uri or ""

    @property
    def layers(self) -> dict[str, Training]:
        """Task -> layer of settings."""
        return {task: tuned.training for task, tuned in self.tasks.items()}


def search_unready(name: str, status: HPSearchStatus) -> str | None:
    """Why a search's best hyperparameters cannot be taken yet; None if they can."""
    conditions = {one.type: one for one in status.conditions}
    ready = conditions.get(ConditionType.BEST_HYPERPARAMETERS_READY)
    if ready is not None and ready.status == ConditionStatus.TRUE:
        return None
    counts = f" ({status.trials.summary} trials ended)" if status.trials else ""
    succeeded = conditions.get(ConditionType.SUCCEEDED)
    if succeeded is not None and succeeded.status == ConditionStatus.FALSE:
        return f"HPSearch {name} has no best hyperparameters: {succeeded.reason}: {succeeded.message}"
    return f"Waiting for HPSearch {name} to end{counts}."


def from_search(source: HyperparametersFrom, name: str, status: HPSearchStatus) -> TunedTasks:
    """Each task's best, proxied tasks too; InvalidInputError if a value is no training argument."""
    tasks: dict[str, Tuned] = {}
    proxied: dict[str, Tuned] = {}
    for task in status.tasks:
        if task.best is None:
            continue
        values = _checked(f"HPSearch {name}, {task.name}", task.best.hyperparameters)
        best = task.best
        tuned = Tuned(
            values=values, source=f"HPSearch {name}", trial=best.trial, trial_id=best.trial_id, value=best.value
        )
        tasks[task.name] = tuned
        proxied |= {other: tuned.model_copy(update={"searched": task.name}) for other in task.proxy_for or ()}
    return TunedTasks(
        source=source, tasks=proxied | tasks, model_digest=status.model_digest, model_uri=status.model_uri
    )


def from_config_map(source: HyperparametersFrom, where: str, text: str) -> TunedTasks:
    """From YAML that maps tasks to training arguments; InvalidInputError lists all that is wrong in it."""
    return _collected(source, {task: (f"{where}, {task}", values) for task, values in _mapping(where, text).items()})


def from_files(source: HyperparametersFrom, files: Mapping[str, tuple[str, str]]) -> TunedTasks:
    """From one YAML of training arguments a task: task -> (where it lies, text); InvalidInputError as above."""
    problems: list[Problem] = []
    found: dict[str, tuple[str, Any]] = {}
    for task, (where, text) in files.items():
        try:
            found[task] = (where, _mapping(where, text))
        except InvalidInputError as error:
            problems += error.problems
    if problems:
        raise InvalidInputError(tuple(problems))
    return _collected(source, found)


def _collected(source: HyperparametersFrom, found: Mapping[str, tuple[str, Any]]) -> TunedTasks:
    problems: list[Problem] = []
    tasks: dict[str, Tuned] = {}
    for task, (where, values) in found.items():
        try:
            tasks[task] = Tuned(values=_checked(where, values), source=where)
        except InvalidInputError as error:
            problems += error.problems
    if problems:
        raise InvalidInputError(tuple(problems[:_MOST_PROBLEMS]))
    return TunedTasks(source=source, tasks=tasks)


def _mapping(where: str, text: str) -> dict[str, Any]:
    try:
        content = read_yaml(text)
    except YamlTextError as error:
        raise InvalidInputError(
            (Problem("spec.hyperparametersFrom", f"{where} is no YAML: correct it: {error}"),)
        ) from error
    if not isinstance(content, dict):
        problem = Problem("spec.hyperparametersFrom", f"{where} is no mapping of names to values: write one")
        raise InvalidInputError((problem,))
    return content


def _checked(where: str, values: Any) -> dict[str, Any]:
    """The values, JSON-ready, if all of them are training arguments within their bounds."""
    if not isinstance(values, Mapping):
        example = f"{where.rpartition(', ')[2]}: {{learningRate: 5e-5}}"
        problem = Problem("spec.hyperparametersFrom", f"{where}: no mapping of training arguments: write {example}")
        raise InvalidInputError((problem,))
    try:
        training = Training.model_validate(values)
    except ValidationError as error:
        raise InvalidInputError(
            tuple(_problem(where, one["loc"], one["type"], one["msg"]) for one in error.errors()[:_MOST_PROBLEMS])
        ) from error
    return training.model_dump(mode="json", by_alias=True, exclude_none=True)


def _problem(where: str, location: tuple[int | str, ...], kind: str, message: str) -> Problem:
    name = shown(".".join(map(str, location)))
    if kind == "extra_forbidden":
        known = ", ".join(sorted(field.alias or field_name for field_name, field in Training.model_fields.items()))
        message = f"no training argument: use one of {known}"
    return Problem("spec.hyperparametersFrom", f"{where}: {name}: {message}")
