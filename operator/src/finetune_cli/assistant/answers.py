"""What an assistant is told, as types: closed, bounded, text of others as data.

Metrics are as measured (0.66), scores x100 (66.00). Lists that may be long say how many of their items are left out.
"""

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any, TypeVar

from finetune_client.overview import Mood, Overview
from finetune_core.frozen import Frozen
from finetune_core.plain import visible
from finetune_core.results.schema import MetricRow, ScoreRow, TaskRow
from finetune_core.results.search.summary import SearchSummary
from finetune_core.tables import figures
from finetune_report.records import RunRecord

MOST = 200
"""No list that an assistant asks for is longer."""

MOST_NOTES = 30
MOST_LABELS = 20
LONGEST_TEXT = 2000
"""Longer text of others is cut, and says so."""

Item = TypeVar("Item")
Answer = TypeVar("Answer", bound=Frozen)


class Head(Frozen):
    """An experiment or a search at a glance; `place` is how the other tools name it. Texts are empty where not known.

    `mood` is what the status means: good and bad have ended; busy goes on; stuck goes on once somebody has mended what
    the notes say; idle waits. `done` of `total` runs or trials have ended; how many are `running` only a cluster tells.
    `score` is the text of its column: of a search the best task and value.
    """

    place: str
    kind: str
    status: str
    mood: Mood
    done: int
    total: int
    running: int
    failed: int
    score: str
    gpu_hours: str
    eta: str
    created: str
    model: str
    labels: dict[str, str]

    @classmethod
    def of(cls, seen: Overview) -> "Head":
        """From the overview that terminal and page show."""
        return cls(
            place=f"{seen.namespace}/{seen.name}",
            kind=seen.word,
            status=seen.state,
            mood=seen.mood,
            done=seen.done,
            total=seen.total,
            running=seen.running,
            failed=seen.failed,
            score=seen.score,
            gpu_hours=seen.gpu_hours,
            eta=seen.eta,
            created=seen.created,
            model=seen.model,
            labels=dict(islice(sorted(seen.labels.items()), MOST_LABELS)),
        )


class Listing(Frozen):
    """Experiments and searches of `source`, the newest first where a cluster tells; `left_out` more would fit too."""

    source: str
    items: tuple[Head, ...]
    left_out: int


class BestRun(Frozen):
    """The best run of a task: `value` of the metric that decides, at its best step."""

    place: str
    run_id: str
    seed: int
    step: int
    value: float


class TaskFigures(Frozen):
    """A task over its runs that succeeded. `metric` decides; each of `metrics` has its mean, std (ddof 1), n, and value
    at the best run.

    `score` is the best run's, `mean_score` the mean over runs, both x100. `gpu_hours` is null where no GPU was used,
    `energy_kwh` where these GPUs did not tell it.
    """

    task: str
    planned: int
    succeeded: int
    failed: int
    metric: str
    metrics: tuple[MetricRow, ...]
    score: float | None
    mean_score: float | None
    best: BestRun | None
    gpu_hours: float | None
    energy_kwh: float | None

    @classmethod
    def of(cls, row: TaskRow, place: str) -> "TaskFigures":
        """From a row of the results."""
        best = row.best and BestRun(
            place=f"{place}/{row.task}/{row.best.run}",
            run_id=row.best.run_id,
            seed=row.best.seed,
            step=row.best.step,
            value=row.best.value,
        )
        told = {name: getattr(row, name) for name in cls.model_fields if hasattr(row, name) and name != "best"}
        gpu_hours = figures.hours(row.gpu_seconds) or None
        return cls(**told, best=best, gpu_hours=gpu_hours, energy_kwh=figures.kwh(row.energy_joules))


class RunLine(Frozen):
    """A run: `value` of the metric that decides, null while it has none."""

    place: str
    state: str
    seed: int
    value: float | None

    @classmethod
    def of(cls, record: RunRecord, place: str) -> "RunLine":
        """From what the store has of it."""
        run, result = record.run, record.result
        return cls(
            place=f"{place}/{run.task}/{run.run}",
            state=record.state.value,
            seed=run.seed,
            value=result.value if result else None,
        )


class Results(Frozen):
    """Of the runs that have ended; `scores` are means over tasks, by what they cover."""

    scores: tuple[ScoreRow, ...]
    tasks: tuple[TaskFigures, ...]
    runs: tuple[RunLine, ...]
    runs_left_out: int


class ExperimentAnswer(Frozen):
    """An experiment: `notes` are what is wrong or worth knowing.

    `results` is null where the store cannot be read: `problem` says why.
    """

    head: Head
    notes: tuple[str, ...]
    problem: str
    results: Results | None


class Point(Frozen):
    """An evaluation of a run over the dev sets."""

    step: int
    epoch: float | None
    train_loss: float | None
    learning_rate: float | None
    metrics: dict[str, float | None]


class FailedAttempt(Frozen):
    """Why an attempt failed; `ago` is how long ago. Tracebacks are in the store, and are not told."""

    ago: str
    why: str


class RunAnswer(Frozen):
    """A run: facts, settings and hardware by name; its curve, of which `points_left_out` lie between those told."""

    place: str
    state: str
    steps: str
    facts: dict[str, str]
    settings: dict[str, str]
    hardware: dict[str, str]
    metric: str
    curve: tuple[Point, ...]
    points_left_out: int
    failures: tuple[FailedAttempt, ...]


class SearchAnswer(Frozen):
    """A search: what the summary of its report says, or would say now; each task's `best` has the best hyperparameters.

    `summary` is null where the store cannot be read: `problem` says why.
    """

    head: Head
    notes: tuple[str, ...]
    problem: str
    summary: SearchSummary | None


class Problem(Frozen):
    """A problem of a manifest, at a line and column of the text that are counted from 1."""

    line: int
    column: int
    severity: str
    field: str
    message: str


class Validation(Frozen):
    """`valid`: the cluster would not refuse it; there may be warnings still."""

    valid: bool
    problems: tuple[Problem, ...]
    left_out: int


class Explanation(Frozen):
    """A row of the documentation's troubleshooting page."""

    reason: str
    where: str
    cause: str
    what_to_do: str


class Explanations(Frozen):
    """All rows that tell of a reason; `near` are names that may have been meant where there is none."""

    rows: tuple[Explanation, ...]
    near: tuple[str, ...]


def first(items: Iterable[Item], most: int) -> tuple[tuple[Item, ...], int]:
    """The first of some items, and how many are left out."""
    found = list(items)
    return tuple(found[:most]), max(0, len(found) - most)


def spread_out(items: Sequence[Item], most: int) -> tuple[Item, ...]:
    """At most so many of them, evenly, with the first and the last."""
    if len(items) <= most:
        return tuple(items)
    if most == 1:
        return (items[-1],)
    return tuple(items[round(index * (len(items) - 1) / (most - 1))] for index in range(most))


def text_as_data(text: str) -> str:
    """A text of others without control characters that would instruct a reader, and not long."""
    told = visible(text)
    return told if len(told) <= LONGEST_TEXT else f"{told[:LONGEST_TEXT]} (cut: {len(told)} characters)"


def as_data(answer: Answer) -> Answer:
    """The answer, all text in it as `text_as_data`."""
    told = answer.model_dump(mode="json", by_alias=True)
    return type(answer).model_validate(_told(told))


def _told(value: Any) -> Any:
    match value:
        case str():
            return text_as_data(value)
        case list():
            return [_told(one) for one in value]
        case dict():
            return {_told(name): _told(one) for name, one in value.items()}
    return value
