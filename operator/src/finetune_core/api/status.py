"""`FinetuneExperiment.status`: everything in it can be worked out again from the spec, the children and the store."""

from enum import StrEnum
from typing import Annotated, Any

from pydantic import Field

from finetune_core.api.common import ApiModel
from finetune_core.api.execution import Storage
from finetune_core.api.notifications import NotificationsStatus

MAX_FAILURES = 10
MAX_WARNINGS = 20
MAX_PUBLISHED = 128
MAX_MESSAGE = 1024


class ConditionType(StrEnum):
    """The first two are shown from first sight, with the third by experiments and the fourth by searches.

    `StorageSafe` is shown where it is False: the store lacks what results rest on. So is `NotificationsDelivered`: a
    receiver does not take what it is told. `Published` is shown where the spec has `publish`.
    """

    VALID = "Valid"
    SUCCEEDED = "Succeeded"
    LEADERBOARD_READY = "LeaderboardReady"
    BEST_HYPERPARAMETERS_READY = "BestHyperparametersReady"
    STORAGE_SAFE = "StorageSafe"
    FINISHED = "Finished"
    NOTIFICATIONS_DELIVERED = "NotificationsDelivered"
    PUBLISHED = "Published"


class ConditionStatus(StrEnum):
    """As in Kubernetes."""

    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


class Reason(StrEnum):
    """Reasons of the conditions; that of `Succeeded` is the STATUS column."""

    ACCEPTED = "Accepted"
    INVALID_SPEC = "InvalidSpec"
    INPUT_NOT_FOUND = "InputNotFound"
    KUBERAY_MISSING = "KubeRayMissing"
    KUBERAY_TOO_OLD = "KubeRayTooOld"
    SECRET_NOT_FOUND = "SecretNotFound"
    STORAGE_REFUSED = "StorageRefused"
    CREATES_REPEATEDLY = "CreatesRepeatedly"
    REJECTED = "Rejected"
    CHECKING = "Checking"

    PENDING = "Pending"
    STORAGE_UNAVAILABLE = "StorageUnavailable"
    RESOLVING_INPUTS = "ResolvingInputs"
    WAITING_FOR_HYPERPARAMETERS = "WaitingForHyperparameters"
    QUEUED = "Queued"
    RUNNING = "Running"
    BLOCKED = "Blocked"
    STALLED = "Stalled"
    INTERNAL_ERROR = "InternalError"
    SUSPENDED = "Suspended"
    REPLACING_JOB = "ReplacingJob"
    REPORTING = "Reporting"
    ALL_RUNS_SUCCEEDED = "AllRunsSucceeded"
    SOME_RUNS_FAILED = "SomeRunsFailed"
    TASK_FAILED = "TaskFailed"
    REPORT_FAILED = "ReportFailed"
    BUDGET_SPENT = "BudgetSpent"

    NOT_REQUESTED = "NotRequested"
    WAITING_FOR_RUNS = "WaitingForRuns"
    COMPLETE = "Complete"
    WITH_PLACEHOLDERS = "WithPlaceholders"
    TASKS_MISSING = "TasksMissing"

    DELIVERY_FAILED = "DeliveryFailed"
    DELIVERY_GIVEN_UP = "DeliveryGivenUp"

    PUBLISHING = "Publishing"
    WAITING_FOR_REPORT = "WaitingForReport"
    PUBLISHED = "Published"
    PUBLISH_FAILED = "PublishFailed"

    SEARCH_CHANGED = "SearchChanged"
    ALL_TRIALS_ENDED = "AllTrialsEnded"
    SOME_TRIALS_FAILED = "SomeTrialsFailed"
    WAITING_FOR_TRIALS = "WaitingForTrials"
    EXPORTED = "Exported"
    NOTHING_TO_EXPORT = "NothingToExport"


GpuHours = Annotated[
    float | None,
    Field(
        description="GPUs times the hours that runs held them, over all attempts, rounded; unset on CPUs. Runs that "
        "another experiment trained cost nothing here."
    ),
]

EnergyKwh = Annotated[
    float | None,
    Field(
        description="What these GPUs took meanwhile, by their own counters, in kilowatt-hours, rounded; unset where "
        "they do not tell it of all these runs, as where several runs share a GPU."
    ),
]


class Condition(ApiModel):
    """One condition, as Kubernetes' metav1.Condition."""

    type: Annotated[
        str,
        Field(
            description="Valid, Succeeded, Finished; LeaderboardReady or BestHyperparametersReady; StorageSafe and "
            "NotificationsDelivered where they are False; Published where spec.publish is set."
        ),
    ]
    status: Annotated[ConditionStatus, Field(description="True, False or Unknown (not decided yet).")]
    reason: Annotated[str, Field(description="One word for programs.")]
    message: Annotated[str, Field(description="What it means and what to do.")]
    last_transition_time: Annotated[str, Field(description="When status last changed.")]
    observed_generation: Annotated[int, Field(description="The generation that this is about.")]


class RunCounts(ApiModel):
    """How many runs are in which state."""

    total: Annotated[int, Field(description="Runs that the spec asks for.")] = 0
    pending: Annotated[int, Field(description="Not started, or waiting to go on.")] = 0
    running: Annotated[int, Field(description="In a pod now.")] = 0
    succeeded: Annotated[int, Field(description="With a result.")] = 0
    failed: Annotated[int, Field(description="Out of retries, or the user's mistake.")] = 0
    taken: Annotated[
        int | None, Field(description="Of those with a result, how many another experiment trained (execution.reuse).")
    ] = None
    summary: Annotated[str, Field(description="Ended/total, or ended/total..most, for the RUNS column.")] = "0/0"


class BestRun(ApiModel):
    """The best run of a task."""

    run: Annotated[int, Field(description="Index of the run among the task's.")]
    run_id: Annotated[str, Field(description="Id of the run, its folder in the store.")]
    seed: Annotated[int, Field(description="Seed of the run.")]
    value: Annotated[float, Field(description="Best value of the metric.")]
    step: Annotated[int, Field(description="Step of that value.")]
    uri: Annotated[str, Field(description="Folder of the run in the store.")]
    taken_from: Annotated[str | None, Field(description="The experiment that trained it, if not this one.")] = None


class TaskStatus(ApiModel):
    """A task's runs and what came out of them."""

    name: Annotated[str, Field(description="The task.")]
    metric: Annotated[str, Field(description="The metric that decides.")]
    runs: Annotated[str, Field(description="Succeeded/total; total..most where runsUntil may still add some.")]
    seeds: Annotated[str | None, Field(description="Where runsUntil is set: whether there are enough, and why.")] = None
    failed: Annotated[int, Field(description="Failed runs.")] = 0
    best: BestRun | None = Field(default=None, description="The best run so far.")
    mean: Annotated[float | None, Field(description="Mean of the metric over the succeeded runs.")] = None
    std: Annotated[float | None, Field(description="Sample standard deviation of it.")] = None
    score: Annotated[
        float | None, Field(description="Mean of the task's reporting metrics at the best run's best step, x100.")
    ] = None
    gpu_hours: GpuHours = None
    energy_kwh: EnergyKwh = None


class RunFailure(ApiModel):
    """Why a run failed, in the trainer's or the kubelet's words."""

    task: Annotated[str, Field(description="The task.")]
    run: Annotated[int, Field(description="Index of the run among the task's.")]
    run_id: Annotated[str, Field(description="Id of the run.")]
    reason: Annotated[str, Field(description="One word.")]
    message: Annotated[str, Field(description="What happened and what to do.")]


class ResultUris(ApiModel):
    """Where the results lie."""

    json_: Annotated[str, Field(alias="json", description="Everything, for programs.")]
    csv: Annotated[str, Field(description="One row a task and metric.")]
    markdown: Annotated[str, Field(description="The table, for people.")]
    html: Annotated[str | None, Field(description="The results with their plots.")] = None


class LeaderboardStatus(ApiModel):
    """The leaderboard zip."""

    uri: Annotated[str | None, Field(description="The zip.")] = None
    sha256: Annotated[str | None, Field(description="Its SHA-256.")] = None
    missing: Annotated[tuple[str, ...], Field(description="Files of the zip that no best run stands behind.")] = ()
    placeholders: Annotated[tuple[str, ...], Field(description="Files that hold placeholders.")] = ()


class HyperparametersStatus(ApiModel):
    """The tuned hyperparameters that were pinned for the experiment."""

    source: Annotated[str, Field(description="What they were read from.")]
    digest: Annotated[str, Field(description="Digest of the values.")]
    tasks: Annotated[tuple[str, ...], Field(description="Where each task's values came from.")] = ()
    newer_available: Annotated[
        bool,
        Field(description="Whether the source holds other values by now; an experiment keeps those it began with."),
    ] = False


class PublishedModel(ApiModel):
    """A model that was published."""

    name: Annotated[str, Field(description="Name of the place, as in spec.publish.")]
    task: Annotated[str, Field(description="The task.")]
    run: Annotated[int, Field(description="Index of the run among the task's.")]
    run_id: Annotated[str, Field(description="Id of the run.")]
    uri: Annotated[
        str, Field(description="Where it lies for good: by its commit, digest or version; a folder has none.")
    ]
    time: Annotated[str, Field(description="When it was published.")]


class ExperimentStatus(ApiModel):
    """The observed state of an experiment."""

    observed_generation: Annotated[int | None, Field(description="The generation that this is about.")] = None
    conditions: Annotated[
        tuple[Condition, ...],
        Field(
            description="Valid, Succeeded, LeaderboardReady, Finished.",
            json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]},
        ),
    ] = ()
    runs: RunCounts | None = Field(default=None, description="All runs, counted.")
    tasks: Annotated[
        tuple[TaskStatus, ...],
        Field(
            description="Task by task.",
            json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
        ),
    ] = ()
    score: Annotated[str | None, Field(description="Mean score over the tasks done, x100, for the SCORE column.")] = (
        None
    )
    score_covers: Annotated[str | None, Field(description="Over which tasks the score is a mean.")] = None
    gpu_hours: GpuHours = None
    energy_kwh: EnergyKwh = None
    eta: Annotated[str | None, Field(description="About how long it still takes, coarsely.")] = None
    failures: Annotated[tuple[RunFailure, ...], Field(description="The first failed runs and why.")] = ()
    failures_omitted: Annotated[int | None, Field(description="Failed runs that are not listed.")] = None
    warnings: Annotated[
        tuple[str, ...],
        Field(description="What is allowed but probably not meant, and trackers that do not show all runs."),
    ] = ()
    plan_digest: Annotated[str | None, Field(description="Digest of the plan in force.")] = None
    job: Annotated[str | None, Field(description="The Job that does the runs.")] = None
    storage: Storage | None = Field(
        default=None, description="The storage in use: spec.storage, or the operator's own where that is not set."
    )
    results: ResultUris | None = Field(default=None, description="Where the results lie.")
    leaderboard: LeaderboardStatus | None = Field(default=None, description="The leaderboard zip.")
    hyperparameters: HyperparametersStatus | None = Field(
        default=None, description="The tuned hyperparameters in use, where spec.hyperparametersFrom is set."
    )
    published: Annotated[
        tuple[PublishedModel, ...] | None, Field(description="The models that lie where spec.publish says.")
    ] = None
    published_omitted: Annotated[int | None, Field(description="Models that are not listed.")] = None
    notifications: NotificationsStatus = None
    start_time: Annotated[str | None, Field(description="When the first Job was created.")] = None
    completion_time: Annotated[str | None, Field(description="When the last run ended and was reported.")] = None

    def to_patch(self) -> dict[str, Any]:
        """The status as the API has it, without what is not set."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)
