"""Runs that another experiment of the namespace has done: copied, not trained. Without torch.

    who has it? ──> may it stand for ours? ──> is it whole? ──> copy (`copying`) ──> result.json, last
                    (`finetune_core.results.reuse`)

Whatever is in the way, the store too, is said in the log, and the run is trained as if there was no other. Two
experiments that are at the same run at the same time both train it.
"""

import logging
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from finetune_core.api import Reuse
from finetune_core.layout import ExperimentLayout, run_place, run_places
from finetune_core.names import is_name
from finetune_core.planning.plan import ExecutionLimits, JobPlan, Plan, PlannedRun
from finetune_core.results.reuse import Maker, is_pinned, objection
from finetune_core.results.run import Hold, RunResult
from finetune_store import S3Connection, Store, StoreError
from finetune_store.documents import find, find_or_set_aside, find_or_warn
from finetune_trainer.cached import Cache
from finetune_trainer.data.tested import tested_content
from finetune_trainer.errors import UserError
from finetune_trainer.inputs import Inputs, volumes, work_folder
from finetune_trainer.stored.copying import RunCopy, UnusableError
from finetune_trainer.stored.written import own_result, versions

logger = logging.getLogger(__name__)

_MOST_SOURCES = 1000
"""Experiments of a namespace that have a run: with more of them it is trained."""


def offer(store: Store, plan: Plan, limits: ExecutionLimits, run: PlannedRun) -> None:
    """Have others find a run, before its result is written; StoreError."""
    if limits.reuse == Reuse.NAMESPACE:
        store.put(run_place(plan.namespace, run.run_id, plan.experiment), b"")


def all_taken(job: JobPlan, runs: Iterable[PlannedRun], store: Store, *, attempt: str, patience: float) -> bool:
    """Whether no run is left to train, those taken that can be: before torch is imported, and nothing is fetched.

    StoreError where not even results that are here can be asked for.
    """
    taker = Taker.from_env(job.plan, job.limits, store, patience=patience)
    found = [taker.has(run, attempt) for run in runs]
    return all(found)


def unbegun_first(plan: Plan, runs: tuple[PlannedRun, ...], store: Store) -> tuple[PlannedRun, ...]:
    """A pod's runs, those last that an earlier pod was at. StoreError.

    One that takes its pod with it, time and again, must not keep the others from their turn until retries are used up.
    """
    if len(runs) == 1:
        return runs
    layout = ExperimentLayout(plan.namespace, plan.experiment)
    return tuple(sorted(runs, key=lambda run: store.stat(layout.run(run.task, run.run_id).progress) is not None))


def is_held(store: Store, plan: Plan) -> bool:
    """Whether nothing new is to begin, which the log then tells; StoreError."""
    hold = find_or_warn(store, ExperimentLayout(plan.namespace, plan.experiment).hold, Hold)
    if hold is not None:
        logger.info("nothing new begins: %s", hold.message)
    return hold is not None


@dataclass(frozen=True)
class Taker:
    """Takes runs of a plan into its experiment's folder."""

    plan: Plan
    limits: ExecutionLimits
    store: Store
    inputs: Inputs
    image: str | None
    _tested: dict[str, Mapping[str, str]] = field(default_factory=dict)

    @classmethod
    def from_env(cls, plan: Plan, limits: ExecutionLimits, store: Store, *, patience: float) -> "Taker":
        """As the environment has it; nothing is fetched yet."""
        connection = S3Connection.from_env(os.environ)
        cache = Cache.from_env()
        inputs = Inputs(work_folder(), connection=connection, retry_seconds=patience, pvc_root=volumes(), cache=cache)
        return cls(plan, limits, store, inputs, os.environ.get("FINETUNE_IMAGE"))

    def has(self, run: PlannedRun, attempt: str) -> bool:
        """Whether a run has its result here; it is taken, as `attempt`, if it can be. StoreError."""
        return self.finds(run, attempt) or self._take(run, attempt)

    def finds(self, run: PlannedRun, attempt: str) -> bool:
        """Whether a run has its result here; what lies in its place and is none is set aside. StoreError."""
        layout = ExperimentLayout(self.plan.namespace, self.plan.experiment).run(run.task, run.run_id)
        aside = layout.unreadable(attempt)
        if find_or_set_aside(self.store, layout.result, RunResult, aside, own=run.wrote) is None:
            return False
        logger.info("has its result already", extra=_about(run))
        return True

    def _take(self, run: PlannedRun, attempt: str) -> bool:
        if self.limits.reuse != Reuse.NAMESPACE or not is_pinned(self.plan, run.task):
            return False
        try:
            return any(self._take_from(source, run, attempt) for source in self._sources(run))
        except StoreError as error:
            logger.warning("nothing is taken from other experiments: %s", error, extra=_about(run))
            return False

    def _take_from(self, source: str, run: PlannedRun, attempt: str) -> bool:
        copy = RunCopy(self.store, self.plan, run, source, attempt)
        try:
            result = copy.make(self._candidate(run, source), self._rivals(run), lambda: self._offer(run))
        except (UnusableError, UserError, StoreError) as why:
            logger.info("not taken from %s: %s", source, why, extra=_about(run))
            copy.remove()
            return False
        logger.info("taken from %s, not trained: %s %s", source, result.metric, result.value, extra=_about(run))
        return True

    def _offer(self, run: PlannedRun) -> None:
        offer(self.store, self.plan, self.limits, run)

    def _sources(self, run: PlannedRun) -> list[str]:
        """The other experiments that have the run, or are about to."""
        folder = run_places(self.plan.namespace, run.run_id)
        names = [info.key.removeprefix(f"{folder}/") for info in self.store.list(folder, limit=_MOST_SOURCES)]
        return [name for name in names if name != self.plan.experiment and is_name(name)]

    def _candidate(self, run: PlannedRun, source: str) -> RunResult:
        """What another experiment has of a run; UnusableError where that cannot stand for ours."""
        layout = ExperimentLayout(self.plan.namespace, source)
        result = find(self.store, layout.run(run.task, run.run_id).result, RunResult)
        if result is None:
            raise UnusableError("it has no result")
        tested = self._tested_content(run.task)
        if (why := objection(self.plan, run, result, Maker(self.image, versions()), tested)) is not None:
            raise UnusableError(why)
        plan = find_or_warn(self.store, layout.plan, Plan, layout.root)
        if plan is not None and any(one.run_id == run.run_id for one in plan.quarantined):
            raise UnusableError("it is quarantined there")
        predictions = {name: result.predictions[name] for name in tested}
        return result.model_copy(update={"predictions": predictions, "test_data": tested})

    def _tested_content(self, task: str) -> Mapping[str, str]:
        if task not in self._tested:
            self._tested[task] = tested_content(self.inputs, self.plan.tasks[task]) if self.plan.predict else {}
        return self._tested[task]

    def _rivals(self, run: PlannedRun) -> Iterator[RunResult]:
        """Results of the task's other runs: those that are here, and those that may be taken."""
        for other in self.plan.runs_of(run.task):
            if other.run_id != run.run_id:
                found = own_result(self.store, self.plan, other) or next(self._offered(other), None)
                if found is not None:
                    yield found

    def _offered(self, run: PlannedRun) -> Iterator[RunResult]:
        for source in self._sources(run):
            with suppress(UnusableError, UserError, StoreError):
                yield self._candidate(run, source)


def _about(run: PlannedRun) -> dict[str, object]:
    return {"task": run.task, "run": run.run, "run_id": run.run_id}
