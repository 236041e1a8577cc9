"""What trials come to: plans that the spec of a search may ask for, and the fate of each task and trial."""

import json
import random
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from typing import Any

from finetune_core.api.search import Finalists
from finetune_core.canonical import canonical_json
from finetune_core.planning.plan import Plan
from finetune_core.planning.search.plan import SearchPlan
from finetune_core.planning.settings import Config, Settings
from finetune_core.results.run import Failure, FailureReason
from finetune_core.results.search.summary import SearchSummary
from finetune_core.results.search.trial import TrialReport
from finetune_core.search_layout import SearchLayout
from finetune_trainer.drive.pool import WorkerDiedError
from finetune_trainer.drive.worker import Report
from finetune_trainer.search.trial_worker import TrialOrder
from support.search_trials import search_plan as plan_of

LAYOUT = SearchLayout("team", "hunt")
METRIC = {"rte": "accuracy", "cola": "matthews_correlation"}
_SPACE = {"learningRate": {"logUniform": [1e-5, 1e-3]}}


class TaskFate(StrEnum):
    """What a driver meets in model and data of a task."""

    WELL = "they can be used"
    UNUSABLE = "they cannot be used, and it says why in the store"
    SILENT = "its process is killed for want of memory, again and again, and leaves no word"


class TrialFate(StrEnum):
    """How attempts at a trial end."""

    WELL = "ends well"
    FAILS = "fails"
    NO_VALUE = "ends well without a finite value"
    FLAKY = "loses its worker once, then ends well"


_TASK_FATES = (*[TaskFate.WELL] * 12, TaskFate.UNUSABLE, TaskFate.SILENT)
_TRIAL_FATES = (*[TrialFate.WELL] * 6, TrialFate.FAILS, TrialFate.NO_VALUE, TrialFate.FLAKY)


class _Plan(SearchPlan):
    """What is worked out from it is worked out once: a simulation asks for it a million times."""

    @property
    def digest(self) -> str:
        return _digest(self.resolved_for)

    def trial_plan(self, task: str, config: Config, seeds: tuple[int, ...]) -> Plan:
        return _trial_plan(task, canonical_json(config), seeds)

    def trial_id(self, task: str, config: Config) -> str:
        return _trial_id(task, canonical_json(config))


_PLANS: dict[str, SearchPlan] = {}
_DUMPED: dict[float, dict[str, Any]] = {}


class _Settings(Settings):
    """Those of a trial, written once."""

    def model_dump(self, **_: Any) -> dict[str, Any]:
        return _DUMPED[self.learning_rate]


@cache
def _digest(name: str) -> str:
    return SearchPlan.digest.fget(_PLANS[name])


@cache
def _trial_plan(task: str, config: bytes, seeds: tuple[int, ...]) -> Plan:
    """The same for all plans here: they differ in nothing that a trial is made of."""
    made = SearchPlan.trial_plan(_PLANS["all"], task, json.loads(config), seeds)
    planned = made.tasks[task]
    settings = _Settings.model_construct(**dict(planned.settings))
    _DUMPED[settings.learning_rate] = planned.settings.model_dump(mode="json", by_alias=True)
    return made.model_copy(update={"tasks": {task: planned.model_copy(update={"settings": settings})}})


@cache
def _trial_id(task: str, config: bytes) -> str:
    return SearchPlan.trial_id(_PLANS["all"], task, json.loads(config))


@cache
def search_plan(trials: int, tasks: tuple[str, ...], finalists: int) -> SearchPlan:
    """The plan of a spec."""
    name = f"{trials}/{tasks}/{finalists}"
    fields = {"finalists": Finalists(trials=finalists, seeds=2)} if finalists else {}
    made = plan_of(tasks, trials=trials, space=_SPACE, scheduler="FIFO", max_failed_trials=100, **fields)
    _PLANS[name] = made.model_copy(update={"resolved_for": name})
    _PLANS.setdefault("all", plan_of(("rte", "cola"), trials=1, space=_SPACE, scheduler="FIFO"))
    return _Plan.model_construct(**dict(_PLANS[name]))


@dataclass
class SearchWork:
    """How each trial ends, by what is tried, and how often it was."""

    rng: random.Random
    tasks: dict[str, TaskFate] = field(default_factory=dict)
    fates: dict[tuple, TrialFate] = field(default_factory=dict)
    values: dict[tuple, float] = field(default_factory=dict)
    tries: dict[tuple, int] = field(default_factory=dict)

    def task(self, task: str) -> TaskFate:
        """The fate of a task."""
        return self.tasks.setdefault(task, self.rng.choice(_TASK_FATES))

    def report(self, order: TrialOrder) -> Report | Failure | WorkerDiedError:
        """What comes of the first half of a trial."""
        key = _key(order)
        fate = self.fates.setdefault(key, self.rng.choice(_TRIAL_FATES))
        self.tries[key] = self.tries.get(key, 0) + 1
        if self.task(order.task) == TaskFate.UNUSABLE:
            return _failure(order, 64)
        if fate == TrialFate.FLAKY and self.tries[key] == 1:
            return WorkerDiedError()
        # No two trials have the same value.
        value = self.values.setdefault(key, 0.5 + len(self.values) / 1000)
        metrics = {METRIC[order.task]: None if fate == TrialFate.NO_VALUE else value}
        return Report(TrialReport(step=100, progress=1.0, seconds=1.0, metrics=metrics))

    def end(self, order: TrialOrder) -> Failure | None:
        """What comes of the second half."""
        return _failure(order, 65) if self.fates[_key(order)] == TrialFate.FAILS else None


def _key(order: TrialOrder) -> tuple:
    return order.task, order.seeds, canonical_json(order.config)


def interrupted(order: TrialOrder) -> Failure:
    """A worker that was told to stop."""
    return _failure(order, 143)


def _failure(order: TrialOrder, code: int) -> Failure:
    return Failure(
        reason=FailureReason.USER_ERROR,
        message="it fails",
        run_id="r",
        task=order.task,
        run=0,
        attempt="a",
        exit_code=code,
        time="",
    )


@cache
def _summary(name: str) -> str:
    plan = _PLANS[name]
    return SearchSummary(
        namespace=plan.namespace,
        search=plan.search,
        uri="memory:///",
        model_uri=plan.model.uri,
        model_digest=plan.model.digest,
        model_pinned=True,
        report_digest="DIGEST",
        algorithm=plan.algorithm,
        scheduler=plan.scheduler,
        seeds_per_trial=1,
        tasks=(),
    ).model_dump_json(by_alias=True)


def summary(of: SearchPlan, digest: str) -> bytes:
    """A report of a digest."""
    return _summary(of.resolved_for).replace("DIGEST", digest).encode()
