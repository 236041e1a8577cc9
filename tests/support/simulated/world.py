"""The operator between the simulated API server and store, and what users and bad luck do meanwhile."""

import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast

from finetune_core.api import Execution
from finetune_core.api.status import Reason
from finetune_core.deciding.actions import Action, CreateReportJob, CreateTrainJob, DeleteJob, ExpireJob, PatchJob
from finetune_core.deciding.executor import JOB
from finetune_core.deciding.experiment import Decision, decide
from finetune_core.deciding.expiry import expiring
from finetune_core.deciding.observation import JobRole, JobView, Observation, PodView, ReportView
from finetune_core.deciding.report_digest import report_digest
from finetune_core.results.aggregate import summarise
from finetune_core.results.run import failure_scope
from finetune_operator.children.reader import Children
from finetune_operator.kinds.experiment_observer import Observer, read_report
from finetune_operator.memory import Memory
from finetune_store import StoreError
from support.simulated.cluster import RETRIES, Cluster, Job
from support.simulated.store import MemoryStore
from support.simulated.work import LAYOUT, Work, plan

UID = "owner"
_SPECS = [(rate, runs, tasks) for rate in (1e-5, 2e-5) for runs in (1, 2) for tasks in (("rte",), ("rte", "cola"))]
_MAX_LOOKS = 150
_MAX_CREATED = 40


class CutOffError(Exception):
    """The operator was killed here."""


class World:
    """One experiment. `born_with` is the TTL that Jobs are created with: none, as the builders of manifests have it."""

    def __init__(self, rng: random.Random, *, born_with: int | None = None) -> None:
        self.rng = rng
        self.born_with = born_with
        self.store = MemoryStore()
        self.work = Work(rng)
        self.cluster = Cluster(rng, self.store, self.work)
        self.spec = rng.choice(_SPECS)
        self.execution = Execution(
            parallelism=rng.randint(1, 2),
            retries=RETRIES,
            runs_per_pod=rng.randint(1, 2),
            ttl_seconds_after_finished=rng.choice([0, 86_400]),
        )
        self.generation = 1
        self.settled_at: int | None = None
        self.memory = Memory()
        self.decision: Decision | None = None
        self.tampered = False

    # what the operator does

    def look(self, *, killed_after: int | None = None, status_lost: bool = False) -> None:
        """One look; a killed operator remembers nothing of it."""
        if self.settled_at == self.generation:
            self.memory = Memory()
            return
        try:
            decision = self._look(killed_after)
        except CutOffError:
            self.memory = Memory()
            return
        except StoreError:
            return
        if not status_lost:
            self.decision = decision
            if decision.done:
                self.settled_at, self.memory = self.generation, Memory()

    def _look(self, killed_after: int | None) -> Decision:
        seen = self.observe()
        decision = decide(seen)
        closing = expiring(seen.jobs, self.execution.ttl_seconds_after_finished) if decision.done else ()
        for place, action in enumerate((*decision.actions, *closing)):
            if place == killed_after:
                raise CutOffError
            self._act(action)
        if killed_after is not None:
            raise CutOffError
        return decision

    def observe(self) -> Observation:
        """What the operator's observer sees."""
        children = cast(Children, _Children(self.cluster))
        self.store.put(LAYOUT.plan, b"")
        self.cluster.plan_in_store = plan(*self.spec)
        observer = Observer(children, self.memory, owner_uid=UID)
        return observer.observe(cast(Any, self.store), plan(*self.spec), self.execution, JOB, "template", now=0.0)

    def _act(self, action: Action) -> None:
        cluster = self.cluster
        match action:
            case CreateTrainJob():
                cluster.create(self._train_job(action))
            case CreateReportJob():
                view = self._view(action.name, JobRole.REPORT, action.revision, action.round)
                cluster.create(Job(view, plan(*self.spec), digest=action.digest, given_up=action.failed))
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

    def _train_job(self, action: CreateTrainJob) -> Job:
        view = replace(
            self._view(action.name, JobRole.TRAIN, action.revision, action.round),
            suspended=action.suspend,
            parallelism=action.parallelism,
            indexes=action.job_plan.indexes,
        )
        return Job(view, plan(*self.spec), scope=failure_scope(UID, action.revision))

    def _view(self, name: str, role: JobRole, revision: str, round_: int) -> JobView:
        return JobView(name=name, role=role, revision=revision, round=round_, ttl=self.born_with)

    # what users and bad luck do

    def edit(self, *, spec: tuple | None = None, **execution: object) -> None:
        """A new generation of the spec."""
        self.spec = spec or self.spec
        self.execution = self.execution.model_copy(update=execution)
        self.generation += 1

    def _edit_values(self) -> None:
        self.edit(spec=self.rng.choice(_SPECS))

    def _edit_and_back(self) -> None:
        before = self.spec
        self._edit_values()
        for _ in range(self.rng.randint(0, 6)):
            self.rng.choice([self.look, self.cluster.progress])()
        self.edit(spec=before)

    def _edit_execution(self) -> None:
        field, values = self.rng.choice(
            [("suspend", [True, False]), ("parallelism", [0, 1, 2]), ("retry_token", ["a", "b", "c"])]
        )
        self.edit(**{field: self.rng.choice(values)})

    def _kill_operator(self) -> None:
        self.look(killed_after=self.rng.randint(0, 2))

    def _lose_status(self) -> None:
        self.look(status_lost=True)

    def _outage(self) -> None:
        self.store.away = not self.store.away

    def _result_key(self) -> str | None:
        if self.store.away:
            return None
        keys = [info.key for info in self.store.list(LAYOUT.runs) if info.key.endswith("/result.json")]
        return self.rng.choice(keys) if keys else None

    def _delete_result(self) -> None:
        if key := self._result_key():
            self.store.delete(key)
            self.tampered = True

    def _damage_result(self) -> None:
        if key := self._result_key():
            self.store.put(key, self.rng.choice([b"", b"{", b"{}"]))
            self.tampered = True

    def _delete_job(self) -> None:
        if self.cluster.jobs:
            self.cluster.delete(self.rng.choice(sorted(self.cluster.jobs)))

    def _evict(self) -> None:
        living = sorted(pod.name for pod in self.cluster.pods.values() if pod.code is None)
        if living:
            self.cluster.pods[self.rng.choice(living)].terminating = True

    def live(self, events: int) -> None:
        """Events and faults in random order."""
        faults: list[Callable[[], None]] = [
            self._edit_values,
            self._edit_and_back,
            self._edit_execution,
            self._kill_operator,
            self._lose_status,
            self._outage,
            self._delete_result,
            self._damage_result,
            self._delete_job,
            self._evict,
        ]
        usual = [self.look, self.look, self.cluster.progress, self.cluster.progress, self.cluster.expire]
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
        if self.execution.suspend or self.execution.parallelism == 0:
            self.edit(suspend=False, parallelism=1)
        created = self.cluster.created
        for _ in range(_MAX_LOOKS):
            self.look()
            if self.settled_at == self.generation:
                reason = self.decision.reason if self.decision else None
                assert reason != Reason.REPORT_FAILED, "the report failed for good"
                return
            for _ in range(2):
                self.cluster.progress()
            self.cluster.expire()
            assert self.cluster.created - created < _MAX_CREATED, "Jobs are made without end"
        raise AssertionError(f"it does not come to rest: {self.decision}")

    def check(self) -> None:
        """Whatever the operator thinks: what there is, is as the spec asks."""
        decision, wanted = self.decision, plan(*self.spec)
        assert decision is not None
        found = self.cluster.results(wanted)
        assert found.keys() | decision.failed.keys() == {run.run_id for run in wanted.runs}, "a run has no end"
        assert not found.keys() & decision.failed.keys(), "a run has a result and has failed"
        working = [pod.name for pod in self.cluster.pods.values() if pod.code is None and not pod.terminating]
        assert not working, f"{working} work on"
        living = [job.view.name for job in self.cluster.jobs.values() if not job.view.finished]
        assert not living, f"{living} live on"
        assert all(job.view.ttl is not None for job in self.cluster.jobs.values()), "a Job is kept for ever"
        self._check_report(found, decision)

    def _check_report(self, found: dict, decision: Decision) -> None:
        wanted = plan(*self.spec)
        digest = report_digest(wanted, found.values(), decision.failed)
        assert read_report(cast(Any, self.store), LAYOUT) == ReportView(digest), "the report is of something else"
        for row in summarise(wanted, self.observe().outcomes.values()).tasks:
            values = [outcome.value for outcome in found.values() if outcome.task == row.task]
            assert (row.best.value if row.best else None) == max(values, default=None), "the best is not the best"


class _Children:
    """The owner's Jobs and pods, as the operator's reader gives them."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    def jobs(self) -> tuple[JobView, ...]:
        return self._cluster.job_views()

    def pods(self) -> tuple[PodView, ...]:
        return self._cluster.pod_views()

    def hindered(self) -> tuple[PodView, ...]:
        """Nobody refuses pods here."""
        return ()
