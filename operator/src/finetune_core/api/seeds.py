"""`runsUntil`: as many seeds as it takes until the interval of a task's mean is narrow."""

from typing import Annotated, TypeVar

from pydantic import ConfigDict, Field

from finetune_core.api.common import ApiModel, rules

_UntilT = TypeVar("_UntilT")

MOST_RUNS = 100
LEAST_RUNS = 3
"""Seeds before anything is known of their spread that a rule may go by."""
ORDERED = "min is more than max: lower min, or raise max"
EITHER = "runs says how many seeds there are, runsUntil when there are enough: remove one of them"
NO_FOLDS = (
    "folds share most of their training rows, so the interval of their mean is not known: give the task runs in place "
    "of runsUntil"
)


class RunsUntil(ApiModel):
    """Seeds are added, a few at a time, until the task's mean ± halfWidth holds the true mean in 95 % of cases, or
    there are max. A run has the same seed and id as it has with runs.
    """

    model_config = ConfigDict(json_schema_extra=rules(("self.min <= self.max", ORDERED)))

    half_width: Annotated[
        float,
        Field(
            gt=0,
            le=1e6,
            description="Of the interval of the mean of the metric that decides, in the unit of tables: points (x100) "
            "of accuracy, F1 and correlations, as measured of losses.",
        ),
    ]
    least: Annotated[
        int, Field(alias="min", ge=LEAST_RUNS, le=MOST_RUNS, description="Seeds that each task begins with.")
    ] = LEAST_RUNS
    most: Annotated[int, Field(alias="max", ge=LEAST_RUNS, le=MOST_RUNS, description="Seeds of a task, at most.")]


def in_force(runs: int | None, until: _UntilT | None, for_all: _UntilT | None) -> _UntilT | None:
    """Of a task's own `runs` and `runsUntil` and the spec's `runsUntil`, the rule that applies, if any."""
    return until or (None if runs else for_all)
