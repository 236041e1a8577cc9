"""An experiment's life."""

import random
from typing import Any, cast

from finetune_core.deciding.actions import CreateReportJob, CreateTrainJob
from finetune_core.deciding.executor import JOB
from finetune_core.deciding.experiment import Decision, decide
from finetune_core.deciding.observation import JobRole, Observation, ReportView
from finetune_core.deciding.report_digest import report_digest
from finetune_core.results.aggregate import summarise
from finetune_core.results.run import failure_scope
from finetune_operator.children.reader import Children as Reader
from finetune_operator.kinds.experiment_observer import Observer, read_report
from finetune_operator.memory import Memory
from support.simulated.cluster import Job
from support.simulated.experiment_pods import ExperimentPods
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

    def new_memory(self) -> Memory:
        return Memory()

    def observe(self) -> Observation:
        self.store.put(LAYOUT.plan, b"")
        self.pods.plan_in_store = plan(*self.spec)
        observer = Observer(cast(Reader, Children(self.cluster)), self.memory, owner_uid=UID)
        return observer.observe(cast(Any, self.store), plan(*self.spec), self.execution, JOB, "template", now=0.0)

    def decide(self, seen: Observation) -> Decision:
        return decide(seen)

    def train_job(self, action: CreateTrainJob) -> Job:
        view = self.work_view(action, action.job_plan.indexes)
        return Job(view, plan(*self.spec), scope=failure_scope(UID, action.revision))

    def report_job(self, action: CreateReportJob) -> Job:
        view = self.view(action.name, JobRole.REPORT, action.revision, action.round)
        return Job(view, plan(*self.spec), digest=action.digest, given_up=action.failed)

    def edit(self, *, spec: tuple | None = None, **execution: object) -> None:
        self.spec = spec or self.spec
        super().edit(**execution)

    def edit_spec(self) -> None:
        self.edit(spec=self.rng.choice(_SPECS))

    def spec_of_now(self) -> dict[str, Any]:
        return {"spec": self.spec}

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

    def _check_report(self, found: dict, decision: Decision) -> None:
        wanted = plan(*self.spec)
        digest = report_digest(wanted, found.values(), decision.failed)
        assert read_report(cast(Any, self.store), LAYOUT) == ReportView(digest), "the report is of something else"
        for row in summarise(wanted, self.observe().outcomes.values()).tasks:
            values = [outcome.value for outcome in found.values() if outcome.task == row.task]
            assert (row.best.value if row.best else None) == max(values, default=None), "the best is not the best"
