"""The plan of a search: what each trial starts from, how configurations are made, what ends the search."""

from typing import Self

from pydantic import model_validator

from finetune_core.api import ModelRetention
from finetune_core.api.search import Algorithm, Asha, Finalists, Space, TrialScheduler
from finetune_core.canonical import canonical_json, short_hash
from finetune_core.frozen import Record
from finetune_core.planning.identity import RECIPE_VERSION, derive_seed
from finetune_core.planning.plan import ExecutionLimits, Plan, ResolvedData, ResolvedModel, TaskPlan, expand_seeds
from finetune_core.planning.settings import Config, Settings, trial_settings
from finetune_core.search_layout import SearchLayout
from finetune_core.stored import Segment, Slug, Stored
from finetune_core.tasks.registry import TaskDefinition

SEARCH_SCHEMA_VERSION = 1


class SearchTaskPlan(Record):
    """A task of a search; `settings` are those of every trial but for what its configuration sets.

    `settings.metric_for_best_model` is the objective's metric.
    """

    definition: TaskDefinition
    settings: Settings
    data: ResolvedData
    trials: int
    space: Space
    greater_is_better: bool
    goal: float | None = None
    proxy_for: tuple[str, ...] = ()


class SearchPlan(Record, Stored):
    """Everything that a driver needs to know, and nothing about pods."""

    schema_version: int = SEARCH_SCHEMA_VERSION
    recipe_version: int = RECIPE_VERSION
    namespace: Segment
    search: Segment
    model: ResolvedModel
    tasks: dict[Slug, SearchTaskPlan]
    order: tuple[str, ...]
    """The tasks in the spec's order, which canonical JSON does not keep for `tasks`."""
    seed: int
    algorithm: Algorithm
    scheduler: TrialScheduler
    asha: Asha = Asha()
    seeds_per_trial: int = 1
    max_failed_trials: int = 10
    finalists: Finalists | None = None
    time_budget_seconds: int | None = None
    resolved_for: str = ""
    """What the inputs were pinned for; not part of the digest."""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if unknown := set(self.order) - self.tasks.keys():
            raise ValueError(f"it lists tasks that it does not describe: {', '.join(sorted(unknown))}")
        return self

    @property
    def folder(self) -> str:
        """See Stored."""
        return SearchLayout(self.namespace, self.search).root

    def to_bytes(self) -> bytes:
        """Canonical JSON: the same plan twice is the same bytes."""
        return canonical_json(self.model_dump(mode="json", by_alias=True))

    @property
    def digest(self) -> str:
        """16 hex digits over the whole plan, but for what its inputs were pinned for."""
        return short_hash(self.model_dump(mode="json", by_alias=True, exclude={"resolved_for"}))

    def ending(self, task: str) -> str:
        """12 hex digits over what ends the search on a task, but for the number of its trials."""
        finalists = self.finalists and self.finalists.model_dump(mode="json")
        return short_hash([self.max_failed_trials, self.time_budget_seconds, finalists, self.tasks[task].goal], 12)

    def trial_seeds(self, task: str) -> tuple[int, ...]:
        """The seeds of every trial of a task: the same for all configurations, so that these are compared fairly."""
        return tuple(derive_seed("search", self.seed, task, k) for k in range(self.seeds_per_trial))

    def finalist_seeds(self, task: str) -> tuple[int, ...]:
        """The fresh seeds of finalists: none of them is a trial's."""
        count = self.finalists.seeds if self.finalists else 0
        first = self.seeds_per_trial
        return tuple(derive_seed("search", self.seed, task, first + k) for k in range(count))

    def trial_plan(self, task: str, config: Config, seeds: tuple[int, ...]) -> Plan:
        """A configuration as a plan of ordinary runs, one a seed, kept in the search's folder."""
        searched = self.tasks[task]
        settings = trial_settings(searched.settings, config)
        planned = TaskPlan(definition=searched.definition, settings=settings, data=searched.data)
        return Plan(
            namespace=self.namespace,
            experiment=self.search,
            model=self.model,
            tasks={task: planned},
            runs=tuple(expand_seeds(planned, self.model, seeds)),
            predict=False,
            retention=ModelRetention.NONE,
        )

    def trial_id(self, task: str, config: Config) -> str:
        """12 hex digits over all that decides a trial's value: the same configuration has the same id everywhere."""
        plan = self.trial_plan(task, config, self.trial_seeds(task))
        return short_hash([run.run_id for run in plan.runs], 12)


class SearchJobPlan(Record):
    """What the pods of a search do: completion index i drives task `units[i][0]` as cluster `units[i][1]`.

    The driver of a Ray cluster c takes every unit of that cluster, task by task.
    """

    plan: SearchPlan
    units: tuple[tuple[str, int], ...]
    limits: ExecutionLimits = ExecutionLimits()
    concurrent_trials: int = 1
    cpus_per_trial: float | None = None
    gpus_per_trial: float | None = None

    def to_bytes(self) -> bytes:
        """Canonical JSON, as it is written to the plan ConfigMap."""
        return canonical_json(self.model_dump(mode="json", by_alias=True))


def unit_name(unit: tuple[str, int]) -> str:
    """`rte/0`: a task and the cluster that searches on it."""
    return f"{unit[0]}/{unit[1]}"
