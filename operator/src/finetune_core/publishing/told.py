"""What a status says of `spec.publish`."""

from collections.abc import Iterator

from finetune_core.api.status import (
    MAX_PUBLISHED,
    ConditionStatus,
    ConditionType,
    ExperimentStatus,
    PublishedModel,
    Reason,
)
from finetune_core.deciding.conditions import Conditions
from finetune_core.deciding.experiment.decision import Decision
from finetune_core.deciding.observation import Observation
from finetune_core.publishing.orders import wanted
from finetune_core.publishing.step import PublishState

_WAITS = PublishState(ConditionStatus.UNKNOWN, Reason.WAITING_FOR_REPORT, "Published when all runs are reported.")
_WITHOUT_REPORT = PublishState(
    ConditionStatus.FALSE, Reason.PUBLISH_FAILED, "Nothing is published: there is no report of the runs."
)


def with_published(
    status: ExperimentStatus,
    previous: ExperimentStatus,
    seen: Observation,
    decision: Decision,
    *,
    generation: int,
    now: str,
) -> ExperimentStatus:
    """The status, with the condition `Published` and what lies where, of a spec that has `publish`."""
    if not seen.publish:
        return status
    state = decision.publishing or (_WITHOUT_REPORT if decision.done else _WAITS)
    conditions = Conditions(previous, generation=generation, now=now)
    told = conditions.make(ConditionType.PUBLISHED, state.status, state.reason, state.message)
    published = tuple(_models(seen))
    return status.model_copy(
        update={
            "conditions": (*status.conditions, told),
            "published": published[:MAX_PUBLISHED] or None,
            "published_omitted": max(0, len(published) - MAX_PUBLISHED) or None,
        }
    )


def _models(seen: Observation) -> Iterator[PublishedModel]:
    """At the places that the spec names today, be they of the best run still or not."""
    for one in wanted(seen.publish, seen.plan, seen.outcomes):
        record = seen.published.get(one.entry.name)
        for model in one.models:
            there = record.pushed.get(model.to) if record is not None else None
            if there is not None:
                yield PublishedModel(
                    name=one.entry.name,
                    task=there.task,
                    run=there.run,
                    run_id=there.run_id,
                    uri=there.uri,
                    time=there.time,
                )
