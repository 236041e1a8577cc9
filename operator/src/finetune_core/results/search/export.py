"""What a search hands on: `hps/best.json`, the source of `hps/<task>.yaml`, the ConfigMap and the status."""

from typing import Any

from finetune_core.canonical import short_hash
from finetune_core.frozen import Document
from finetune_core.planning.search.plan import SearchPlan
from finetune_core.results.search.trial import TaskEnd
from finetune_core.search_layout import SearchLayout
from finetune_core.stored import Segment, Slug, Stored

EXPORT_SCHEMA_VERSION = 1


class BestConfig(Document):
    """A task's best hyperparameters; `proxy` names the task that was searched in its place.

    `value` is the mean over `seeds` seeds: of the finalist's fresh ones where there are finalists, of the trial's else.
    """

    hyperparameters: dict[Slug, Any]
    trial_id: str
    trial: int
    metric: Slug
    value: float
    seeds: int
    finalist: bool = False
    proxy: str | None = None

    @property
    def digest(self) -> str:
        """12 hex digits over the hyperparameters alone."""
        return short_hash(self.hyperparameters, 12)


class BestHyperparameters(Document, Stored):
    """The best hyperparameters of every task of a search. `report_digest` says what it was made from."""

    schema_version: int = EXPORT_SCHEMA_VERSION
    namespace: Segment
    search: Segment
    model_uri: str
    model_digest: str
    report_digest: str
    tasks: dict[Slug, BestConfig]
    """By task; proxied tasks included."""

    @property
    def folder(self) -> str:
        """See Stored."""
        return SearchLayout(self.namespace, self.search).root


def export_digest(plan: SearchPlan, ends: dict[str, TaskEnd]) -> str:
    """16 hex digits over the plan and how its tasks ended: whether a summary is still current.

    Trials are written once and an end comes after the last of them, so this stands for all of them.
    """
    return short_hash(
        {
            "version": EXPORT_SCHEMA_VERSION,
            "plan": plan.digest,
            "ends": {task: end.model_dump(mode="json") for task, end in ends.items()},
        }
    )
