"""`HPSearch.status`: everything in it can be worked out again from the spec, the children and the store."""

from typing import Annotated, Any

from pydantic import Field

from finetune_core.api.common import ApiModel, free_form
from finetune_core.api.execution import Storage
from finetune_core.api.notifications import NotificationsStatus
from finetune_core.api.status import Condition, GpuHours

MAX_BEST_TEXT = 120


class TrialCounts(ApiModel):
    """How many trials are in which state; finalists are not counted."""

    total: Annotated[int, Field(description="Trials that the spec asks for.")] = 0
    running: Annotated[int, Field(description="Taken by a driver that is at work.")] = 0
    completed: Annotated[int, Field(description="Trained to the end.")] = 0
    stopped: Annotated[int, Field(description="Stopped early by the scheduler; their best value counts.")] = 0
    failed: Annotated[int, Field(description="Ended by an error.")] = 0
    summary: Annotated[str, Field(description="Ended/total, for the TRIALS column.")] = "0/0"


class BestTrial(ApiModel):
    """The best trial of a task and its hyperparameters."""

    trial: Annotated[int, Field(description="Index of the trial among the task's.")]
    trial_id: Annotated[str, Field(description="Id of its configuration.")]
    value: Annotated[float, Field(description="Best value of the metric; of a finalist the mean over fresh seeds.")]
    step: Annotated[int, Field(description="Step of that value.")]
    hyperparameters: Annotated[
        dict[str, Any],
        Field(description="Training argument -> value, as under spec.training.", json_schema_extra=free_form()),
    ]
    finalist: Annotated[bool, Field(description="Whether the value was confirmed on fresh seeds.")] = False


class SearchTaskStatus(ApiModel):
    """A task's trials and the best of them."""

    name: Annotated[str, Field(description="The task.")]
    metric: Annotated[str, Field(description="The metric that decides.")]
    trials: Annotated[str, Field(description="Ended/total.")]
    failed: Annotated[int, Field(description="Failed trials.")] = 0
    gpu_hours: GpuHours = None
    end: Annotated[str | None, Field(description="Why no trial is left to do; unset while there are some.")] = None
    best: BestTrial | None = Field(default=None, description="The best trial so far.")
    proxy_for: Annotated[
        tuple[str, ...] | None, Field(description="Tasks that take this task's best hyperparameters.")
    ] = None


class UnitFailure(ApiModel):
    """Why the search of a task was given up by one of the clusters."""

    task: Annotated[str, Field(description="The task.")]
    cluster: Annotated[int, Field(description="Index of the cluster (RayCluster) or pod (Jobs).")]
    reason: Annotated[str, Field(description="One word.")]
    message: Annotated[str, Field(description="What happened and what to do.")]


class SearchResultUris(ApiModel):
    """Where the results lie."""

    json_: Annotated[str, Field(alias="json", description="The summary, for programs.")]
    csv: Annotated[str, Field(description="The summary as a table.")]
    markdown: Annotated[str, Field(description="The summary, for people.")]
    html: Annotated[str, Field(description="The summary with its plots.")]
    trials: Annotated[str, Field(description="One row a trial.")]
    hyperparameters: Annotated[str, Field(description="Folder with one <task>.yaml a task.")]


class HPSearchStatus(ApiModel):
    """The observed state of a search."""

    observed_generation: Annotated[int | None, Field(description="The generation that this is about.")] = None
    conditions: Annotated[
        tuple[Condition, ...],
        Field(
            description="Valid, Succeeded, BestHyperparametersReady, Finished.",
            json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]},
        ),
    ] = ()
    trials: TrialCounts | None = Field(default=None, description="The trials of all tasks, counted.")
    tasks: Annotated[
        tuple[SearchTaskStatus, ...],
        Field(
            description="Task by task.",
            json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
        ),
    ] = ()
    best: Annotated[str | None, Field(description="Each task's best value, for the BEST column.")] = None
    gpu_hours: GpuHours = None
    eta: Annotated[str | None, Field(description="About how long it still takes, coarsely.")] = None
    failures: Annotated[tuple[UnitFailure, ...], Field(description="What was given up first and why.")] = ()
    failures_omitted: Annotated[int | None, Field(description="Failures that are not listed.")] = None
    warnings: Annotated[tuple[str, ...], Field(description="What is allowed but probably not meant.")] = ()
    plan_digest: Annotated[str | None, Field(description="Digest of the plan in force.")] = None
    model_digest: Annotated[str | None, Field(description="Digest of the model that was searched with.")] = None
    model_uri: Annotated[str | None, Field(description="The model that was searched with.")] = None
    jobs: Annotated[tuple[str, ...], Field(description="The Jobs or RayJobs that do the trials.")] = ()
    config_map: Annotated[
        str | None, Field(description="The ConfigMap with the best hyperparameters of each task.")
    ] = None
    storage: Storage | None = Field(
        default=None, description="The storage in use: spec.storage, or the operator's own where that is not set."
    )
    results: SearchResultUris | None = Field(default=None, description="Where the results lie.")
    notifications: NotificationsStatus = None
    start_time: Annotated[str | None, Field(description="When the first Job was created.")] = None
    completion_time: Annotated[str | None, Field(description="When the last trial ended and was reported.")] = None

    def to_patch(self) -> dict[str, Any]:
        """The status as the API has it, without what is not set."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)
