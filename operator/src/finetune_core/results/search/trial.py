"""What drivers leave behind: claims, heartbeats, trial results, ends of tasks; versioned schemas."""

from enum import StrEnum
from typing import Annotated, Any

from pydantic import AfterValidator, Field, field_validator

from finetune_core.frozen import Document, absent, empty
from finetune_core.stored import Count, Seconds, Slug, finite

TRIAL_SCHEMA_VERSION = 1

# What of a trial is kept in mind of thousands of them has to be small.
_MOST_SEEDS = 64
_MOST_CHARACTERS = 8192
_Id = Annotated[str, Field(max_length=64)]


def _small(config: dict[str, Any]) -> dict[str, Any]:
    if len(repr(config)) > _MOST_CHARACTERS:
        raise ValueError(f"it has more than {_MOST_CHARACTERS:,} characters")
    return config


class TrialState(StrEnum):
    """How a trial ended."""

    COMPLETED = "Completed"
    STOPPED = "Stopped"
    """Stopped early by the scheduler: its best value so far counts."""
    FAILED = "Failed"


class EndReason(StrEnum):
    """Why a task has no trial left to do."""

    ALL_TRIALS = "AllTrials"
    GOAL_REACHED = "GoalReached"
    TIME_BUDGET = "TimeBudget"
    TOO_MANY_FAILED = "TooManyFailedTrials"
    BUDGET = "BudgetSpent"
    """`spec.budget` of the whole search; the operator says so, and takes it back once there is more of it."""


class Claim(Document):
    """A driver has taken a trial. Whoever takes it over after a lease keeps the configuration of the first claim."""

    driver: str
    cluster: int
    config: dict[Slug, Any]
    time: str


class Heartbeat(Document):
    """A driver lives; rewritten every few seconds. `running` are trials as "trials/rte/00003".

    `ended`: it has ended in order, and what it had claimed is free at once.
    """

    driver: str
    cluster: int
    beat: int
    running: tuple[str, ...] = ()
    time: str
    ended: bool = False


class TrialReport(Document):
    """One evaluation of a trial: means over its seeds. `progress` is the share of its steps, 0 to 1."""

    step: Count
    progress: float
    seconds: Seconds
    metrics: dict[Slug, float | None]

    @field_validator("metrics")
    @classmethod
    def _finite(cls, metrics: dict[str, float | None]) -> dict[str, float | None]:
        return {name: finite(value) for name, value in metrics.items()}


class TrialResult(Document):
    """A trial that ended. `value` is the objective's best over the history, None if none was finite.

    `duplicate_of` names the index whose result this one repeats: the same configuration was proposed twice.
    """

    schema_version: int = TRIAL_SCHEMA_VERSION
    trial_id: _Id
    task: Slug
    index: Count
    state: TrialState
    config: Annotated[dict[Slug, Any], AfterValidator(_small)]
    settings: dict[str, Any]
    metric: Slug
    greater_is_better: bool
    value: float | None
    step: Count
    total_steps: Count
    metrics: dict[Slug, float | None] = {}
    seeds: Annotated[tuple[Count, ...], Field(max_length=_MOST_SEEDS)]
    run_ids: Annotated[tuple[_Id, ...], Field(max_length=_MOST_SEEDS)]
    history: tuple[TrialReport, ...] = ()
    error: str | None = None
    duplicate_of: int | None = None
    diverged: bool = False
    """It failed because loss or logits were not finite: worse than every other, and no sign of a broken search."""
    taken_from: Annotated[tuple[Slug, ...], Field(exclude_if=empty, max_length=_MOST_SEEDS)] = ()
    """Searches and experiments that trained runs of it, where this one has copies."""
    driver: str
    cluster: int
    started_at: str
    finished_at: str
    seconds: Seconds
    gpu_seconds: Annotated[Seconds, Field(exclude_if=empty)] = 0.0
    """Seconds times GPUs that its runs held over all attempts; none of runs that another search or experiment had."""

    @field_validator("value")
    @classmethod
    def _finite_value(cls, value: float | None) -> float | None:
        return finite(value)

    def is_of(self, task: str, index: int) -> bool:
        """Whether it is that trial's, and no copy of another's."""
        return (self.task, self.index) == (task, index)


class TaskStart(Document):
    """When a task's first driver began; the time budget counts from here."""

    driver: str
    time: str


class TaskEnd(Document):
    """No trial of the task is left to do.

    `ending` is what ends a search by the plan of the driver that says so, `trials` and `finalists` are how many had a
    result then: None in ends that an earlier release wrote.
    """

    driver: str
    reason: EndReason
    message: str
    time: str
    ending: Annotated[str | None, Field(exclude_if=absent)] = None
    trials: Annotated[Count | None, Field(exclude_if=absent)] = None
    finalists: Annotated[Count | None, Field(exclude_if=absent)] = None

    def is_by(self, ending: str) -> bool:
        """Whether it holds for a plan with that `SearchPlan.ending`: a driver of the plan before may write last."""
        return self.ending in {ending, None}

    def misses(self, trials: int, finalists: int, *, planned: int) -> bool:
        """Whether it came after more results than there are now, or than are asked for (trials `planned`)."""
        if self.reason == EndReason.ALL_TRIALS and trials < planned:
            return True
        return trials < (self.trials or 0) or finalists < (self.finalists or 0)
