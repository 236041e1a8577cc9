"""An experiment's life."""

import random
import statistics
from typing import Any, cast

from finetune_core.api import Publication
from finetune_core.api.status import ExperimentStatus, RunCounts
from finetune_core.deciding.actions import CreatePublishJob, CreateReportJob, CreateTrainJob
from finetune_core.deciding.executor import JOB
from finetune_core.deciding.experiment.decision import Decision, decide
from finetune_core.deciding.experiment.status import build_status
from finetune_core.deciding.observation import JobRole, Observation, ReportView
from finetune_core.deciding.report_digest import report_digest
from finetune_core.layout import ExperimentLayout
from finetune_core.publishing.orders import Order, wanted
from finetune_core.results.aggregate import summarise
from finetune_core.results.run import failure_scope
from finetune_operator.children.reader import Children as Reader
from finetune_operator.kinds.experiment_observer import Observer, read_report
from finetune_operator.memory import Memory
from support.simulated.cluster import Job
from support.simulated.experiment_pods import ExperimentPods
from support.simulated.publishing import ENTRIES
from support.simulated.store import MemoryStore
from support.simulated.work import LAYOUT, Work, plan
from support.simulated.world import UID, Children, World

_SPECS = [(rate, runs, tasks) for rate in (1e-5, 2e-5) for runs in (1, 2) for tasks in (("rte",), ("rte", "cola"))]


class ExperimentWorld(World):
    """One experiment."""

    memory: Memory

    def __init__(self, rng: random.Random, *, born_with: int | None = None) -> None:
        store = MemoryStore()
        self.pods = ExperimentPods(store, Work(rng))
        super().__init__(rng, store, self.pods, born_with=born_with)
        self.pods.cluster = self.cluster
        self.spec = rng.choice(_SPECS)
        self.publish = rng.choice(ENTRIES)

    @property
    def layout(self) -> ExperimentLayout:
        return LAYOUT

    def new_memory(self) -> Memory:
        return Memory()

    def observe(self) -> Observation:
        self.store.put(LAYOUT.plan, b"")
        self.pods.plan_in_store = plan(*self.spec)
        observer = Observer(cast(Reader, Children(self.cluster)), self.memory, owner_uid=UID)
        asked, limits = self.execution, self.limits()
        return observer.observe(
            cast(Any, self.store), plan(*self.spec), asked, JOB, "t", now=0.0, limits=limits, publish=self.publish
        )

    def decide(self, seen: Observation) -> Decision:
        return decide(seen)

    def train_job(self, action: CreateTrainJob) -> Job:
        view = self.work_view(action, action.job_plan.indexes)
        return Job(view, plan(*self.spec), scope=failure_scope(UID, action.revision))

    def report_job(self, action: CreateReportJob) -> Job:
        view = self.view(action.name, JobRole.REPORT, action.revision, action.round)
        return Job(view, plan(*self.spec), digest=action.digest, given_up=action.failed)

    def publish_job(self, action: CreatePublishJob) -> Job:
        view = self.view(action.name, JobRole.PUBLISH, action.revision, action.round)
        order = Order.of(action.entry, action.models)
        return Job(view, plan(*self.spec), digest=action.report, order=order)

    def edit(
        self, *, spec: tuple | None = None, publish: tuple[Publication, ...] | None = None, **execution: object
    ) -> None:
        self.spec = spec or self.spec
        self.publish = self.publish if publish is None else publish
        super().edit(**execution)

    def edit_spec(self) -> None:
        if self.rng.random() < 0.5:
            self.edit(spec=self.rng.choice(_SPECS))
        else:
            self.edit(publish=self.rng.choice(ENTRIES))

    def spec_of_now(self) -> dict[str, Any]:
        return {"spec": self.spec, "publish": self.publish}

    def results(self) -> list[str]:
        return [info.key for info in self.store.list(LAYOUT.runs) if info.key.endswith("/result.json")]

    def check(self) -> None:
        decision, wanted = self.decision, plan(*self.spec)
        assert decision is not None
        found = self.pods.results(wanted)
        assert found.keys() | decision.failed.keys() == {run.run_id for run in wanted.runs}, "a run has no end"
        assert not found.keys() & decision.failed.keys(), "a run has a result and has failed"
        self.check_at_rest()
        self._check_report(found, decision)
        self._check_status(found, decision)
        self._check_published(decision)

    def _check_published(self, decision: Decision) -> None:
        """What has not failed lies where it should, and is in its record."""
        state, seen = decision.publishing, self.observe()
        assert state is not None
        assert state.done
        for one in wanted(seen.publish, seen.plan, seen.outcomes):
            record = self.pods.places.record(one.entry.name)
            self.pods.places.require(model for model in one.models if record.has(model))
            whole = not one.lacking and all(map(record.has, one.models))
            assert whole or f"{one.entry.name}: " in state.message, "nobody is told of what is not published"

    def _check_status(self, found: dict, decision: Decision) -> None:
        asked = {"uri": "", "eta": None, "warnings": (), "generation": self.generation, "now": "now"}
        status = build_status(self.observe(), decision, ExperimentStatus(), **asked)
        told, failed = status.runs or RunCounts(), len(decision.failed)
        counted = (told.total, told.succeeded, told.failed, told.running, told.pending)
        assert counted == (len(found) + failed, len(found), failed, 0, 0), "the status counts otherwise than the store"
        for task in status.tasks:
            values = {run: one.value for run, one in found.items() if one.task == task.name and one.value is not None}
            best = (task.best.run_id, task.best.value) if task.best else None
            assert best in (values.items() or [None]), "the status names another best than the store"
            assert best is None or best[1] == max(values.values()), "the status names another best than the store"
            mean = round(statistics.mean(values.values()), 6) if values else None
            assert task.mean == mean, "the status has another mean than the store"

    def _check_report(self, found: dict, decision: Decision) -> None:
        wanted = plan(*self.spec)
        digest = report_digest(wanted, found.values(), decision.failed)
        assert read_report(cast(Any, self.store), LAYOUT) == ReportView(digest), "the report is of something else"
        for row in summarise(wanted, self.observe().outcomes.values()).tasks:
            values = [outcome.value for outcome in found.values() if outcome.task == row.task]
            assert (row.best.value if row.best else None) == max(values, default=None), "the best is not the best"
