"""`results.json` and `best/<task>.json`: an experiment's results as versioned schemas.

Everything in them follows from the plan, the results and the failures; they hold no time of their own, so that the
same inputs give the same bytes, whoever writes them and however often.
"""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from finetune_core.frozen import Document, absent, empty
from finetune_core.layout import ExperimentLayout
from finetune_core.leaderboard.submission import SubmissionState
from finetune_core.results.run import ParameterCount
from finetune_core.seeds.enough import Enough
from finetune_core.spent import UNSPENT, Spent, total
from finetune_core.stored import RelativePath, Segment, Slug, Stored
from finetune_core.tables import figures

RESULTS_SCHEMA_VERSION = 1


class RunState(StrEnum):
    """What became of a run."""

    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    MISSING = "Missing"


class MetricRow(Document):
    """A metric over a task's succeeded runs, or over its folds, each run at its own best step; values as measured.

    `n` counts the finite values, `std` is the sample standard deviation (ddof 1; None for n < 2), `best` is the value
    at the task's best run, which another metric may have chosen.
    """

    metric: Slug
    greater_is_better: bool
    n: int
    mean: float | None
    std: float | None
    best: float | None


class BestPointer(Document):
    """`best/<task>.json`: the best run, and where its files lie, as keys below the experiment's folder.

    `model` is None where no weights are kept; `predictions` maps file names to copies below `best/`.
    """

    schema_version: int = RESULTS_SCHEMA_VERSION
    task: Slug
    run_id: Segment
    run: int
    seed: int
    attempt: Segment
    metric: Slug
    greater_is_better: bool
    value: float
    step: int
    metrics: dict[str, float | None]
    score: float | None
    folder: RelativePath
    model: RelativePath | None
    predictions: dict[str, RelativePath]


class FoldRow(Document):
    """A fold of a task: its runs that succeeded, and means over them, as measured, of the task's metrics."""

    fold: int
    succeeded: int
    metrics: dict[Slug, float | None]


class SeedsRow(Document):
    """Of a task with `runsUntil`, in the unit of tables: what was asked for, and whether its seeds are enough.

    `half` is the half-width that can be promised of its mean at 95 %; None where none can. `enough` is None where runs
    have not ended.
    """

    least: int
    most: int
    half_width: float
    enough: Enough | None
    half: float | None


class TaskRow(Document):
    """A task's runs and figures; `score` and `mean_score` are x100.

    `data_digest` is of training and dev files; None in reports that are older than the field. `parameters` are those of
    its runs, all of which have the same settings; None where all are trained. `gpu_seconds` are those of its runs that
    no other experiment trained, also of runs that failed or did not end; so are `energy_joules`, None where not all of
    these runs tell any. Where there are `folds`,
    `metrics` are over them: n, mean and deviation of the folds' means.
    """

    task: Slug
    glue: bool
    planned: int
    succeeded: int
    failed: int
    metric: Slug
    metrics: tuple[MetricRow, ...]
    best: BestPointer | None
    score: float | None
    mean_score: float | None
    data_uri: str
    data_digest: str | None = None
    pinned: bool
    parameters: Annotated[ParameterCount | None, Field(exclude_if=absent)] = None
    folds: Annotated[tuple[FoldRow, ...], Field(exclude_if=empty)] = ()
    gpu_seconds: Annotated[float, Field(exclude_if=empty)] = 0.0
    energy_joules: Annotated[float | None, Field(exclude_if=absent)] = None
    seeds: Annotated[SeedsRow | None, Field(exclude_if=absent)] = None

    @property
    def spent(self) -> Spent:
        """What its runs took of GPUs."""
        return Spent(self.gpu_seconds, self.energy_joules)


class ScoreRow(Document):
    """A mean of task scores (x100) over those that `covers` names; `mean_of_runs` takes each task's mean over its runs.

    It may only be called by its `name` if nothing is missing, else by its `title`.
    """

    name: str
    title: str
    value: float | None
    mean_of_runs: float | None
    covers: tuple[str, ...]
    missing: tuple[str, ...]

    @property
    def complete(self) -> bool:
        """Whether no task is missing."""
        return not self.missing

    @property
    def text(self) -> str | None:
        """For a narrow column: `84.21`, or `84.21 (5/9)` where tasks are missing."""
        if self.value is None:
            return None
        total = len(self.covers) + len(self.missing)
        return figures.score(self.value) + ("" if self.complete else f" ({figures.count(len(self.covers), total)})")


class RunRow(Document):
    """A planned run; figures if it succeeded, reason and message if it failed.

    `gpu_seconds` are seconds times GPUs that it held over all attempts, `energy_joules` what these GPUs took meanwhile,
    where they tell it; of a run without a result, what its attempts took.
    """

    task: Slug
    run: int
    run_id: Segment
    seed: int
    fold: Annotated[int | None, Field(exclude_if=absent)] = None
    state: RunState
    attempt: Segment | None = None
    metric: str | None = None
    value: float | None = None
    step: int | None = None
    score: float | None = None
    metrics: dict[Slug, float | None] = {}
    last_step: int | None = None
    parameters: Annotated[ParameterCount | None, Field(exclude_if=absent)] = None
    train_seconds: float | None = None
    gpu_seconds: Annotated[float | None, Field(exclude_if=empty)] = None
    energy_joules: Annotated[float | None, Field(exclude_if=absent)] = None
    attempts: int | None = None
    started_at: str | None = None
    finished_at: str | None = None
    image: str | None = None
    hardware: dict[str, str | int | float | None] = {}
    taken_from: Annotated[Slug | None, Field(exclude_if=absent)] = None
    reason: str | None = None
    message: str | None = None

    @property
    def spent_here(self) -> Spent:
        """What it took of GPUs in this experiment."""
        return UNSPENT if self.taken_from else Spent(self.gpu_seconds or 0.0, self.energy_joules)


class QuarantinedRow(Document):
    """A run whose result does not count, and why."""

    task: str
    run: int
    run_id: str
    seed: int
    reason: str


class SubmissionRow(Document):
    """What became of the leaderboard zip: see `submission.json`."""

    state: SubmissionState
    sha256: str | None
    missing: tuple[str, ...]
    placeholders: tuple[str, ...]
    problems: tuple[str, ...]


class ResultsDocument(Document, Stored):
    """`results.json`, written after all the files that it names in `files` (key below the folder -> SHA-256).

    `sparsity` is the share of zeros, 0 to 1, of the weights that a sparse model's type covers, as the model was loaded;
    0 for dense models, None where no run has ended, or in reports that are older than the field.
    """

    schema_version: int = RESULTS_SCHEMA_VERSION
    report_digest: str
    plan_digest: str
    recipe_version: int
    namespace: Segment
    experiment: Segment
    uri: str
    model_uri: str
    model_digest: str
    model_pinned: bool
    sparsity: float | None = None
    tasks: tuple[TaskRow, ...]
    glue: ScoreRow
    bert_average: ScoreRow
    runs: tuple[RunRow, ...]
    quarantined: tuple[QuarantinedRow, ...] = ()
    submission: SubmissionRow | None = None
    files: dict[RelativePath, str] = {}

    @property
    def folder(self) -> str:
        """See Stored."""
        return ExperimentLayout(self.namespace, self.experiment).root

    @property
    def spent(self) -> Spent:
        """What all tasks took of GPUs."""
        return total(task.spent for task in self.tasks)

    @property
    def gpu_seconds(self) -> float:
        """Seconds times GPUs of all tasks."""
        return self.spent.gpu_seconds

    def scores_of(self, task: str) -> list[float]:
        """The scores of a task's runs that have one, x100."""
        return [run.score for run in self.runs if run.task == task and run.score is not None]

    def failed(self) -> tuple[RunRow, ...]:
        """The runs that failed."""
        return tuple(run for run in self.runs if run.state == RunState.FAILED)
