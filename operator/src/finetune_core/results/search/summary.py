"""`summary.json`: what came out of a search, as a versioned schema.

All of it follows from the plan, the trials and the ends of the tasks; it holds no clock of its own, so the same inputs
give the same bytes.
"""

from typing import Annotated, Any

from pydantic import Field

from finetune_core.api.search import Algorithm, TrialScheduler
from finetune_core.frozen import Document, empty
from finetune_core.results.search.export import BestConfig
from finetune_core.results.search.trial import EndReason, TrialState
from finetune_core.search_layout import SearchLayout
from finetune_core.stored import RelativePath, Segment, Slug, Stored

SUMMARY_SCHEMA_VERSION = 1


class TrialCounts(Document):
    """How many trials of a task came to what. `unfinished` were claimed and have no result.

    `duplicates` are among the others: their configuration had been tried before, so they were not run. So are `taken`:
    another search had trained runs of theirs.
    """

    planned: int
    completed: int = 0
    stopped: int = 0
    failed: int = 0
    unfinished: int = 0
    duplicates: int = 0
    taken: Annotated[int, Field(exclude_if=empty)] = 0

    @property
    def ended(self) -> int:
        """Trials with a result."""
        return self.completed + self.stopped + self.failed


class TopTrial(Document):
    """One of the best trials; `step` is that of its best value."""

    trial: int
    trial_id: str
    state: TrialState
    value: float
    step: int
    hyperparameters: dict[Slug, Any]
    seconds: float


class FinalistRow(Document):
    """A configuration that was run again on fresh seeds. `before` is the value that it was chosen by."""

    index: int
    trial: int | None
    trial_id: str
    state: TrialState
    before: float | None
    after: float | None
    seeds: int
    exported: bool

    @property
    def change(self) -> float | None:
        """After less before: what the first value was too good (or too bad) by."""
        return None if self.before is None or self.after is None else self.after - self.before


class Efficiency(Document):
    """What the search cost. Seconds add up over trials and finalists; steps are a configuration's, not times its seeds.

    `gpu_seconds` are seconds times the GPUs that they held; `concurrency` is trial seconds per second of wall time;
    `steps_saved` the share of the trials' steps that early stopping, and failures, spared; `seconds_to_best` runs from
    the task's start to the end of its best trial.
    """

    wall_seconds: float | None = None
    trial_seconds: float = 0.0
    gpu_seconds: Annotated[float, Field(exclude_if=empty)] = 0.0
    concurrency: float | None = None
    steps_planned: int = 0
    steps_trained: int = 0
    steps_saved: float | None = None
    seconds_to_best: float | None = None
    trials_to_best: int | None = None


class TaskSummary(Document):
    """A searched task. `end_reason` is None where its search was given up."""

    task: Slug
    proxy_for: tuple[str, ...] = ()
    metric: Slug
    greater_is_better: bool
    counts: TrialCounts
    end_reason: EndReason | None = None
    end_message: str = ""
    best: BestConfig | None = None
    top: tuple[TopTrial, ...] = ()
    finalists: tuple[FinalistRow, ...] = ()
    efficiency: Efficiency = Efficiency()
    plots: dict[str, str] = {}
    """Plot -> file below the search's folder, without its suffix."""
    notes: tuple[str, ...] = ()
    """Why a plot is missing."""
    importance: Annotated[dict[Slug, float], Field(exclude_if=empty)] = {}
    """Hyperparameter -> share of the objective's variance that it explains, greatest first; empty where not known."""


class SearchSummary(Document, Stored):
    """A search's outcome; written last of its report. `report_digest` is the `export_digest` it was made from."""

    schema_version: int = SUMMARY_SCHEMA_VERSION
    namespace: Segment
    search: Segment
    uri: str
    model_uri: str
    model_digest: str
    model_pinned: bool
    report_digest: str
    algorithm: Algorithm
    scheduler: TrialScheduler
    seeds_per_trial: int
    tasks: tuple[TaskSummary, ...]
    files: dict[RelativePath, str] = {}
    """SHA-256 of every other file of the report, by its key below the search's folder."""

    @property
    def folder(self) -> str:
        """See Stored."""
        return SearchLayout(self.namespace, self.search).root
