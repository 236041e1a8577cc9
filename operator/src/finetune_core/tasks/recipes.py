"""Published per-task recipes: what a task is trained with where the spec says nothing.

Steps and runs are those of the sparse-BERT GLUE workflow that this project replaces: batch 32, linear schedule,
warm-up 0.1, length 128. Everything else is Hugging Face's `TrainingArguments` default.
"""

from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True)
class Recipe:
    """Steps between evaluations, steps in all (None: three epochs), and seeds."""

    eval_steps: int
    max_steps: int | None
    runs: int


RECIPES = MappingProxyType(
    {
        "cola": Recipe(75, 1562, 10),
        "sst2": Recipe(500, 10_000, 5),
        "mrpc": Recipe(75, 1562, 10),
        "stsb": Recipe(150, 3124, 10),
        "qqp": Recipe(2500, 50_000, 2),
        "mnli": Recipe(2500, 50_000, 2),
        "qnli": Recipe(1000, 25_000, 5),
        "rte": Recipe(75, 1562, 10),
        "wnli": Recipe(10, 50, 10),
    }
)

CUSTOM = Recipe(eval_steps=100, max_steps=None, runs=5)
CUSTOM_EPOCHS = 3.0


def recipe_for(task: str) -> Recipe:
    """The recipe of a GLUE task, or the one of custom tasks."""
    return RECIPES.get(task, CUSTOM)
