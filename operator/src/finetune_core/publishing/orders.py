"""What `spec.publish` comes to: which runs' models go where, and the record in the store of those that went."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from finetune_core.api import Publication
from finetune_core.canonical import short_hash
from finetune_core.deciding.outcome import Outcome
from finetune_core.frozen import Document, Record
from finetune_core.planning.plan import Plan, PlannedRun
from finetune_core.results.best_run import best_run
from finetune_core.stored import Count, Slug, finite

PUBLISH_VERSION = 1
"""Raised by hand when models are to be published anew although nothing that they are made from has changed."""

_Uri = Annotated[str, Field(pattern="^[!-~]{1,1024}$")]
_Time = Annotated[str, Field(max_length=40)]
_Digest = Annotated[str, Field(pattern="^[0-9a-f]{16}$")]


class OrderedModel(Record):
    """A model that is to lie at a place; `digest` is of all that its folder is made from."""

    task: Slug
    run: Count
    run_id: Slug
    to: _Uri
    digest: _Digest


class Order(Document):
    """What a pod that publishes is told: an entry of the spec, without its Secrets, and its models."""

    name: str
    license: str
    predictions: bool
    public: bool
    replace: bool
    base_image: str | None
    plain_http: bool
    models: tuple[OrderedModel, ...]

    @classmethod
    def of(cls, entry: Publication, models: Iterable[OrderedModel]) -> "Order":
        """The order of some of an entry's models."""
        return cls(
            name=entry.name,
            license=entry.license,
            predictions=entry.predictions,
            public=entry.public,
            replace=entry.replace,
            base_image=entry.base_image,
            plain_http=entry.plain_http,
            models=tuple(models),
        )


class Pushed(Record):
    """A model that lies at a place (`to`): by the digest of its order, and its address for good."""

    task: Slug
    run: Count
    run_id: Slug
    digest: _Digest
    uri: _Uri
    time: _Time

    def is_of(self, ordered: OrderedModel) -> bool:
        """Whether it is what is ordered."""
        return self.digest == ordered.digest


class Publications(Document):
    """The record of one entry: what lies at its places, and at which a push has begun.

    It is written before the push begins and once it has ended, so that one that was cut off is known to be ours.
    """

    pushed: dict[_Uri, Pushed] = {}
    begun: tuple[_Uri, ...] = ()

    def has(self, ordered: OrderedModel) -> bool:
        """Whether what is ordered lies there."""
        there = self.pushed.get(ordered.to)
        return there is not None and there.is_of(ordered)

    def with_begun(self, to: str) -> "Publications":
        """With a push to a place that is about to begin."""
        return self.model_copy(update={"begun": tuple(sorted({*self.begun, to}))})

    def with_pushed(self, to: str, pushed: Pushed) -> "Publications":
        """With one that has ended."""
        begun = tuple(other for other in self.begun if other != to)
        return self.model_copy(update={"pushed": {**self.pushed, to: pushed}, "begun": begun})


@dataclass(frozen=True)
class Wanted:
    """An entry, its models as results are now, and what it names that has no model to publish."""

    entry: Publication
    models: tuple[OrderedModel, ...]
    lacking: tuple[str, ...] = ()


def wanted(entries: Iterable[Publication], plan: Plan, outcomes: Mapping[str, Outcome]) -> tuple[Wanted, ...]:
    """The models of each entry; `outcomes` are by the id of their run."""
    return tuple(_wanted(entry, plan, outcomes) for entry in entries)


def _wanted(entry: Publication, plan: Plan, outcomes: Mapping[str, Outcome]) -> Wanted:
    if entry.runs:
        planned = {f"{run.task}/{run.run}": outcomes.get(run.run_id) for run in plan.runs}
        found = {name: planned.get(name) for name in entry.runs}
    else:
        found = {task: _best(plan, task, outcomes) for task in entry.tasks or plan.task_names}
    models = (_ordered(entry, plan, outcome, outcomes) for outcome in found.values() if outcome is not None)
    lacking = tuple(name for name, outcome in found.items() if outcome is None)
    # Where none is named, all that there are are published: what has no best run is told by `Succeeded`.
    named = entry.runs or entry.tasks or not any(found.values())
    return Wanted(entry, tuple(models), lacking if named else ())


def _best(plan: Plan, task: str, outcomes: Mapping[str, Outcome]) -> Outcome | None:
    return best_run(list(_of_task(plan, task, outcomes)))


def _of_task(plan: Plan, task: str, outcomes: Mapping[str, Outcome]) -> Iterator[Outcome]:
    runs: Iterable[PlannedRun] = sorted(plan.runs_of(task), key=lambda run: run.run) if task in plan.tasks else ()
    return (outcomes[run.run_id] for run in runs if run.run_id in outcomes)


def _ordered(entry: Publication, plan: Plan, outcome: Outcome, outcomes: Mapping[str, Outcome]) -> OrderedModel:
    return OrderedModel(
        task=outcome.task,
        run=outcome.run,
        run_id=outcome.run_id,
        to=entry.to.replace("{task}", outcome.task).replace("{run}", outcome.run_id),
        digest=_digest(entry, outcome, _of_task(plan, outcome.task, outcomes)),
    )


def _digest(entry: Publication, outcome: Outcome, others: Iterable[Outcome]) -> str:
    """16 hex digits over a model's folder and its place: the run, the figures of its task in the card, the entry."""
    signing = entry.signing_secret_ref
    return short_hash(
        {
            "version": PUBLISH_VERSION,
            "to": entry.to,
            "made": [entry.license, entry.predictions, entry.base_image],
            "signing": [signing.name, signing.key] if signing else None,
            "run": [outcome.run_id, outcome.attempt, outcome.artefacts if entry.predictions else ""],
            "figures": [_figures(one) for one in others],
        }
    )


def _figures(outcome: Outcome) -> list[object]:
    metrics = {name: finite(value) for name, value in outcome.metrics.items()}
    return [outcome.run_id, outcome.step, finite(outcome.value), metrics]
