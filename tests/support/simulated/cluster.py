"""Jobs and pods as Kubernetes moves them: the Job controller, the kubelets, the TTL controller."""

import random
from dataclasses import dataclass, field, replace

from finetune_core.deciding.observation import JobRole, JobView, PodView
from finetune_core.deciding.outcome import Outcome
from finetune_core.deciding.report_digest import report_digest
from finetune_core.planning.plan import Plan
from finetune_core.results.run import ExitCode, FailureReason, RunResult
from finetune_store import UnreadableError, documents
from finetune_store._errors import UnreachableError
from support.simulated.store import MemoryStore
from support.simulated.work import LAYOUT, Work, failure, report

RETRIES = 1


@dataclass
class Pod:
    """A pod at work, or ended (`code`); `run` is what it does just now, `writing` whether its report has begun."""

    name: str
    job: str
    job_uid: str
    role: JobRole
    index: int | None
    run: str | None = None
    writing: bool = False
    terminating: bool = False
    code: int | None = None
    reason: str | None = None

    def end(self, code: int, reason: str | None = None) -> None:
        self.code, self.reason, self.run = code, reason, None


@dataclass
class Job:
    """A Job with what its pods were told."""

    view: JobView
    plan: Plan
    scope: str = ""
    digest: str = ""
    given_up: tuple[str, ...] = ()
    failures: dict[int, int] = field(default_factory=dict)
    counted: set[str] = field(default_factory=set)


class Cluster:
    """What the API server has; `executing` are the runs that some pod does now."""

    def __init__(self, rng: random.Random, store: MemoryStore, work: Work) -> None:
        self.rng = rng
        self.store = store
        self.work = work
        self.jobs: dict[str, Job] = {}
        self.pods: dict[str, Pod] = {}
        self.plan_in_store: Plan | None = None
        self.published: dict[str, Outcome] = {}
        self.executing: set[str] = set()
        self.created = 0
        self._serial = 0

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
            elif pod.index is not None and pod.index not in job.view.completed | job.view.failed:
                self._count_run(job, pod.index, pod.code)

    def _count_report(self, job: Job, code: int) -> None:
        if code == ExitCode.SUCCESS:
            job.view = replace(job.view, complete=True)
        elif code in {ExitCode.USER_ERROR, ExitCode.RESULTS_CHANGED}:
            job.view = replace(job.view, failed_for="PodFailurePolicy")

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
        if view.role == JobRole.REPORT:
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
            self._stop(pod)
            return
        try:
            if pod.role == JobRole.REPORT:
                self._report(pod, job)
            elif job is not None:
                self._train(pod, job)
        except UnreachableError:
            # Most of the time it is waited for.
            if self.rng.random() < 0.2:
                self._stop(pod, ExitCode.STORE, FailureReason.STORE)

    def _stop(self, pod: Pod, code: int = ExitCode.INTERRUPTED, reason: str | None = None) -> None:
        self.executing.discard(pod.run or "")
        pod.end(code, reason)

    def _report(self, pod: Pod, job: Job | None) -> None:
        if job is None or self.plan_in_store is None:
            return
        plan, found = self.plan_in_store, self.results(self.plan_in_store)
        digest = report_digest(plan, found.values(), job.given_up)
        if not pod.writing and digest != job.digest:
            self._stop(pod, ExitCode.RESULTS_CHANGED, FailureReason.RESULTS_CHANGED)
        elif not pod.writing:
            pod.writing = True
            self.store.delete(LAYOUT.results("json"))
        else:
            self.store.put(LAYOUT.results("json"), report(plan, job.digest))
            self.published = found
            self._stop(pod, ExitCode.SUCCESS)

    def results(self, plan: Plan) -> dict[str, Outcome]:
        """What lies in the store, as anybody would read it."""
        found = {}
        for run in plan.runs:
            try:
                result = documents.find(self.store, LAYOUT.run(run.task, run.run_id).result, RunResult)
            except UnreadableError:
                continue
            if result is not None and run.wrote(result):
                found[run.run_id] = Outcome.of(result)
        return found

    def _train(self, pod: Pod, job: Job) -> None:
        """One run after another, as `session.run_all` does; the last exit code counts."""
        planned = {run.run_id: run for run in job.plan.runs}
        todo = [planned[run_id] for run_id in job.view.indexes[pod.index or 0]]
        left = [run for run in todo if not self._has_result(run, pod.name)]
        tried = pod.reason
        if pod.run is None:
            fresh = [run for run in left if tried is None or run.run_id not in tried]
            if not fresh:
                self._stop(pod, self._exit(pod, left), None)
                return
            pod.run = fresh[0].run_id
            assert pod.run not in self.executing, "a run is done twice at the same time"
            self.executing.add(pod.run)
            return
        run, code = planned[pod.run], self.work.attempt(pod.run)
        layout = LAYOUT.run(run.task, run.run_id)
        if code == ExitCode.SUCCESS:
            self.store.create(layout.result, self.work.result(job.plan, run, pod.name))
        elif code in {ExitCode.USER_ERROR, ExitCode.RETRY}:
            self.store.put(layout.failure(pod.name), failure(run, pod.name, job.scope, int(code)))
        self.executing.discard(pod.run)
        if code == 137:
            self._stop(pod, 137, "OOMKilled")
            return
        pod.run, pod.reason = None, f"{tried or ''} {run.run_id}={code}"

    def _exit(self, pod: Pod, left: list) -> int:
        said = pod.reason or ""
        if f"={int(ExitCode.RETRY)}" in said:
            return ExitCode.RETRY
        return ExitCode.USER_ERROR if f"={int(ExitCode.USER_ERROR)}" in said else ExitCode.SUCCESS

    def _has_result(self, run, attempt: str) -> bool:
        layout = LAYOUT.run(run.task, run.run_id)
        found = documents.find_or_set_aside(
            self.store, layout.result, RunResult, layout.unreadable(attempt), own=run.wrote
        )
        return found is not None
