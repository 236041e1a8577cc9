"""The facts of a published model: its card, its manifest and its provenance are made from them alone."""

import re
from collections.abc import Mapping
from typing import Any, Self

from pydantic import model_validator

from finetune_core.frozen import Document
from finetune_core.planning.plan import Plan, PlannedRun, TaskPlan, made_by
from finetune_core.results.run import RunResult
from finetune_core.results.schema import MetricRow, TaskRow
from finetune_core.stored import Count

_LOCAL = re.compile(r"file://\S*?([^/\s]*)/?(?=\s|$)")
_KEPT_BACK: Mapping[str, Any] = {"model": None, "token_cache": None, "warnings": (), "taken_from": None, "settings": {}}
"""Of a result: keys of the store, paths of a pod, what trackers answered; and what the plan says already."""


class Facts(Document):
    """One run of a plan, and the figures of its task.

    `plan` has this run and its task alone; `metrics` are over the task's `succeeded` runs. `licence` is an SPDX
    identifier, as the hub has them; `version` is that of this package.
    """

    plan: Plan
    result: RunResult
    metrics: tuple[MetricRow, ...]
    succeeded: Count
    licence: str
    version: str

    @model_validator(mode="after")
    def _of_one_run(self) -> Self:
        if len(self.plan.runs) != 1 or list(self.plan.tasks) != [self.run.task]:
            raise ValueError("it is not of one run")
        return self

    @property
    def run(self) -> PlannedRun:
        """The run that the model is of."""
        return self.plan.runs[0]

    @property
    def task(self) -> TaskPlan:
        """Its task."""
        return self.plan.tasks[self.plan.runs[0].task]

    @property
    def is_adapter(self) -> bool:
        """Whether there are only an adapter's weights, without those of the model below it."""
        return self.task.settings.peft_type is not None and not self.task.settings.merge_adapter

    @property
    def follows(self) -> bool:
        """Whether result and run id follow from data, model, settings and seed, as far as their digests say."""
        task, result = self.task, self.result
        said = (result.model_digest, result.data_digest, result.seed, result.recipe_version)
        planned = (self.plan.model.digest, task.data.digest, self.run.seed, self.plan.recipe_version)
        return self.run.wrote(result) and said == planned and made_by(task, self.plan.model, self.run)


def facts_of(plan: Plan, run: PlannedRun, result: RunResult, row: TaskRow, *, licence: str, version: str) -> Facts:
    """Of a planned run: without anything of other tasks, and without paths of this machine."""
    task = plan.tasks[run.task]
    data = task.data.model_copy(update={"uri": shareable(task.data.uri)})
    source = task.hyperparameters_source
    told = task.model_copy(update={"data": data, "hyperparameters_source": source and shareable(source)})
    changed: dict[str, Any] = {
        "model": plan.model.model_copy(update={"uri": shareable(plan.model.uri)}),
        "tasks": {run.task: told},
        "runs": (PlannedRun.model_validate(run.model_dump()),),
        "quarantined": (),
        "resolved_for": "",
        "tuned": None,
    }
    shown = result.model_copy(update={**_KEPT_BACK, "model_uri": shareable(result.model_uri)})
    return Facts(
        plan=plan.model_copy(update=changed),
        result=shown,
        metrics=row.metrics,
        succeeded=row.succeeded,
        licence=licence,
        version=version,
    )


def shareable(text: str) -> str:
    """A text whose `file://` URIs have the last part of their path alone: where it lies here is nobody's business."""
    return _LOCAL.sub(r"file:///\1", text)
