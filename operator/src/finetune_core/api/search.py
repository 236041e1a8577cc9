"""`HPSearch.spec`: which hyperparameters of which tasks to search, how, and how long."""

from enum import StrEnum
from itertools import combinations
from typing import Annotated, Any

from pydantic import ConfigDict, Field

from finetune_core.api.budget import BudgetChoice
from finetune_core.api.common import ApiModel, cel_list, free_form, rules
from finetune_core.api.execution import Data, Execution, Model, Storage
from finetune_core.api.notifications import NotificationsChoice
from finetune_core.api.tasks import TaskSpec
from finetune_core.api.training import Training
from finetune_core.planning.arguments.table import API_GROUPS, SEARCHABLE

MAX_TRIALS = 10_000

_RANGES = ("uniform", "logUniform", "int", "logInt")


class Algorithm(StrEnum):
    """What proposes configurations."""

    RANDOM = "Random"
    GRID = "Grid"
    TPE = "TPE"


class TrialScheduler(StrEnum):
    """What stops trials early."""

    FIFO = "FIFO"
    ASHA = "ASHA"
    MEDIAN_STOPPING = "MedianStopping"


class Direction(StrEnum):
    """Whether more is better."""

    MAXIMIZE = "Maximize"
    MINIMIZE = "Minimize"


_LINEAR = {"logUniform": "uniform", "logInt": "int"}
_PAIR = Field(min_length=2, max_length=2)
Scalar = Annotated[Any, Field(json_schema_extra=free_form())]


def _ordered(kind: str) -> tuple[str, str]:
    return (
        f"!has(self.{kind}) || self.{kind}[0] < self.{kind}[1]",
        f"{kind}: min must be less than max: swap them, or set a single value under training",
    )


def _positive(kind: str) -> tuple[str, str]:
    return (
        f"!has(self.{kind}) || self.{kind}[0] > 0",
        f"{kind}: min must be greater than 0, which has no logarithm: raise it, or use {_LINEAR[kind]}",
    )


class Distribution(ApiModel):
    """The values that one hyperparameter can take; exactly one field is set."""

    # CEL does not see lists of values of any kind, so that one field is set is said by the number of properties.
    model_config = ConfigDict(
        json_schema_extra={
            "minProperties": 1,
            "maxProperties": 1,
            **rules(*(_ordered(kind) for kind in _RANGES), _positive("logUniform"), _positive("logInt")),
        }
    )

    uniform: Annotated[
        tuple[float, ...] | None, _PAIR, Field(description="[min, max], every value equally likely.")
    ] = None
    log_uniform: Annotated[
        tuple[float, ...] | None, _PAIR, Field(description="[min, max], every magnitude equally likely; min > 0.")
    ] = None
    int_: Annotated[
        tuple[int, ...] | None, _PAIR, Field(alias="int", description="[min, max], whole numbers, both included.")
    ] = None
    log_int: Annotated[
        tuple[int, ...] | None,
        _PAIR,
        Field(description="[min, max], whole numbers, every magnitude equally likely; min > 0."),
    ] = None
    choice: Annotated[
        tuple[Scalar, ...] | None,
        Field(min_length=1, max_length=100, description="One of these values, each equally likely."),
    ] = None
    grid: Annotated[
        tuple[Scalar, ...] | None,
        Field(min_length=1, max_length=100, description="Each of these values in turn, crossed with other grids."),
    ] = None


Space = dict[str, Distribution]
"""Training argument (as under spec.training) -> its distribution."""

_SPACE_RULES = rules(
    (
        f"self.all(name, name in {cel_list(SEARCHABLE)})",
        f"a space can hold these training arguments: {', '.join(SEARCHABLE)}",
    ),
    *(
        (
            f"!('{one}' in self && '{other}' in self)",
            f"{one} and {other} exclude each other: search one of them",
        )
        for group in API_GROUPS
        for one, other in combinations(group, 2)
    ),
)


class Objective(ApiModel):
    """What a trial is judged by."""

    metric: Annotated[
        str | None,
        Field(min_length=1, max_length=64, description="Metric on the dev set. Default: the task's own."),
    ] = None
    direction: Annotated[
        Direction | None, Field(description="Whether more is better. Default: as the metric's name says.")
    ] = None
    goal: Annotated[float | None, Field(description="A task's search ends when a trial reaches this value.")] = None


class Asha(ApiModel):
    """Asynchronous successive halving (https://arxiv.org/abs/1810.05934). Rungs are shares of a trial's maxSteps."""

    reduction_factor: Annotated[
        int, Field(ge=2, le=10, description="Of this many trials at a rung about one goes on.")
    ] = 3
    grace_period: Annotated[
        float, Field(gt=0, le=1, description="Share of its steps that every trial is given before it can be stopped.")
    ] = 0.25


class Finalists(ApiModel):
    """The best configurations are run again on fresh seeds, and the best of these means is exported.

    The best of many noisy values is too good to be true; fresh seeds remove that bias.
    """

    trials: Annotated[int, Field(ge=1, le=20, description="How many of the best configurations are run again.")] = 3
    seeds: Annotated[int, Field(ge=1, le=20, description="Fresh seeds that each is run with.")] = 3


NO_FOLDS = (
    "folds is for experiments: name a dev set (data.validation) to search on, then cross-validate what was found with "
    "hyperparametersFrom"
)


class SearchTask(TaskSpec):
    """A task to search on; fields that are not set fall back to those of the search."""

    trials: Annotated[int | None, Field(ge=1, le=MAX_TRIALS, description="Trials of this task, over all clusters.")] = (
        None
    )
    space: Annotated[
        Space | None,
        Field(
            min_length=1,
            max_length=32,
            description="Distributions that replace those of spec.space by name.",
            json_schema_extra=_SPACE_RULES,
        ),
    ] = None
    proxy_for: Annotated[
        tuple[str, ...] | None,
        Field(
            min_length=1,
            max_length=64,
            description="Tasks that are not searched but take this task's best hyperparameters.",
        ),
    ] = None


class HPSearchSpec(ApiModel):
    """Which hyperparameters to search, on which tasks, and how."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            (
                "has(self.space) || self.tasks.all(task, has(task.space))",
                "nothing to search: give distributions under space, or under tasks[].space of every task",
            ),
            (
                "self.tasks.all(task, !has(task.runs) && !has(task.runsUntil))",
                "tasks[].runs and runsUntil are for experiments: a search has trials and seedsPerTrial",
            ),
            (
                "self.tasks.all(task, !has(task.folds))",
                f"tasks[].{NO_FOLDS}",
            ),
        )
    )

    model: Model = Field(description="The pretrained model.")
    data: Data | None = Field(default=None, description="The data of all tasks. Default: GLUE from the hub.")
    tasks: Annotated[
        tuple[SearchTask, ...],
        Field(
            min_length=1,
            max_length=64,
            description="The tasks to search on, by name.",
            json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
        ),
    ]
    space: Annotated[
        Space | None,
        Field(
            min_length=1,
            max_length=32,
            description="Training argument -> distribution, e.g. learningRate: {logUniform: [1e-5, 1e-3]}. "
            "Each task can replace entries.",
            json_schema_extra=_SPACE_RULES,
        ),
    ] = None
    training: Training | None = Field(default=None, description="Training arguments that are not searched.")
    trials: Annotated[
        int | None,
        Field(
            ge=1,
            le=MAX_TRIALS,
            description="Trials of each task, over all clusters. Default: 20; with Grid: the whole grid.",
        ),
    ] = None
    seed: Annotated[int, Field(ge=0, le=2**31 - 1, description="Base seed of configurations and of trials.")] = 42
    algorithm: Annotated[Algorithm, Field(description="Random, Grid or TPE (tree-structured Parzen estimator).")] = (
        Algorithm.RANDOM
    )
    scheduler: Annotated[
        TrialScheduler,
        Field(description="FIFO: every trial to its end. ASHA, MedianStopping: bad ones are stopped early."),
    ] = TrialScheduler.FIFO
    asha: Asha | None = Field(default=None, description="Settings of ASHA.")
    objective: Objective | None = Field(default=None, description="What trials are judged by.")
    seeds_per_trial: Annotated[
        int, Field(ge=1, le=20, description="Seeds that each configuration is run with; their mean is its value.")
    ] = 1
    clusters: Annotated[
        int,
        Field(
            ge=1,
            le=50,
            description="Independent searches into one set of trials: pods (Jobs) or Ray clusters (RayCluster). Any of "
            "them can be killed at any time.",
        ),
    ] = 1
    concurrent_trials: Annotated[
        int, Field(ge=1, le=64, description="Trials at a time in one pod (Jobs mode); they share its resources.")
    ] = 1
    max_failed_trials: Annotated[
        int, Field(ge=0, le=MAX_TRIALS, description="A task's search ends when more than this many trials have failed.")
    ] = 10
    finalists: Finalists | None = Field(
        default=None, description="Run the best configurations again on fresh seeds before exporting one."
    )
    time_budget_seconds: Annotated[
        int | None,
        Field(ge=1, le=31_536_000, description="A task's search starts no new trial after this time. Default: none."),
    ] = None
    execution: Execution = Field(default_factory=Execution)
    budget: BudgetChoice = None
    storage: Storage | None = Field(
        default=None, description="Where trials go. Default: the storage that the operator was installed with."
    )
    notifications: NotificationsChoice = None
