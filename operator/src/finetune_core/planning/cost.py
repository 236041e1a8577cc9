"""What a run is expected to cost, and how long that takes: for the order of runs, for full pods, for the time left."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import ceil

from finetune_core.planning.plan import TaskPlan
from finetune_core.tasks.registry import GLUE_ROWS

FORWARD_SHARE = 1 / 3
"""Of a training step's time goes into its forward pass, which is all that evaluations and predictions do."""

_STEPS_OF_AN_EPOCH = 1000
"""Where nobody knows how many rows a task has."""


def expected_cost(task: TaskPlan) -> float:
    """A run's relative cost: rows that it trains on, a third of those that it scores or predicts, by their length."""
    settings = task.settings
    rows = GLUE_ROWS.get(task.definition.name)
    steps = settings.max_steps or _steps(settings.num_train_epochs or 1, rows and rows[0], settings.train_batch_size)
    scored = ceil(steps / settings.eval_steps) * (rows[1] if rows else 0)
    predicted = sum(file.rows for file in task.definition.submission)
    return (steps * settings.train_batch_size + (scored + predicted) * FORWARD_SHARE) * settings.max_seq_length


def _steps(epochs: float, rows: int | None, batch: int) -> float:
    return _STEPS_OF_AN_EPOCH * epochs if rows is None else ceil(rows / batch) * epochs


@dataclass(frozen=True)
class Rates:
    """Seconds per unit of expected cost, by task, as runs took them."""

    of_task: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, seen: Iterable[tuple[TaskPlan, float]]) -> "Rates":
        """From runs: the plan of each one's task, and its seconds."""
        found: dict[str, list[float]] = {}
        for task, seconds in seen:
            found.setdefault(task.definition.name, []).append(seconds / expected_cost(task))
        return cls({name: sum(rates) / len(rates) for name, rates in found.items()})

    def seconds(self, task: TaskPlan) -> float | None:
        """How long a run of a task takes: as its own did, else as those of the others; None where there are none."""
        others = self.of_task.values()
        rate = self.of_task.get(task.definition.name, sum(others) / len(others) if others else None)
        return None if rate is None else rate * expected_cost(task)


NO_RATES = Rates()
"""Nobody has told yet."""
