"""The plan of an experiment: every run with its settings, seed and id; and the job plan, index -> runs.

A plan is a pure function of the spec and of what its inputs were resolved to; the same inputs give the same bytes.
"""

from collections.abc import Iterable, Iterator, Mapping
from itertools import count, islice
from types import MappingProxyType
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from finetune_core.api import ExperimentSpec, MissingTasks, ModelRetention, Reuse, RunsUntil
from finetune_core.canonical import canonical_json, short_hash
from finetune_core.frozen import Record, absent, empty
from finetune_core.layout import ExperimentLayout
from finetune_core.planning.identity import RECIPE_VERSION, derive_seed, run_id
from finetune_core.planning.settings import Settings
from finetune_core.planning.tuned import TunedTasks
from finetune_core.results.run import RunResult
from finetune_core.stored import Count, RelativePath, Segment, Slug, Stored
from finetune_core.tasks.data_files import SplitFiles
from finetune_core.tasks.registry import TaskDefinition

PLAN_SCHEMA_VERSION = 1
_MOST_RETAKES = 100
"""Runs of a seed that were quarantined, at most, where it is looked whether an id is one of theirs."""


class ResolvedModel(Record):
    """A model pinned to its content. `pinned` is false where the source cannot be (it may then change unseen)."""

    uri: str
    type: str | None = None
    digest: str
    pinned: bool = True


class ResolvedData(Record):
    """A task's data pinned to its content. `digest` covers training and dev files: what decides a result.

    `hashes` are those of files on the hub, as it has them: the SHA-256 of the content, or its git blob id.
    """

    uri: str
    digest: str
    pinned: bool = True
    splits: SplitFiles
    hashes: Annotated[dict[RelativePath, str], Field(exclude_if=empty)] = {}


class TaskPlan(Record):
    """A task with its settings and data; `hyperparameters_source` says where tuned values came from.

    `until` says when it has runs enough, where the spec does not say how many it has.
    """

    definition: TaskDefinition
    settings: Settings
    data: ResolvedData
    hyperparameters_source: str | None = None
    until: Annotated[RunsUntil | None, Field(exclude_if=absent)] = None

    @property
    def greater_is_better(self) -> bool:
        """Direction of the metric that decides."""
        return self.definition.greater_is_better(self.settings.metric_for_best_model)


class PlannedRun(Record):
    """Run `run` (0, 1, ...) of a task; `fold` (0, 1, ...) is the part of the training file that it is scored on."""

    run_id: Segment
    task: Slug
    run: Count
    seed: Count
    fold: Annotated[Count | None, Field(exclude_if=absent)] = None

    def wrote(self, result: RunResult) -> bool:
        """Whether a result is this run's."""
        return (result.run_id, result.task, result.run) == (self.run_id, self.task, self.run)


class QuarantinedPlannedRun(PlannedRun):
    """A run whose result does not count; another one, of the same seed, is planned in its place."""

    reason: str


class Plan(Record, Stored):
    """All runs of an experiment."""

    schema_version: int = PLAN_SCHEMA_VERSION
    recipe_version: int = RECIPE_VERSION
    namespace: Segment
    experiment: Segment
    model: ResolvedModel
    tasks: dict[str, TaskPlan]
    runs: tuple[PlannedRun, ...]
    quarantined: tuple[QuarantinedPlannedRun, ...] = ()
    predict: bool
    retention: ModelRetention
    leaderboard: MissingTasks | None = None
    resolved_for: str = ""
    """What the inputs were pinned for (see `pin_key`); not part of any digest."""
    tuned: TunedTasks | None = None
    """All that hyperparametersFrom held when it was first read; the tasks' settings hold what is used of it."""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if unknown := {run.task for run in (*self.runs, *self.quarantined)} - self.tasks.keys():
            raise ValueError(f"it has runs of tasks that it does not describe: {', '.join(sorted(unknown))}")
        return self

    @property
    def folder(self) -> str:
        """See Stored."""
        return ExperimentLayout(self.namespace, self.experiment).root

    def to_bytes(self) -> bytes:
        """Canonical JSON: the same plan twice is the same bytes."""
        return canonical_json(self.model_dump(mode="json", by_alias=True))

    @property
    def digest(self) -> str:
        """16 hex digits over all that its tasks and runs are; not over what its inputs were pinned for."""
        return short_hash(self.model_dump(mode="json", by_alias=True, exclude={"resolved_for", "tuned"}))

    @property
    def work_digest(self) -> str:
        """16 hex digits over what the training pods do: the runs, where their inputs lie, what they upload."""
        places = sorted({self.model.uri, *(task.data.uri for task in self.tasks.values())})
        runs = sorted(run.run_id for run in self.runs)
        return short_hash([runs, places, self.predict, self.retention.value])

    @property
    def task_names(self) -> tuple[str, ...]:
        """The tasks in the spec's order, which canonical JSON does not keep for `tasks`."""
        return tuple(dict.fromkeys(run.task for run in self.runs))

    def runs_of(self, task: str) -> tuple[PlannedRun, ...]:
        """The runs of a task, in order of their run index."""
        return tuple(run for run in self.runs if run.task == task)


class ExecutionLimits(Record):
    """What a trainer process must keep to; not part of any run's identity.

    `retries` is for drivers; of a Job's runs Kubernetes counts the failures.
    """

    run_timeout_seconds: int | None = None
    checkpoint_interval_seconds: int = 300
    max_attempts: int = 50
    retries: int = 3
    reuse: Annotated[Reuse, Field(exclude_if=lambda reuse: reuse == Reuse.NAMESPACE)] = Reuse.NAMESPACE


class JobPlan(Record):
    """What one Job does: completion index i does the runs `indexes[i]`, one after another."""

    plan: Plan
    indexes: tuple[tuple[str, ...], ...]
    limits: ExecutionLimits = ExecutionLimits()

    def to_bytes(self) -> bytes:
        """Canonical JSON, as it is written to the plan ConfigMap."""
        return canonical_json(self.model_dump(mode="json", by_alias=True))

    def runs_at(self, index: int) -> tuple[PlannedRun, ...]:
        """The runs of a completion index; IndexError if the plan has no such index."""
        by_id = {run.run_id: run for run in self.plan.runs}
        return tuple(by_id[one] for one in self.indexes[index])


def expand_runs(
    tasks: dict[str, TaskPlan],
    model: ResolvedModel,
    runs: dict[str, int],
    seed: int,
    quarantine: Mapping[str, str] = MappingProxyType({}),
) -> tuple[list[PlannedRun], list[QuarantinedPlannedRun]]:
    """The runs of each task (`runs`: task -> how many), with seeds and ids; tasks keep their order.

    Where a task has folds, each seed is run with all of them, one after another. Runs in `quarantine` (run id ->
    reason) come second; each has another run in its place.
    """
    planned, quarantined = [], []
    for name, task in tasks.items():
        for k in range(runs[name]):
            again, fold = divmod(k, task.definition.folds.count) if task.definition.folds else (k, None)
            candidates = _takes(task, model, k, derive_seed("final", seed, name, again), fold)
            run = next(candidates)
            while run.run_id in quarantine:
                facts = run.model_dump()
                quarantined.append(QuarantinedPlannedRun(**facts, reason=quarantine[run.run_id]))
                run = next(candidates)
            planned.append(run)
    return planned, quarantined


def expand_seeds(task: TaskPlan, model: ResolvedModel, seeds: Iterable[int]) -> list[PlannedRun]:
    """The runs of one task with given seeds, in their order."""
    return [next(_takes(task, model, k, seed)) for k, seed in enumerate(seeds)]


def _takes(task: TaskPlan, model: ResolvedModel, k: int, seed: int, fold: int | None = None) -> Iterator[PlannedRun]:
    """Run k of a task, and the runs that would take its place, one after another."""
    for retake in count():
        identifier = run_id(
            model_digest=model.digest,
            data_digest=task.data.digest,
            task=_task_identity(task.definition),
            settings=task.settings.identity(),
            seed=seed,
            model_type=model.type,
            retake=retake,
            fold=fold,
        )
        yield PlannedRun(run_id=identifier, task=task.definition.name, run=k, seed=seed, fold=fold)


def made_by(task: TaskPlan, model: ResolvedModel, run: PlannedRun) -> bool:
    """Whether a run's id is the one that task, model and seed give it, or one of the first that take its place."""
    candidates = _takes(task, model, run.run, run.seed, run.fold)
    return run in islice(candidates, _MOST_RETAKES)


def _task_identity(definition: TaskDefinition) -> dict[str, Any]:
    # Test sets and submission files do not decide a result: predictions can be completed later.
    return definition.model_dump(mode="json", by_alias=True, exclude={"test_splits", "submission", "folder"})


def make_plan(
    spec: ExperimentSpec,
    *,
    namespace: str,
    name: str,
    model: ResolvedModel,
    tasks: dict[str, TaskPlan],
    runs: dict[str, int],
    resolved_for: str = "",
    tuned: TunedTasks | None = None,
) -> Plan:
    """The plan of a spec whose inputs are resolved."""
    quarantine = {one.run_id: one.reason for one in spec.quarantine or ()}
    planned, quarantined = expand_runs(tasks, model, runs, spec.seed, quarantine)
    return Plan(
        namespace=namespace,
        experiment=name,
        model=model,
        tasks=tasks,
        runs=tuple(planned),
        quarantined=tuple(quarantined),
        predict=spec.predict,
        retention=spec.retention.models,
        leaderboard=spec.leaderboard.missing_tasks if spec.leaderboard else None,
        resolved_for=resolved_for,
        tuned=tuned,
    )


def pin_key(spec: ExperimentSpec, uid: str) -> str:
    """What inputs are resolved for once: this object, what its plan depends on, and the retry token.

    A changed spec, a new retry token, or a deleted and re-applied object look at the inputs anew; an operator that
    restarts does not.
    """
    fields = {"model", "data", "tasks", "runs", "seed", "training", "predict", "leaderboard", "retention"}
    fields |= {"hyperparameters_from", "quarantine", "runs_until"}
    planned = spec.model_dump(mode="json", by_alias=True, include=fields)
    resources = spec.execution.resources
    asked = resources.model_dump(mode="json", by_alias=True) if resources else None
    return short_hash([uid, planned, spec.execution.retry_token, asked])
