"""A search's life."""

import random
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

from finetune_core.api import HPSearchSpec
from finetune_core.api.search_status import HPSearchStatus, TrialCounts
from finetune_core.deciding.actions import (
    Action,
    CreateReportJob,
    CreateTrainJob,
    EndTask,
    PutHyperparameters,
    ReopenTask,
)
from finetune_core.deciding.executor import JOB
from finetune_core.deciding.observation import JobRole
from finetune_core.deciding.search.decision import SearchDecision, decide_search
from finetune_core.deciding.search.observation import SearchObservation
from finetune_core.deciding.search.status import build_search_status
from finetune_core.layout import ExperimentLayout
from finetune_core.planning.search.changes import reopened_tasks
from finetune_core.planning.search.plan import SearchPlan, unit_name
from finetune_core.results.run import failure_scope
from finetune_core.results.search.export import export_digest
from finetune_core.results.search.summary import SearchSummary
from finetune_core.results.search.trial import TrialState
from finetune_core.search_layout import TrialKind
from finetune_operator.children.reader import Children as Reader
from finetune_operator.kinds.search_observer import SearchObserver
from finetune_operator.memory import SearchMemory
from finetune_store import documents
from support.search_trials import clock
from support.simulated.cluster import Job
from support.simulated.search_pods import Results, SearchPods
from support.simulated.search_work import LAYOUT, search_plan
from support.simulated.store import MemoryStore
from support.simulated.world import UID, Children, World

_SPECS = [
    (trials, tasks, finalists) for trials in (1, 2) for tasks in (("rte",), ("rte", "cola")) for finalists in (0, 1)
]
_LISTED_SECONDS = 20.0


class SearchWorld(World):
    """One search."""

    memory: SearchMemory

    def __init__(self, rng: random.Random, *, born_with: int | None = None) -> None:
        store = MemoryStore()
        self.pods = SearchPods(rng, store)
        super().__init__(rng, store, self.pods, born_with=born_with)
        self.pods.cluster = self.cluster
        self.spec = rng.choice(_SPECS)
        self.clusters = rng.randint(1, 2)
        self.config_map: str | None = None

    @property
    def layout(self) -> ExperimentLayout:
        return ExperimentLayout(LAYOUT.namespace, LAYOUT.search)

    def new_memory(self) -> SearchMemory:
        return SearchMemory()

    def _plan(self) -> SearchPlan:
        """As `Planner.search` has it."""
        wanted, old = search_plan(*self.spec), self.memory.plan or self.pods.plan_in_store
        if old is not wanted:
            for task in () if old is None else reopened_tasks(old, wanted):
                self.store.delete(LAYOUT.end(task))
            self.store.put(LAYOUT.plan, b"")
            self.pods.plan_in_store = wanted
        if wanted is not self.memory.plan:
            self.memory.plan, self.memory.ends, self.memory.listed = wanted, {}, None
        return wanted

    def observe(self) -> SearchObservation:
        observer = SearchObserver(cast(Reader, Children(self.cluster)), self.memory, owner_uid=UID)
        spec = SimpleNamespace(execution=self.execution, clusters=self.clusters, concurrent_trials=2)
        asked = cast(HPSearchSpec, spec)
        now, store = self.pods.clock(), cast(Any, self.store)
        seen = observer.observe(
            store,
            self._plan(),
            asked,
            JOB,
            "template",
            now=now,
            every=_LISTED_SECONDS,
            time=clock(now),
            limits=self.limits(),
        )
        return replace(seen, config_map=self.config_map)

    def decide(self, seen: SearchObservation) -> SearchDecision:
        return decide_search(seen)

    def forget_what_actions_change(self) -> None:
        super().forget_what_actions_change()
        self.memory.listed, self.memory.ends = None, {}

    def train_job(self, action: CreateTrainJob) -> Job:
        view = self.work_view(action, tuple((unit_name(unit),) for unit in action.job_plan.units))
        return Job(view, action.job_plan, scope=failure_scope(UID, action.revision))

    def report_job(self, action: CreateReportJob) -> Job:
        self.store.put(LAYOUT.plan, b"")
        view = self.view(action.name, JobRole.REPORT, action.revision, action.round)
        return Job(view, None, digest=action.digest)

    def act(self, action: Action) -> None:
        match action:
            case PutHyperparameters():
                self.config_map = action.digest
            case ReopenTask(task):
                self.store.delete(LAYOUT.end(task))
            case EndTask(task, end):
                self.store.put(LAYOUT.end(task), end.to_json())
            case _:
                super().act(action)

    def edit(self, *, spec: tuple | None = None, clusters: int | None = None, **execution: object) -> None:
        self.spec, self.clusters = spec or self.spec, clusters or self.clusters
        super().edit(**execution)

    def edit_spec(self) -> None:
        self.edit(spec=self.rng.choice(_SPECS), clusters=self.rng.randint(1, 2))

    def spec_of_now(self) -> dict[str, Any]:
        return {"spec": self.spec, "clusters": self.clusters}

    def results(self) -> list[str]:
        folders = [f"{LAYOUT.root}/{kind.value}" for kind in TrialKind] + [LAYOUT.tasks]
        keys = [info.key for folder in folders for info in self.store.list(folder)]
        return [key for key in keys if key.endswith(("/result.json", "/end.json"))]

    def progress(self) -> None:
        self.pods.clock.seconds += self.rng.choice([1.0, 5.0, 15.0])
        super().progress()

    def _freeze(self) -> None:
        """Longer than a lease, or shorter."""
        drivers = self.pods.drivers()
        if drivers:
            self.rng.choice(drivers).frozen_until = self.pods.clock() + self.rng.choice([20.0, 120.0])

    def faults(self) -> list[Callable[[], None]]:
        return [*super().faults(), self._freeze]

    # how it must end

    def check(self) -> None:
        decision, wanted = self.decision, search_plan(*self.spec)
        assert decision is not None
        found, ends = self.pods.results(wanted), self.pods.ends(wanted)
        self.check_at_rest()
        for task in wanted.order:
            given_up = {f"{task}/{cluster}" for cluster in range(self.clusters)} <= decision.failed.keys()
            assert (task in ends) != given_up, "a task has no end, or has an end and has failed"
            if task in ends:
                self._check_task(wanted, task, found)
        # Finalists of a plan before decide nothing where the plan of now asks for none.
        kinds = TrialKind if wanted.finalists else (TrialKind.TRIALS,)
        published, there = ({key: one[key] for key in one if key[0] in kinds} for one in (self.pods.published, found))
        assert published == there, "the report is of other results"
        self._check_export(wanted, found, export_digest(wanted, ends))
        self._check_status(wanted, found, decision)

    def _check_status(self, plan: SearchPlan, found: Results, decision: SearchDecision) -> None:
        asked = {"uri": "", "warnings": (), "generation": self.generation, "now": clock(0)}
        status = build_search_status(self.observe(), decision, HPSearchStatus(), **asked)
        told, trials = status.trials or TrialCounts(), [one for key, one in found.items() if key[0] == TrialKind.TRIALS]
        counted = told.completed, told.stopped, told.failed, told.running
        there = tuple(sum(one.state == state for one in trials) for state in TrialState)
        assert counted == (*there, 0), "the status counts otherwise than the store"
        best = {task.name: task.best.value if task.best else None for task in status.tasks}
        assert best == {task: self._best(plan, found, task) for task in plan.order}, "the status names another best"

    def _best(self, plan: SearchPlan, found: Results, task: str) -> float | None:
        by_kind = {kind: self._values(found, kind, task) for kind in TrialKind}
        finalists = by_kind[TrialKind.FINALISTS] if plan.finalists is not None else []
        return max(finalists or by_kind[TrialKind.TRIALS], default=None)

    def _check_task(self, plan: SearchPlan, task: str, found: Results) -> None:
        # Fewer trials than before take nothing back: any of them count.
        trials = [key for key in found if key[:2] == (TrialKind.TRIALS, task)]
        assert len(trials) >= plan.tasks[task].trials, "a trial has no end"
        if plan.finalists is not None and self._values(found, TrialKind.TRIALS, task):
            assert (TrialKind.FINALISTS, task, 0) in found, "a finalist has no end"

    def _check_export(self, plan: SearchPlan, found: Results, digest: str) -> None:
        summary = documents.find(self.store, LAYOUT.summary("json"), SearchSummary)
        assert summary is not None
        assert summary.report_digest == digest, "the report is of something else"
        best = self.observe().best.tasks
        for task in plan.order:
            value = best[task].value if task in best else None
            assert value == self._best(plan, found, task), "the best is not the best"
        assert not best or self.config_map == digest, "the ConfigMap is of something else"

    def _values(self, found: Results, kind: TrialKind, task: str) -> list[float]:
        mine = (one for key, one in found.items() if key[:2] == (kind, task))
        return [one.value for one in mine if one.value is not None and one.state != TrialState.FAILED]
