"""Metrics: every one that a task can measure has a direction that is known."""

from itertools import chain
from typing import Any

import pytest

from finetune_core.api import TaskSpec
from finetune_core.planning.parse import define
from finetune_core.tasks.metrics import (
    CLASSIFICATION_METRICS,
    HIGHER_IS_BETTER,
    LOWER_IS_BETTER,
    MULTI_LABEL_METRICS,
    REGRESSION_METRICS,
    greater_is_better,
    metric_spellings,
)
from finetune_core.tasks.registry import GLUE_TASKS

DATA = {"train": "train.csv", "validation": "dev.csv", "textColumns": ["text"]}
CUSTOM_TASKS: list[dict[str, Any]] = [
    {"problemType": "Classification", "labels": ["a", "b"], "metrics": CLASSIFICATION_METRICS},
    {"problemType": "Classification", "labels": ["a", "b", "c"]},
    {"problemType": "MultiLabelClassification", "labels": ["a", "b"], "metrics": MULTI_LABEL_METRICS},
    {"problemType": "Regression", "metrics": REGRESSION_METRICS},
    {"problemType": "Regression"},
]
DEFINITIONS = [
    *GLUE_TASKS.values(),
    *(define(TaskSpec.model_validate({"name": "mine", "data": DATA, **task})) for task in CUSTOM_TASKS),
]
MEASURED = sorted(set(chain.from_iterable(definition.measured for definition in DEFINITIONS)))


@pytest.mark.parametrize("metric", MEASURED)
def test_the_direction_of_every_metric_that_a_task_can_measure_is_known(metric: str) -> None:
    assert (metric in HIGHER_IS_BETTER) != (metric in LOWER_IS_BETTER)
    for spelling in metric_spellings([metric]):
        assert greater_is_better(spelling) == (metric in HIGHER_IS_BETTER)


def test_errors_and_losses_are_better_when_lower() -> None:
    assert set(MEASURED) & LOWER_IS_BETTER == {"loss", "mm_loss", "mse", "mae", "rmse"}
