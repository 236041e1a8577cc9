"""What the pods of an experiment do: runs, one after another, and reports."""

from typing import TYPE_CHECKING

from finetune_core.deciding.observation import JobRole
from finetune_core.deciding.outcome import Outcome
from finetune_core.deciding.report_digest import report_digest
from finetune_core.planning.plan import Plan, PlannedRun
from finetune_core.results.run import ExitCode, FailureReason, Hold, RunResult
from finetune_store import UnreadableError, documents
from support.simulated.cluster import Job, Pod
from support.simulated.publishing import REASONS, Places
from support.simulated.store import MemoryStore
from support.simulated.work import LAYOUT, Work, failure, report

if TYPE_CHECKING:
    from support.simulated.cluster import Cluster


class ExperimentPods:
    """`executing` are the runs that some pod does now."""

    cluster: "Cluster"

    def __init__(self, store: MemoryStore, work: Work) -> None:
        self.store = store
        self.work = work
        self.plan_in_store: Plan | None = None
        self.executing: set[str] = set()
        self.places = Places(work.rng, store)

    def step(self, pod: Pod, job: Job | None) -> None:
        if pod.role == JobRole.REPORT:
            self._report(pod, job)
        elif pod.role == JobRole.PUBLISH:
            self._publish(pod, job)
        elif job is not None:
            self._train(pod, job)

    def stopped(self, pod: Pod) -> None:
        self.places.stopped(pod.name)
        if isinstance(pod.doing, str):
            self.executing.discard(pod.doing)

    def _publish(self, pod: Pod, job: Job | None) -> None:
        if job is None or job.order is None:
            return
        done = self.places.step(pod.name, pod.doing, job.order, job.digest)
        if isinstance(done, int):
            reason = FailureReason.USER_ERROR if done == ExitCode.USER_ERROR else REASONS.get(done)
            self.cluster.stop(pod, done, reason)
        else:
            pod.doing = done

    def _report(self, pod: Pod, job: Job | None) -> None:
        if job is None or self.plan_in_store is None:
            return
        plan, found = self.plan_in_store, self.results(self.plan_in_store)
        digest = report_digest(plan, found.values(), job.given_up)
        if not pod.writing and digest != job.digest:
            self.cluster.stop(pod, ExitCode.RESULTS_CHANGED, FailureReason.RESULTS_CHANGED)
        elif not pod.writing:
            pod.writing = True
            self.store.delete(LAYOUT.results("json"))
        else:
            self.store.put(LAYOUT.results("json"), report(plan, job.digest))
            self.cluster.stop(pod, ExitCode.SUCCESS)

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
        if pod.doing is None:
            fresh = [run for run in left if tried is None or run.run_id not in tried]
            if not fresh or self._is_held():
                self.cluster.stop(pod, self._exit(pod), None)
                return
            pod.doing = fresh[0].run_id
            assert pod.doing not in self.executing, "a run is done twice at the same time"
            self.executing.add(pod.doing)
            return
        run, code = planned[pod.doing], self.work.attempt(pod.doing)
        layout = LAYOUT.run(run.task, run.run_id)
        if code == ExitCode.SUCCESS:
            self.store.create(layout.result, self.work.result(job.plan, run, pod.name))
        elif code in {ExitCode.USER_ERROR, ExitCode.RETRY}:
            self.store.put(layout.failure(pod.name), failure(run, pod.name, job.scope, int(code)))
        self.executing.discard(pod.doing)
        if code == 137:
            self.cluster.stop(pod, 137, "OOMKilled")
            return
        pod.doing, pod.reason = None, f"{tried or ''} {run.run_id}={code}"

    def _is_held(self) -> bool:
        return documents.find(self.store, LAYOUT.hold, Hold) is not None

    def _exit(self, pod: Pod) -> int:
        said = pod.reason or ""
        if f"={int(ExitCode.RETRY)}" in said:
            return ExitCode.RETRY
        return ExitCode.USER_ERROR if f"={int(ExitCode.USER_ERROR)}" in said else ExitCode.SUCCESS

    def _has_result(self, run: PlannedRun, attempt: str) -> bool:
        layout = LAYOUT.run(run.task, run.run_id)
        found = documents.find_or_set_aside(
            self.store, layout.result, RunResult, layout.unreadable(attempt), own=run.wrote
        )
        return found is not None
