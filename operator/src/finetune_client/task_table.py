"""Tables of what a status tells, for terminal and page alike: titles are those of results and of kubectl's columns."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from finetune_client.overview import Overview, TaskOverview
from finetune_core.tables import figures
from finetune_kube.kinds import EXPERIMENT, SEARCH, Kind


@dataclass(frozen=True)
class TaskColumn:
    """A column of the table of tasks. `right` aligns; `extra` is the first to go where there is no room.

    A table has the column where `of` is true of any of its tasks.
    """

    title: str
    text: Callable[[TaskOverview], str]
    right: bool = False
    extra: bool = False
    words: bool = False
    of: Callable[[TaskOverview], bool] | None = None


def _done(task: TaskOverview) -> str:
    return (task.done or figures.NOTHING) + (f", {task.failed} failed" if task.failed else "")


def _best_run(task: TaskOverview) -> str:
    if task.best_run is None:
        return figures.NOTHING
    return f"{task.best_run}" if task.seed is None else f"{task.best_run} (seed {task.seed})"


def _number(value: int | None) -> str:
    return figures.NOTHING if value is None else str(value)


_TASK = TaskColumn("Task", lambda task: task.name)
_METRIC = TaskColumn("Metrics", lambda task: task.metric or figures.NOTHING)
_BEST = TaskColumn("Best", lambda task: figures.metric(task.metric, task.best), right=True)
_GPU_HOURS = TaskColumn(
    "GPU-hours", lambda task: f"{task.gpu_hours or 0:g}", right=True, extra=True, of=lambda task: bool(task.gpu_hours)
)
_ENERGY = TaskColumn(
    "GPU kWh",
    lambda task: figures.NOTHING if task.energy_kwh is None else f"{task.energy_kwh:g}",
    right=True,
    extra=True,
    of=lambda task: task.energy_kwh is not None,
)

TASK_TABLES: Mapping[Kind, tuple[TaskColumn, ...]] = MappingProxyType(
    {
        EXPERIMENT: (
            _TASK,
            TaskColumn("Runs", _done, right=True),
            _METRIC,
            _BEST,
            TaskColumn("Mean ± std", lambda task: figures.spread(task.metric, task.mean, task.std), right=True),
            TaskColumn("Score", lambda task: figures.score(task.score), right=True),
            TaskColumn("Best run", _best_run, extra=True),
            TaskColumn("Step", lambda task: _number(task.step), right=True, extra=True),
            _GPU_HOURS,
            _ENERGY,
        ),
        SEARCH: (
            _TASK,
            TaskColumn("Trials", _done, right=True),
            _METRIC,
            _BEST,
            TaskColumn("Best trial", _best_run, right=True),
            TaskColumn("Hyperparameters", lambda task: figures.settings(task.hyperparameters), words=True),
            TaskColumn("End", lambda task: task.end or figures.NOTHING, extra=True),
            _GPU_HOURS,
        ),
    }
)


def columns_of(seen: Overview) -> tuple[TaskColumn, ...]:
    """Those of TASK_TABLES that its table has."""
    return tuple(column for column in TASK_TABLES[seen.kind] if column.of is None or any(map(column.of, seen.tasks)))


def task_header(seen: Overview) -> tuple[str, ...]:
    """Titles of `task_rows`."""
    return tuple(column.title for column in columns_of(seen))


def task_rows(seen: Overview) -> tuple[tuple[str, ...], ...]:
    """The tasks as the status tells them."""
    columns = columns_of(seen)
    return tuple(tuple(column.text(task) for column in columns) for task in seen.tasks)
