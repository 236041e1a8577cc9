"""Looking at the world: children from the API server, results from the store, as little as is needed."""

from collections.abc import Iterable, Mapping, Set
from dataclasses import replace

from finetune_core.api import Execution, Publication
from finetune_core.api.status import MAX_FAILURES
from finetune_core.deciding.budget import NO_LIMITS, Limits
from finetune_core.deciding.executor import ExecutorTraits
from finetune_core.deciding.experiment.decision import runs_without_job
from finetune_core.deciding.experiment.eta import remaining_seconds
from finetune_core.deciding.observation import (
    FailureCause,
    JobRole,
    JobView,
    Observation,
    PodView,
    ReportView,
    Stall,
    errors_of,
)
from finetune_core.deciding.outcome import Outcome
from finetune_core.deciding.stalls import renewed
from finetune_core.layout import ExperimentLayout
from finetune_core.planning.devices import runs_at_once
from finetune_core.planning.plan import Plan, PlannedRun
from finetune_core.results.run import Failure, Progress, RunResult
from finetune_core.results.schema import ResultsDocument
from finetune_core.tables import figures
from finetune_operator.children.reader import Children, are_quiet
from finetune_operator.kinds.attempts import given_up
from finetune_operator.kinds.published import read_published
from finetune_operator.kinds.reports import look_again_after_failed_reports, reports_under_way
from finetune_operator.kinds.stalled import stalled
from finetune_operator.memory import Memory
from finetune_store import Store, UnreadableError, documents

_MAX_PROGRESS = 32
_MOST_FAILURES = 1000
"""Of one run: each is an attempt."""


class Observer:
    """Looks at one experiment's children and results, remembering in `memory` what cannot change any more."""

    def __init__(self, children: Children, memory: Memory, *, owner_uid: str = "") -> None:
        self._children = children
        self._memory = memory
        self._owner_uid = owner_uid

    def observe(
        self,
        store: Store,
        plan: Plan,
        execution: Execution,
        executor: ExecutorTraits,
        template: str,
        *,
        now: float,
        limits: Limits = NO_LIMITS,
        publish: tuple[Publication, ...] = (),
    ) -> Observation:
        """Everything that a decision needs; StoreError or ClusterError if one side cannot be reached."""
        jobs = self._children.jobs()
        look_again_after_failed_reports(self._memory, jobs)
        self._read_results(store, plan, jobs)
        pods = self._pods(jobs, plan)
        driver = errors_of(jobs)
        self._read_errors(store, plan, jobs, driver.keys())
        self._read_report(store, plan, jobs, pods)
        read_published(self._memory, store, ExperimentLayout(plan.namespace, plan.experiment), publish, jobs, pods)
        planned = {run.run_id for run in plan.runs}
        seen = Observation(
            plan=plan,
            execution=execution,
            executor=executor,
            template=template,
            jobs=jobs,
            pods=pods,
            outcomes={key: value for key, value in self._memory.outcomes.items() if key in planned},
            errors={key: value for key, value in {**self._memory.errors, **driver}.items() if key in planned},
            unreadable={key: value for key, value in self._memory.unreadable.items() if key in planned},
            report=self._memory.report,
            spent={key: value for key, value in self._memory.spent.items() if key in planned},
            limits=limits,
            stalls=self._stalls(jobs, plan, now),
            publish=publish,
            published=self._memory.published,
        )
        return replace(seen, given_up=self._given_up(store, seen))

    def _read_results(self, store: Store, plan: Plan, jobs: Iterable[JobView]) -> None:
        layout = ExperimentLayout(plan.namespace, plan.experiment)
        planned = {run.run_id: run for run in plan.runs}
        if self._memory.scanned != plan.digest:
            # Once a plan, not once a look: finds what earlier Jobs, or an earlier object of this name, finished.
            self._scan(store, layout, planned)
            self._memory.scanned = plan.digest
        ended_runs = _ended_runs(jobs)
        # A Job that is gone is forgotten: one of the same name may come (the spec changed back) and do its runs anew.
        self._memory.asked &= ended_runs
        for job_name, run_id in sorted(ended_runs - self._memory.asked):
            if run_id in planned and run_id not in self._memory.outcomes:
                self._read_result(store, layout, planned[run_id])
                self._read_spent(store, layout, planned[run_id])
            self._memory.asked.add((job_name, run_id))

    def _scan(self, store: Store, layout: ExperimentLayout, planned: Mapping[str, PlannedRun]) -> None:
        results = {layout.run(run.task, run_id).result: run for run_id, run in planned.items()}
        begun = {layout.run(run.task, run_id).progress: run for run_id, run in planned.items()}
        wanted = results | begun
        # Of a folder of any size, no more is kept than was asked for.
        found = {info.key for info in store.list(layout.runs, wanted=wanted.__contains__, limit=len(wanted))}
        for key in sorted(found & results.keys()):
            if results[key].run_id not in self._memory.outcomes:
                self._read_result(store, layout, results[key])
        for key in sorted(found & begun.keys()):
            if begun[key].run_id not in self._memory.spent:
                self._read_spent(store, layout, begun[key])

    def _read_spent(self, store: Store, layout: ExperimentLayout, run: PlannedRun) -> Progress | None:
        """Where a run without a result is; what it took is remembered."""
        if run.run_id in self._memory.outcomes:
            return None
        progress = documents.find_or_warn(store, layout.run(run.task, run.run_id).progress, Progress)
        if progress is not None:
            self._memory.spent[run.run_id] = progress.spent
        return progress

    def _read_result(self, store: Store, layout: ExperimentLayout, run: PlannedRun) -> None:
        key = layout.run(run.task, run.run_id).result
        try:
            result = documents.find(store, key, RunResult)
        except UnreadableError as error:
            # Not a reason to leave the other runs unseen.
            self._memory.unreadable[run.run_id] = error.problem
            return
        self._memory.unreadable.pop(run.run_id, None)
        if result is None:
            return
        if not run.wrote(result):
            what = f"{store.uri(key)} is of run {result.run} of {result.task} ({result.run_id})"
            self._memory.unreadable[run.run_id] = what
            return
        self._memory.outcomes[run.run_id] = Outcome.of(result)
        self._memory.errors.pop(run.run_id, None)

    def _pods(self, jobs: tuple[JobView, ...], plan: Plan) -> tuple[PodView, ...]:
        """Pods, where they can say something that the Jobs' counters do not."""
        pending = any(run.run_id not in self._memory.outcomes for run in plan.runs)
        about_to_start = pending and not any(job.role == JobRole.TRAIN for job in jobs)
        return self._children.hindered() if are_quiet(jobs) and not about_to_start else self._children.pods()

    def _given_up(self, store: Store, seen: Observation) -> dict[str, FailureCause]:
        layout = ExperimentLayout(seen.plan.namespace, seen.plan.experiment)

        def run_of(key: str) -> str | None:
            match key.removeprefix(f"{layout.runs}/").split("/"):
                case [_, run_id, "failures", _]:
                    return run_id
            return None

        return given_up(
            store,
            self._memory,
            runs_without_job(seen),
            folder=layout.runs,
            unit_of=run_of,
            owner_uid=self._owner_uid,
            retries=seen.execution.retries,
        )

    def _stalls(self, jobs: tuple[JobView, ...], plan: Plan, now: float) -> tuple[Stall, ...]:
        """By the signs that were read until now; pods are asked for where one of them is old."""
        at_work = {run.run_id for run in plan.runs} - self._memory.outcomes.keys()
        self._memory.signs = {run_id: sign for run_id, sign in self._memory.signs.items() if run_id in at_work}
        driven = any(job.executor.driven and not job.finished for job in jobs)
        return stalled(self._memory, self._children, now, driven=driven)

    def _read_errors(self, store: Store, plan: Plan, jobs: Iterable[JobView], told: Set[str]) -> None:
        """Why runs failed, of which nobody has told yet."""
        layout = ExperimentLayout(plan.namespace, plan.experiment)
        tasks = {run.run_id: run.task for run in plan.runs}
        failed = {run for job in jobs for index in job.failed for run in _runs_at(job, index)}
        unknown = sorted(failed & tasks.keys() - self._memory.outcomes.keys() - self._memory.errors.keys() - told)
        for run_id in unknown[:MAX_FAILURES]:
            error = _last_failure(store, layout.run(tasks[run_id], run_id).failures)
            if error is not None:
                self._memory.errors[run_id] = error

    def _read_report(self, store: Store, plan: Plan, jobs: Iterable[JobView], pods: Iterable[PodView]) -> None:
        reporting = reports_under_way(jobs, pods)
        if reporting == self._memory.reporting:
            return
        layout = ExperimentLayout(plan.namespace, plan.experiment)
        self._memory.report = read_report(store, layout)
        self._memory.reporting = reporting

    def eta(self, store: Store, seen: Observation, current: JobView | None, now: float, every: float) -> str | None:
        """About how long the runs still take; progress is read at most every `every` seconds."""
        if current is None or current.finished:
            return None
        if current.active and now - self._memory.progress_read >= every:
            self._memory.progress_read = now
            self._read_progress(store, seen, current, now, every)
        left = remaining_seconds(
            seen.plan,
            seen.outcomes,
            self._memory.progress,
            _waiting(seen, current),
            parallelism=seen.execution.parallelism * runs_at_once(seen.execution),
        )
        return figures.eta(left)

    def _read_progress(self, store: Store, seen: Observation, current: JobView, now: float, every: float) -> None:
        layout = ExperimentLayout(seen.plan.namespace, seen.plan.experiment)
        planned = {run.run_id: run for run in seen.plan.runs}
        self._memory.progress.clear()
        open_ = [
            index
            for index in sorted(current.running) or range(len(current.indexes))
            if index not in current.completed | current.failed
        ]
        at_work = open_[: len(current.running) or current.active]
        for index in self._in_turns(at_work):
            runs = [planned[run] for run in current.indexes[index] if run in planned]
            self._read_progress_of(store, layout, runs, runs_at_once(seen.execution))
        self._note_signs(now, every * max(1.0, len(at_work) / _MAX_PROGRESS))

    def _note_signs(self, now: float, every: float) -> None:
        for run_id, progress in self._memory.progress.items():
            before, mark = self._memory.signs.get(run_id), f"{progress.time} {progress.step}"
            self._memory.signs[run_id] = renewed(before, progress.attempt, mark, now, every=every)

    def _in_turns(self, indexes: list[int]) -> list[int]:
        """As many as are read at a time, the next ones at each reading."""
        if len(indexes) <= _MAX_PROGRESS:
            return indexes
        first = self._memory.progress_from % len(indexes)
        self._memory.progress_from = first + _MAX_PROGRESS
        return [*indexes, *indexes][first : first + _MAX_PROGRESS]

    def _read_progress_of(self, store: Store, layout: ExperimentLayout, runs: list[PlannedRun], at_once: int) -> None:
        """Runs of a pod that it may be at, or done with: all before the first ones that it has not begun."""
        unbegun = 0
        for run in runs:
            if len(runs) > 1 and run.run_id not in self._memory.outcomes:
                self._read_result(store, layout, run)
            if run.run_id not in self._memory.outcomes:
                progress = self._read_spent(store, layout, run)
                if progress is not None:
                    self._memory.progress[run.run_id] = progress
                unbegun += progress is None
                if unbegun == at_once:
                    return


def read_report(store: Store, layout: ExperimentLayout) -> ReportView | None:
    """What the report in the store was made from; None if there is none."""
    # One that cannot be read is made anew.
    document = documents.find_or_warn(store, layout.results("json"), ResultsDocument, layout.root)
    if document is None:
        return None
    row = document.submission
    if row is None:
        return ReportView(document.report_digest)
    return ReportView(document.report_digest, row.sha256, row.missing, row.placeholders, row.problems)


def _ended_runs(jobs: Iterable[JobView]) -> set[tuple[str, str]]:
    return {(job.name, run) for job in jobs for index in _ended_indexes(job) for run in _runs_at(job, index)}


def _ended_indexes(job: JobView) -> frozenset[int]:
    # A driver may be lost between a run's result and its report of it.
    if job.finished and not job.executor.retries_units:
        return frozenset(range(len(job.indexes)))
    return job.completed | job.failed


def _runs_at(job: JobView, index: int) -> tuple[str, ...]:
    return job.indexes[index] if index < len(job.indexes) else ()


def _waiting(seen: Observation, current: JobView) -> frozenset[str]:
    failed = {run for index in current.failed for run in _runs_at(current, index)}
    return seen.pending - failed


def _last_failure(store: Store, folder: str) -> FailureCause | None:
    reports = max(store.list(folder, limit=_MOST_FAILURES), key=lambda info: (info.modified, info.key), default=None)
    if reports is None:
        return None
    failure = documents.find_or_warn(store, reports.key, Failure)
    if failure is None:
        return FailureCause("Unknown", f"{store.uri(reports.key)} says why, but not in words of this version.")
    return FailureCause(failure.reason.value, failure.message)
