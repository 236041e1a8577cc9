"""What the pods of a search do: the drivers of the product, with workers that are played, and reports."""

import random
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from finetune_core.deciding.observation import JobRole
from finetune_core.planning.search.plan import SearchPlan
from finetune_core.results.run import ExitCode, FailureReason
from finetune_core.results.search.export import export_digest
from finetune_core.results.search.trial import Heartbeat, TaskEnd, TrialResult
from finetune_core.search_layout import TrialKind
from finetune_store import StoreError, UnreadableError, documents
from finetune_store._errors import UnreachableError
from finetune_trainer.drive.pool import Answer, Pool
from finetune_trainer.drive.worker import Report
from finetune_trainer.errors import RunError
from finetune_trainer.search.driver import Driver
from finetune_trainer.search.trial_worker import TrialOrder
from finetune_trainer.signals import StopFlag
from support.simulated.cluster import Job, Pod
from support.simulated.search_work import LAYOUT, SearchWork, TaskFate, interrupted, summary
from support.simulated.store import MemoryStore

if TYPE_CHECKING:
    from support.simulated.cluster import Cluster

_TIMELY_SECONDS = 20.0
"""Well within a lease."""
Results = dict[tuple[TrialKind, str, int], TrialResult]


class Clock:
    """Seconds that pass when told."""

    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


class PlayedPool:
    """Workers that take a step when they are waited for."""

    def __init__(self, rng: random.Random, work: SearchWork, workers: int) -> None:
        self._rng = rng
        self._work = work
        self._workers = workers
        self._busy: dict[str, tuple[TrialOrder, bool]] = {}
        self._waiting: dict[str, TrialOrder] = {}
        self._stopped = False

    def room(self, wanted: int) -> int:
        return min(wanted, self._workers - len(self._busy) - len(self._waiting))

    def start(self, name: str, order: TrialOrder) -> None:
        self._busy[name] = (order, False)

    def wait(self, seconds: float) -> list[Answer]:
        return [self._answer(name) for name in list(self._busy) if self._stopped or self._rng.random() < 0.7]

    def _answer(self, name: str) -> Answer:
        order, reported = self._busy.pop(name)
        if self._stopped:
            return Answer(name, interrupted(order))
        outcome = self._work.end(order) if reported else self._work.report(order)
        if isinstance(outcome, Report):
            self._waiting[name] = order
        return Answer(name, outcome)

    def go_on(self, name: str) -> None:
        self._busy[name] = (self._waiting.pop(name), True)

    def end(self, name: str) -> None:
        del self._waiting[name]

    def stop(self) -> None:
        self._stopped = True


class Wire:
    """A driver's way to the store, which ends with its process."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store
        self.cut = False

    def __getattr__(self, name: str) -> object:
        if self.cut:
            raise UnreachableError("its process has ended")
        return getattr(self._store, name)


class PlayedDriver(Driver):
    """The driver of a pod, whose heart beats when the pod takes a step.

    Others rightly take the trials of one that was `late` with a beat.
    """

    def __init__(self, pods: "SearchPods", pod: Pod, job: Job) -> None:
        self.wire, self.flag, self.ends = Wire(pods.store), StopFlag(), False
        unit = job.plan.units[pod.index or 0]
        super().__init__(
            job.plan,
            (unit,),
            stores=(self.wire, self.wire),
            uri="",
            stop=self.flag,
            ray=False,
            patience=0,
            clock=pods.clock,
        )
        self._name, self._scope = f"c{self._cluster}-{pod.name}", job.scope
        self._made_pool = PlayedPool(pods.rng, pods.work, job.plan.concurrent_trials)
        self._beat = 0
        self.task = unit[0]
        self.frozen_until = 0.0
        self.beaten = pods.clock()
        self.late = False
        self.left = self.steps()

    @contextmanager
    def _pulse(self) -> Iterator[None]:
        self.beat()
        try:
            yield
        finally:
            self.beat(ended=True)

    @contextmanager
    def _pool(self) -> Iterator[Pool]:
        yield self._made_pool

    def beat(self, *, ended: bool = False) -> None:
        self.late = self.late or self._clock() - self.beaten > _TIMELY_SECONDS
        self.beaten = self._clock()
        self._beat += 1
        heartbeat = Heartbeat(
            driver=self._name, cluster=self._cluster, beat=self._beat, running=self._running(), time="", ended=ended
        )
        try:
            self.wire.put(self._layout.driver(self._name), heartbeat.to_json())
        except StoreError:
            return


class SearchPods:
    """`published` are the results that the last report was written from."""

    cluster: "Cluster"

    def __init__(self, rng: random.Random, store: MemoryStore) -> None:
        self.rng = rng
        self.store = store
        self.work = SearchWork(rng)
        self.clock = Clock()
        self.plan_in_store: SearchPlan | None = None
        self.published: Results = {}

    def step(self, pod: Pod, job: Job | None) -> None:
        if pod.role == JobRole.REPORT:
            self._report(pod, job)
        elif job is not None:
            self._drive(pod, job)

    def drivers(self) -> list[PlayedDriver]:
        """Those that work, by pod."""
        found = (pod.doing for _, pod in sorted(self.cluster.pods.items()))
        return [driver for driver in found if isinstance(driver, PlayedDriver)]

    def stopped(self, pod: Pod) -> None:
        """Told to stop and saving its state, or killed."""
        driver = pod.doing
        if not isinstance(driver, PlayedDriver):
            return
        if driver.frozen_until <= self.clock() and not self.store.away and self.rng.random() < 0.5:
            driver.flag._told = True
            try:
                for _ in driver.left:
                    pass
            except RunError:
                pass
        driver.wire.cut = True
        driver.left.close()

    def _drive(self, pod: Pod, job: Job) -> None:
        if self.store.away:
            raise UnreachableError("the store does not answer")
        driver = pod.doing
        if driver is None:
            driver = pod.doing = PlayedDriver(self, pod, job)
        if self.clock() < driver.frozen_until:
            return
        if driver._beat:
            driver.beat()
        try:
            next(driver.left)
        except StopIteration:
            self.cluster.stop(pod, ExitCode.SUCCESS)
        except RunError as error:
            self.cluster.stop(pod, error.exit_code, FailureReason.USER_ERROR)
        else:
            self.check()
            if self.work.task(driver.task) == TaskFate.SILENT:
                self.cluster.stop(pod, 137, "OOMKilled")

    def check(self) -> None:
        """No two drivers that live and beat do one trial."""
        timely = [one for one in self.drivers() if not one.late and self.clock() - one.beaten <= _TIMELY_SECONDS]
        executing = Counter(trial for driver in timely for trial in driver._running())
        assert not [trial for trial, times in executing.items() if times > 1], "a trial is done twice at the same time"

    def results(self, plan: SearchPlan) -> Results:
        """What lies in the store, as anybody would read it."""
        found: Results = {}
        for kind in TrialKind:
            for task in plan.order:
                for info in self.store.list(LAYOUT.trials(kind, task)):
                    if not info.key.endswith("/result.json"):
                        continue
                    try:
                        result = documents.find(self.store, info.key, TrialResult)
                    except UnreadableError:
                        continue
                    if result is not None:
                        found[kind, task, result.index] = result
        return found

    def ends(self, plan: SearchPlan) -> dict[str, TaskEnd]:
        """How the tasks ended, as the report reads it."""
        found = {task: documents.find_or_warn(self.store, LAYOUT.end(task), TaskEnd) for task in plan.order}
        return {task: end for task, end in found.items() if end is not None}

    def _report(self, pod: Pod, job: Job | None) -> None:
        """As `build_search` has it."""
        if job is None or self.plan_in_store is None:
            return
        plan = self.plan_in_store
        if not pod.writing:
            ends, found = self.ends(plan), self.results(plan)
            less = any(
                end.misses(
                    *(sum(key[:2] == (kind, task) for key in found) for kind in TrialKind),
                    planned=plan.tasks[task].trials,
                )
                for task, end in ends.items()
            )
            if less or export_digest(plan, ends) != job.digest:
                self.cluster.stop(pod, ExitCode.RESULTS_CHANGED, FailureReason.RESULTS_CHANGED)
                return
            pod.writing = True
            pod.doing = found
            self.store.delete(LAYOUT.summary("json"))
        else:
            self.store.put(LAYOUT.summary("json"), summary(plan, job.digest))
            self.published = pod.doing
            self.cluster.stop(pod, ExitCode.SUCCESS)
