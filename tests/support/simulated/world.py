"""The operator between the simulated API server and store, and what users and bad luck do meanwhile."""

import random
from abc import abstractmethod
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, cast

from finetune_core.api import Execution
from finetune_core.api.budget import Budget
from finetune_core.api.status import Reason
from finetune_core.deciding.actions import (
    Action,
    CreatePublishJob,
    CreateReportJob,
    CreateTrainJob,
    DeleteJob,
    ExpireJob,
    HoldWork,
    PatchJob,
    ReleaseWork,
)
from finetune_core.deciding.budget import Limits
from finetune_core.deciding.expiry import expiring
from finetune_core.deciding.observation import JobRole, JobView, PodView
from finetune_core.layout import ExperimentLayout
from finetune_core.results.run import Hold
from finetune_kube.errors import ApiUnavailableError
from finetune_operator.kinds.budgets import limits
from finetune_operator.kinds.reports import look_again_at_the_end
from finetune_operator.memory import LookMemory
from finetune_store import StoreError, documents
from support.simulated.cluster import RETRIES, Cluster, Job, Work
from support.simulated.faults import Unlucky
from support.simulated.store import MemoryStore

UID = "owner"
_STARTED, _NOW = "2026-01-01T00:00:00Z", datetime(2026, 1, 2, tzinfo=UTC)
_MAX_LOOKS = 150
_MAX_CREATED = 40


class CutOffError(Exception):
    """The operator was killed here."""


class World(Unlucky):
    """One experiment or search. `born_with` is the TTL that Jobs are created with: none, as the builders have it.

    `tight`: its budget is spent. `tampered`: results went or were damaged while nobody looked, since all had ended.
    """

    memory: LookMemory
    decision: Any

    def __init__(self, rng: random.Random, store: MemoryStore, work: Work, *, born_with: int | None = None) -> None:
        self.rng = rng
        self.born_with = born_with
        self.store = store
        self.cluster = Cluster(rng, work)
        self.execution = Execution(
            parallelism=rng.randint(1, 2),
            retries=RETRIES,
            runs_per_pod=rng.randint(1, 2),
            ttl_seconds_after_finished=rng.choice([0, 86_400]),
        )
        self.generation = 1
        self.settled_at: int | None = None
        self.memory = self.new_memory()
        self.decision = None
        self.tampered = False
        self.tight = False

    @property
    @abstractmethod
    def layout(self) -> ExperimentLayout:
        """Where its runs lie, and what tells pods to begin nothing."""

    @abstractmethod
    def new_memory(self) -> LookMemory:
        """A memory of nothing."""

    @abstractmethod
    def observe(self) -> Any:
        """What the operator's observer sees."""

    @abstractmethod
    def decide(self, seen: Any) -> Any:
        """What the operator decides."""

    @abstractmethod
    def train_job(self, action: CreateTrainJob) -> Job:
        """A Job that does what was decided."""

    @abstractmethod
    def report_job(self, action: CreateReportJob) -> Job:
        """A Job that reports."""

    def publish_job(self, action: CreatePublishJob) -> Job:
        """A Job that publishes: only experiments have some."""
        raise AssertionError(action)

    @abstractmethod
    def check(self) -> None:
        """Whatever the operator thinks: what there is, is as the spec asks."""

    # what the operator does

    def look(self, *, killed_after: int | None = None, status_lost: bool = False) -> None:
        """One look; a killed operator remembers nothing of it."""
        if self.settled_at == self.generation:
            self.memory = self.new_memory()
            return
        try:
            decision = self._look(killed_after)
        except CutOffError:
            self.memory = self.new_memory()
            return
        except (StoreError, ApiUnavailableError):
            # It goes on by what it remembers.
            return
        if not status_lost:
            self.decision = decision
            if decision.done:
                self.settled_at, self.memory = self.generation, self.new_memory()

    def _look(self, killed_after: int | None) -> Any:
        seen, decision = look_again_at_the_end(self.memory, self._see)
        closing = expiring(seen.jobs, self.execution.ttl_seconds_after_finished) if decision.done else ()
        if decision.actions:
            self.forget_what_actions_change()
        for place, action in enumerate((*decision.actions, *closing)):
            if place == killed_after:
                raise CutOffError
            self.act(action)
        if killed_after is not None:
            raise CutOffError
        return decision

    def forget_what_actions_change(self) -> None:
        """As either reconciler does before it acts."""
        self.memory.held = None

    def limits(self) -> Limits:
        """As the operator has them."""
        budget = Budget(time="1s") if self.tight else None
        return limits(cast(Any, self.store), self.layout, self.memory, budget, _STARTED, _NOW)

    def _see(self) -> Any:
        seen = self.observe()
        return seen, self.decide(seen)

    def act(self, action: Action) -> None:
        """Do it, as `ActionExecutor` does."""
        cluster = self.cluster
        if not isinstance(action, HoldWork | ReleaseWork):
            cluster.ask()
        match action:
            case CreateTrainJob():
                cluster.create(self.train_job(action))
            case CreateReportJob():
                cluster.create(self.report_job(action))
            case CreatePublishJob():
                cluster.create(self.publish_job(action))
            case PatchJob(name, parallelism, suspend):
                changes = {"parallelism": parallelism, "suspended": suspend}
                cluster.change(name, **{field: value for field, value in changes.items() if value is not None})
            case ExpireJob(name, ttl):
                cluster.change(name, ttl=ttl)
            case DeleteJob(name):
                job = cluster.jobs.get(name)
                cut = job is not None and job.view.role == JobRole.TRAIN and cluster.pods_of(job)
                assert not cut, "pods that train are cut off"
                cluster.delete(name)
            case HoldWork(_, message):
                self.store.put(self.layout.hold, Hold(message=message).to_json())
            case ReleaseWork():
                self.store.delete(self.layout.hold)
        cluster.check()

    def work_view(self, action: CreateTrainJob, indexes: tuple[tuple[str, ...], ...]) -> JobView:
        """The view of a Job that does work."""
        view = self.view(action.name, JobRole.TRAIN, action.revision, action.round)
        return replace(view, suspended=action.suspend, parallelism=action.parallelism, indexes=indexes)

    def view(self, name: str, role: JobRole, revision: str, round_: int) -> JobView:
        """The view of a Job that is made now."""
        return JobView(name=name, role=role, revision=revision, round=round_, ttl=self.born_with)

    # how it goes on

    def progress(self) -> None:
        """Time passes for controllers, kubelets and pods."""
        self.cluster.progress()
        self.cluster.check()

    def live(self, events: int) -> None:
        """Events and faults in random order."""
        faults = self.faults()
        usual = [self.look, self.look, self.progress, self.progress, self.cluster.expire]
        for _ in range(events):
            (self.rng.choice(faults) if self.rng.random() < 0.25 else self.rng.choice(usual))()

    def live_and_end(self) -> None:
        """Now and then it comes to an end, which is when much else goes wrong."""
        for _ in range(2):
            if self.rng.random() < 0.5:
                self.settle()
            self.live(10)
        self.settle()
        if self.tampered:
            # Nobody looks at results once all has ended, until the user wants something.
            self.edit(retry_token="look again")
            self.settle()
        self.check()

    # how it must end

    def settle(self) -> None:
        """Faults stop, the user wants it to go on: it comes to rest, and does not make Jobs for ever."""
        self.store.away = False
        if self.tight or self.execution.suspend or self.execution.parallelism == 0:
            self.tight = False
            self.edit(suspend=False, parallelism=1)
        created = self.cluster.created
        for _ in range(_MAX_LOOKS):
            self.look()
            if self.settled_at == self.generation:
                reason = self.decision.reason if self.decision else None
                assert reason != Reason.REPORT_FAILED, "the report failed for good"
                return
            for _ in range(3):
                self.progress()
            self.cluster.expire()
            assert self.cluster.created - created < _MAX_CREATED, "Jobs are made without end"
        raise AssertionError(f"it does not come to rest: {self.decision}")

    def check_at_rest(self) -> None:
        """Nothing works on, lives on, or is kept for ever."""
        assert documents.find(cast(Any, self.store), self.layout.hold, Hold) is None, "pods are told to begin nothing"
        working = [pod.name for pod in self.cluster.pods.values() if pod.code is None and not pod.terminating]
        assert not working, f"{working} work on"
        living = [job.view.name for job in self.cluster.jobs.values() if not job.view.finished]
        assert not living, f"{living} live on"
        assert all(job.view.ttl is not None for job in self.cluster.jobs.values()), "a Job is kept for ever"


class Children:
    """The owner's Jobs and pods, as the operator's reader gives them."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    def jobs(self) -> tuple[JobView, ...]:
        self._cluster.ask()
        return self._cluster.job_views()

    def pods(self) -> tuple[PodView, ...]:
        self._cluster.ask()
        return self._cluster.pod_views()

    def hindered(self) -> tuple[PodView, ...]:
        """Nobody refuses pods here."""
        return ()
