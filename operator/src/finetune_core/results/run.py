"""What a run leaves behind: `result.json`, `progress.json` and failure reports, as versioned schemas.

Non-finite metric values are written as null: JSON has no NaN, and NaN never wins.
"""

from enum import StrEnum
from typing import Annotated, Any

from pydantic import Field, field_validator

from finetune_core.frozen import Document, absent, empty
from finetune_core.spent import UNSPENT, Spent
from finetune_core.stored import Count, Joules, Seconds, Segment, Slug, finite

RESULT_SCHEMA_VERSION = 1
MOST_METRICS = 64
"""Of an evaluation: who reads many results remembers them all."""


class ExitCode:
    """What the exit of a pod of ours says to Kubernetes (see the Job's podFailurePolicy).

    RESULTS_CHANGED: a report was ordered of other results than there are; the operator looks again.
    STORE: the store was waited for in vain, or has to be mended; tried again for as long as it takes, at no cost.
    (The numbers are those of sysexits.h.)
    """

    SUCCESS = 0
    RETRY = 1
    USER_ERROR = 64
    GAVE_UP = 65
    RESULTS_CHANGED = 66
    STORE = 75
    INTERRUPTED = 143


class FailureReason(StrEnum):
    """Why a run failed, as shown in status and events."""

    USER_ERROR = "UserError"
    OUT_OF_MEMORY = "OutOfMemory"
    DIVERGED = "Diverged"
    TIMEOUT = "RunTimeout"
    TOO_MANY_ATTEMPTS = "TooManyAttempts"
    STORE = "StoreUnavailable"
    WORKER_DIED = "WorkerDied"
    SPARSITY_LOST = "SparsityLost"
    RESULTS_CHANGED = "ResultsChanged"
    PLACE = "PlaceUnavailable"
    INTERNAL = "InternalError"


class Failure(Document):
    """Why one attempt failed; written to `failures/` and, shortened, to the pod's termination message."""

    reason: FailureReason
    message: str
    run_id: str
    task: str
    run: int
    attempt: str
    exit_code: int
    time: str
    traceback: str | None = None
    scope: str = ""
    """What it counts for, see `failure_scope`."""

    @property
    def is_final(self) -> bool:
        """Whether trying again makes no sense."""
        return self.exit_code in {ExitCode.USER_ERROR, ExitCode.GAVE_UP}


def failure_scope(owner_uid: str, revision: str) -> str:
    """What failures count for: one object and one revision of its Jobs. Another retry token is another revision."""
    return f"{owner_uid}/{revision}"


class Phase(StrEnum):
    """What a living run does."""

    TRAINING = "training"
    EVALUATING = "evaluating"
    PREDICTING = "predicting"
    UPLOADING = "uploading"


class Progress(Document):
    """Where a living run is. `elapsed_seconds` counts over all attempts, without waiting.

    `gpu_seconds` are these times the GPUs that each attempt held (0.5 of one that two runs share), `energy_joules` what
    these GPUs took meanwhile: None where no counter told it of all attempts.
    `phase` is one of Phase, or a word of a later version.
    """

    step: Count
    total_steps: Count
    seconds_left: Seconds | None
    elapsed_seconds: Seconds
    gpu_seconds: Annotated[Seconds, Field(exclude_if=empty)] = 0.0
    energy_joules: Annotated[Joules | None, Field(exclude_if=absent)] = None
    attempt: str
    time: str
    phase: str = Phase.TRAINING

    @property
    def spent(self) -> Spent:
        """What it took of GPUs so far."""
        return Spent(self.gpu_seconds, self.energy_joules)


class Hold(Document):
    """Nothing new is to begin for now; `message` says why. Runs that are at work go on to their end."""

    message: str


class DriverFailure(Document):
    """Why a unit of work will not be tried again by the driver."""

    reason: str
    message: str


class DriverReport(Document):
    """What the driver of a RayJob has done so far, rewritten when it changes; units are run ids, or task/cluster."""

    done: tuple[str, ...] = ()
    failed: dict[str, DriverFailure] = {}
    running: tuple[str, ...] = ()
    time: str


class RunsAtOnce(Document):
    """How many runs a pod does at a time, as long as it is there."""

    count: Count


class PredictionFile(Document):
    """A predicted test set: rows without the header, SHA-256 of the bytes, digest of the test data."""

    rows: Count
    sha256: str


class DevPredictionFile(PredictionFile):
    """A predicted dev set: `data` is a digest of its content, `prefix` stands before the names of its metrics.

    `positive` is the label that F1 and its kin are of, where the task has two; `regression`: values are scores.
    `labels` are those of which a text can have several: values are JSON lists of them.
    """

    data: str
    prefix: str = ""
    positive: str | None = None
    regression: bool = False
    labels: Annotated[tuple[str, ...], Field(exclude_if=empty)] = ()


class Sparsity(Document):
    """Zeros of a model of a sparse type, counted over the weights that the type covers.

    `weights` are covered, `masked` of them have to be zero, `non_zero` are not; `sparsity` = 1 - non_zero / weights.
    `parameters` are those of the whole model; `non_zero_parameters` = parameters - (weights - non_zero).
    """

    weights: int
    masked: int
    non_zero: int
    sparsity: float
    parameters: int
    non_zero_parameters: int


class SparsityRecord(Document):
    """A sparse model as it was loaded, and with the weights that were predicted with."""

    type: str
    before: Sparsity
    after: Sparsity


class ParameterCount(Document):
    """Parameters of a model of which not all are trained, the head's and an adapter's among them."""

    trainable: Count
    total: Count


class RunResult(Document):
    """A run that succeeded. `metrics` are those of the best step; `value` is None if none was finite."""

    schema_version: int = RESULT_SCHEMA_VERSION
    run_id: Segment
    task: Slug
    run: Count
    seed: Count
    attempt: Segment
    metric: Slug
    greater_is_better: bool
    value: float | None
    step: Count
    metrics: Annotated[dict[Slug, float | None], Field(max_length=MOST_METRICS)]
    last_step: Count
    last_metrics: dict[Slug, float | None]
    evaluations: Count
    started_at: str
    finished_at: str
    train_seconds: Seconds
    gpu_seconds: Annotated[Seconds | None, Field(exclude_if=empty)] = None
    """Seconds times GPUs that its attempts held; none on CPUs, and in results that are older than the field."""
    energy_joules: Annotated[Joules | None, Field(exclude_if=absent)] = None
    """What these GPUs took meanwhile; none where no counter told it of all attempts."""
    attempts: Count = 1
    resumed_from: tuple[Count, ...] = ()
    predictions: dict[Segment, PredictionFile] = {}
    dev_predictions: Annotated[dict[Segment, DevPredictionFile], Field(exclude_if=empty)] = {}
    """Of the best evaluation, by file name; empty where none are kept, and in results that are older than the field."""
    test_data: Annotated[dict[Segment, str], Field(exclude_if=empty)] = {}
    """File of predictions -> digest of the test set that they are of; empty in results older than the field."""
    model: str | None = None
    weights_digest: Annotated[str | None, Field(exclude_if=absent)] = None
    """`content_digest` of what was kept at `model`, as the store listed it then."""
    settings: dict[str, Any]
    model_uri: str
    model_digest: str
    data_digest: str
    recipe_version: int
    hardware: dict[str, str | int | float | None] = {}
    versions: dict[str, str] = {}
    image: str | None = None
    peak_memory_bytes: int | None = None
    token_cache: str | None = None
    sparsity: SparsityRecord | None = None
    """None for dense models."""
    parameters: Annotated[ParameterCount | None, Field(exclude_if=absent)] = None
    """None where all are trained."""
    taken_from: Annotated[Slug | None, Field(exclude_if=absent)] = None
    """The experiment or search of the namespace that trained it, where this one has its copy."""
    warnings: tuple[str, ...] = ()
    """What a reader has to know: parts of the model below its head that are new, trackers that could not be reached."""

    @property
    def spent_here(self) -> Spent:
        """What the run cost whoever has this result: nothing, where it is a copy of another's."""
        return UNSPENT if self.taken_from else Spent(self.gpu_seconds or 0.0, self.energy_joules)

    @field_validator("value")
    @classmethod
    def _finite_value(cls, value: float | None) -> float | None:
        return finite(value)

    @field_validator("metrics", "last_metrics")
    @classmethod
    def _finite_metrics(cls, metrics: dict[str, float | None]) -> dict[str, float | None]:
        return {name: finite(value) for name, value in metrics.items()}
