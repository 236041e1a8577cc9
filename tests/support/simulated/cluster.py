"""Jobs and pods as Kubernetes moves them: the Job controller, the kubelets, the TTL controller."""

import random
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from finetune_core.deciding.observation import JobRole, JobView, PodView
from finetune_core.publishing.orders import Order
from finetune_core.results.run import ExitCode, FailureReason
from finetune_kube.errors import ApiUnavailableError
from finetune_store._errors import UnreachableError

RETRIES = 1


@dataclass
class Pod:
    """A pod at work, or ended (`code`); `doing` is what it does just now, `writing` whether its report has begun."""

    name: str
    job: str
    job_uid: str
    role: JobRole
    index: int | None
    doing: Any = None
    writing: bool = False
    terminating: bool = False
    code: int | None = None
    reason: str | None = None

    def end(self, code: int, reason: str | None = None) -> None:
        self.code, self.reason, self.doing = code, reason, None


@dataclass
class Job:
    """A Job with what its pods were told; `order` is that of one which publishes."""

    view: JobView
    plan: Any
    scope: str = ""
    digest: str = ""
    order: Order | None = None
    given_up: tuple[str, ...] = ()
    failures: dict[int, int] = field(default_factory=dict)
    counted: set[str] = field(default_factory=set)


class Work(Protocol):
    """What the pods of a Job do."""

    def step(self, pod: Pod, job: Job | None) -> None:
        """A moment of its life; UnreachableError where the store is away."""
        ...

    def stopped(self, pod: Pod) -> None:
        """It ends, whatever it did."""
        ...


class Cluster:
    """What the API server has; it gives so many `answers` more, None for any number."""

    def __init__(self, rng: random.Random, work: Work) -> None:
        self.rng = rng
        self.work = work
        self.jobs: dict[str, Job] = {}
        self.pods: dict[str, Pod] = {}
        self.created = 0
        self.answers: int | None = None
        self._serial = 0

    def ask(self) -> None:
        """ApiUnavailableError where the API server does not answer any more."""
        if self.answers == 0:
            raise ApiUnavailableError("the API server does not answer")
        if self.answers is not None:
            self.answers -= 1

    def check(self) -> None:
        """At each moment."""
        live = [job.view for job in self.jobs.values() if not job.view.finished and not job.view.suspended]
        # Places have nothing to do with each other.
        alone = len(live) <= 1 or {view.role for view in live} == {JobRole.PUBLISH}
        assert alone, f"{[view.name for view in live]} live at the same time"

    def serial(self) -> str:
        self._serial += 1
        return f"{self._serial:06d}"

    def create(self, job: Job) -> None:
        """Nothing happens if there is one of that name."""
        if job.view.name in self.jobs:
            return
        self.created += 1
        self.jobs[job.view.name] = replace(job, view=replace(job.view, uid=self.serial()))
        if job.view.role == JobRole.TRAIN:
            living = [each.view for each in self.jobs.values() if not each.view.finished]
            assert [view.role for view in living] == [JobRole.TRAIN], "another Job lives beside the one that trains"

    def change(self, name: str, **fields: object) -> None:
        if name in self.jobs:
            self.jobs[name].view = replace(self.jobs[name].view, **fields)

    def delete(self, name: str) -> None:
        """In the background: its pods end a while later."""
        job = self.jobs.pop(name, None)
        for pod in [] if job is None else self.pods_of(job):
            pod.terminating = True

    def pods_of(self, job: Job) -> list[Pod]:
        return [pod for pod in self.pods.values() if pod.job_uid == job.view.uid and pod.code is None]

    def job_of(self, pod: Pod) -> Job | None:
        job = self.jobs.get(pod.job)
        return job if job is not None and job.view.uid == pod.job_uid else None

    def job_views(self) -> tuple[JobView, ...]:
        for job in self.jobs.values():
            living = self.pods_of(job)
            active = sum(not pod.terminating for pod in living)
            job.view = replace(job.view, active=active, ready=active, terminating=len(living) - active)
        return tuple(job.view for job in self.jobs.values())

    def pod_views(self) -> tuple[PodView, ...]:
        return tuple(
            PodView(
                pod.name,
                pod.job,
                pod.role,
                pod.index,
                ended=pod.code is not None,
                failure_reason=pod.reason,
                failure_message=pod.reason or "",
            )
            for pod in self.pods.values()
        )

    def progress(self) -> None:
        """Controllers and kubelets each do a little."""
        for pod in list(self.pods.values()):
            if pod.code is None and self.rng.random() < 0.7:
                self._pod(pod)
        for job in list(self.jobs.values()):
            self._count(job)
            if not job.view.finished:
                self._control(job)
        for pod in list(self.pods.values()):
            if pod.code is not None and self.job_of(pod) is None:
                del self.pods[pod.name]

    def expire(self) -> None:
        """The TTL controller."""
        for name in [job.view.name for job in self.jobs.values() if job.view.finished and job.view.ttl is not None]:
            self.delete(name)

    def _count(self, job: Job) -> None:
        for pod in self.pods.values():
            if pod.job_uid != job.view.uid or pod.code is None or pod.name in job.counted:
                continue
            job.counted.add(pod.name)
            if job.view.role == JobRole.REPORT:
                self._count_report(job, pod.code)
            elif job.view.role == JobRole.PUBLISH:
                self._count_push(job, pod.code)
            elif pod.index is not None and pod.index not in job.view.completed | job.view.failed:
                self._count_run(job, pod.index, pod.code)

    def _count_report(self, job: Job, code: int) -> None:
        if code == ExitCode.SUCCESS:
            job.view = replace(job.view, complete=True)
        elif code in {ExitCode.USER_ERROR, ExitCode.RESULTS_CHANGED}:
            job.view = replace(job.view, failed_for="PodFailurePolicy")

    def _count_push(self, job: Job, code: int) -> None:
        self._count_report(job, code)
        if code == ExitCode.RETRY:
            job.failures[0] = job.failures.get(0, 0) + 1
            if job.failures[0] > RETRIES:
                job.view = replace(job.view, failed_for="BackoffLimitExceeded")

    def _count_run(self, job: Job, index: int, code: int) -> None:
        if code == ExitCode.SUCCESS:
            job.view = replace(job.view, completed=job.view.completed | {index})
        elif code in {ExitCode.STORE, ExitCode.INTERRUPTED}:
            return
        else:
            job.failures[index] = job.failures.get(index, 0) + 1
            if code == ExitCode.USER_ERROR or job.failures[index] > RETRIES:
                job.view = replace(job.view, failed=job.view.failed | {index})

    def _control(self, job: Job) -> None:
        view, living = job.view, self.pods_of(job)
        if view.suspended:
            for pod in living:
                pod.terminating = True
            return
        if view.role != JobRole.TRAIN:
            if not living:
                self._start(job, None)
            return
        ended = view.completed | view.failed
        if len(ended) == len(view.indexes):
            if not living:
                job.view = replace(view, **({"failed_for": "FailedIndexes"} if view.failed else {"complete": True}))
            return
        busy = {pod.index for pod in living}
        waiting = [index for index in range(len(view.indexes)) if index not in ended | busy]
        for index in waiting[: max(0, view.parallelism - len(living))]:
            self._start(job, index)

    def _start(self, job: Job, index: int | None) -> None:
        name = f"pod-{self.serial()}"
        self.pods[name] = Pod(name, job.view.name, job.view.uid, job.view.role, index)

    def _pod(self, pod: Pod) -> None:
        job = self.job_of(pod)
        if pod.terminating and (job is None or self.rng.random() < 0.5):
            self.stop(pod)
            return
        try:
            self.work.step(pod, job)
        except UnreachableError:
            # Most of the time it is waited for.
            if self.rng.random() < 0.2:
                self.stop(pod, ExitCode.STORE, FailureReason.STORE)

    def stop(self, pod: Pod, code: int = ExitCode.INTERRUPTED, reason: str | None = None) -> None:
        """A pod ends."""
        self.work.stopped(pod)
        pod.end(code, reason)
