"""Metrics of a user's own: functions by name, which only the trainer's pods import.

Nothing here looks a function up: what is known of it is what the task says.
"""

import re
from enum import StrEnum
from typing import Annotated, Any

from pydantic import Field

from finetune_core.frozen import Frozen

SCIKIT_LEARN = "sklearn.metrics."
FUNCTION_PATTERN = (
    r"^(sklearn\.metrics\.[a-z][a-z0-9_]*|[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*:[A-Za-z_][A-Za-z0-9_]*)$"
)
NAME_PATTERN = r"^[a-z][a-z0-9_]*$"

TAKEN = frozenset(
    {"loss", "step", "epoch", "sparsity", "time", "seconds", "value", "score", "index", "prediction", "label"}
)
"""Names that tables of evaluations and predictions have for something else."""

_LESS_IS_BETTER = re.compile(r"_(loss|error|deviance)$")
_MORE_IS_BETTER = re.compile(r"_score$")


class MetricInput(StrEnum):
    """What a function takes beside the true labels."""

    PREDICTIONS = "Predictions"
    PROBABILITIES = "Probabilities"


class MetricFunction(Frozen):
    """A metric that is a function of the true labels and of what the model says: function(truth, given) -> number."""

    name: Annotated[
        str,
        Field(
            min_length=1,
            max_length=40,
            pattern=NAME_PATTERN,
            description="What metrics, metricForBestModel and tables call it: lower-case letters, digits and _.",
        ),
    ]
    function: Annotated[
        str,
        Field(
            min_length=3,
            max_length=200,
            pattern=FUNCTION_PATTERN,
            description="sklearn.metrics.NAME, or MODULE:FUNCTION of a package in the trainer's image. It is called "
            "as function(truth, given) with NumPy arrays of class ids in the order of labels, of a 0 or 1 for each "
            "label (rows x labels) in a task with several labels a text, of scores in a regression; and returns a "
            "number.",
        ),
    ]
    greater_is_better: Annotated[bool, Field(description="Whether more of it is better.")]
    input: Annotated[
        MetricInput,
        Field(
            description="What it takes beside the truth. Predictions: of the same form. Probabilities: rows x labels; "
            "of the second label alone (rows) where a task has two and a text has one of them."
        ),
    ] = MetricInput.PREDICTIONS
    arguments: Annotated[
        dict[str, Any],
        Field(
            max_length=8,
            description="Named arguments of a function of sklearn.metrics, e.g. weights: quadratic for "
            "cohen_kappa_score.",
        ),
    ] = {}

    @property
    def is_scikit_learns(self) -> bool:
        """Whether scikit-learn has it."""
        return self.function.startswith(SCIKIT_LEARN)


def direction_said(function: str) -> bool | None:
    """Whether more is better by scikit-learn's habit of names; None where its name says nothing.

    See https://scikit-learn.org/stable/modules/model_evaluation.html#scoring-api-overview
    """
    if not function.startswith(SCIKIT_LEARN):
        return None
    if _LESS_IS_BETTER.search(function):
        return False
    return True if _MORE_IS_BETTER.search(function) else None
