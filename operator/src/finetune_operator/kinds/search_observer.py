"""Looking at a search: children from the API server, trials and ends from the store, each result read once."""

import re
from collections import Counter
from collections.abc import Iterable, Set
from dataclasses import replace
from typing import Any

from finetune_core.api import HPSearchSpec
from finetune_core.deciding.budget import NO_LIMITS, Limits
from finetune_core.deciding.executor import ExecutorTraits
from finetune_core.deciding.observation import FailureCause, JobRole, JobView, PodView, errors_of
from finetune_core.deciding.search.decision import units_without_job
from finetune_core.deciding.search.observation import SearchObservation
from finetune_core.deciding.stalls import renewed
from finetune_core.planning.search.plan import SearchPlan
from finetune_core.results.search.summary import SearchSummary
from finetune_core.results.search.trial import TaskEnd, TrialResult
from finetune_core.search_layout import SearchLayout, TrialKind
from finetune_operator.children.reader import Children, are_quiet
from finetune_operator.kinds.attempts import given_up
from finetune_operator.kinds.reports import look_again_after_failed_reports, reports_under_way
from finetune_operator.kinds.stalled import stalled
from finetune_operator.memory import SearchMemory, Unreadable
from finetune_store import ObjectInfo, Store, UnreadableError, documents

_RESULT = "/result.json"
_OF_A_TRIAL = re.compile(r"/[0-9]{5}/(result|claims/0000)[.]json$")
_MOST_TRIALS = 20_000
"""Of one search: whoever has the bucket can fill the folder with any number of them."""
_SHOWN = 1000
"""Characters of an error that are remembered."""


class SearchObserver:
    """Looks at one search's children and results, remembering in `memory` what cannot change any more."""

    def __init__(self, children: Children, memory: SearchMemory, *, owner_uid: str = "") -> None:
        self._children = children
        self._memory = memory
        self._owner_uid = owner_uid

    def observe(
        self,
        store: Store,
        plan: SearchPlan,
        spec: HPSearchSpec,
        executor: ExecutorTraits,
        template: str,
        *,
        now: float,
        every: float,
        time: str = "",
        limits: Limits = NO_LIMITS,
    ) -> SearchObservation:
        """Everything that a decision needs; the store is listed at most every `every` seconds, or when a pod ended."""
        jobs = self._children.jobs()
        look_again_after_failed_reports(self._memory, jobs)
        layout = SearchLayout(plan.namespace, plan.search)
        ended = frozenset((job.name, index) for job in jobs for index in job.completed | job.failed)
        listed = self._memory.listed
        if listed is None or now - listed >= every or ended != self._memory.jobs_ended:
            # Ends first: the trials that one of them comes after are then in the listing.
            self._read_ends(store, layout, plan)
            self._read_trials(store, layout)
            self._note_signs(store, layout, jobs, now, every)
            self._memory.listed, self._memory.jobs_ended = now, ended
        pods = self._pods(jobs)
        self._read_report(store, layout, jobs, pods)
        seen = SearchObservation(
            plan=plan,
            execution=spec.execution,
            executor=executor,
            template=template,
            clusters=spec.clusters,
            concurrent_trials=spec.concurrent_trials,
            jobs=jobs,
            pods=pods,
            trials=self._results(layout, plan, TrialKind.TRIALS),
            finalists=self._results(layout, plan, TrialKind.FINALISTS),
            claimed=dict(self._memory.claimed),
            unreadable={key: found.what for key, found in sorted(self._memory.unreadable.items())},
            ends=dict(self._memory.ends),
            errors=errors_of(jobs),
            report=self._memory.report,
            stalls=stalled(self._memory, self._children, now),
            limits=limits,
            now=time,
        )
        return replace(seen, given_up=self._given_up(store, layout, seen))

    def _given_up(self, store: Store, layout: SearchLayout, seen: SearchObservation) -> dict[str, FailureCause]:
        return given_up(
            store,
            self._memory,
            units_without_job(seen),
            folder=layout.tasks,
            unit_of=layout.failed_unit,
            owner_uid=self._owner_uid,
            retries=seen.execution.retries,
        )

    def _results(self, layout: SearchLayout, plan: SearchPlan, kind: TrialKind) -> dict[str, tuple[TrialResult, ...]]:
        found = {}
        for task in plan.order:
            folder = layout.trials(kind, task) + "/"
            found[task] = tuple(
                result for key, result in sorted(self._memory.results.items()) if key.startswith(folder)
            )
        return found

    def _read_trials(self, store: Store, layout: SearchLayout) -> None:
        """A claimed trial without a result is one at work; results are written once, so each is read once."""
        taken: Counter[str] = Counter()
        for kind in TrialKind:
            folder = f"{layout.root}/{kind.value}"
            infos = list(store.list(folder, wanted=_is_of_a_trial, limit=2 * _MOST_TRIALS))
            keys = [info.key for info in infos]
            results = {info.key: info for info in infos if info.key.endswith(_RESULT)}
            for key in sorted(results.keys() - self._memory.results.keys()):
                self._read_result(store, results[key])
            self._forget_deleted(folder, results.keys())
            if kind == TrialKind.TRIALS:
                claimed = {key.partition("/claims/")[0] for key in keys if "/claims/" in key}
                done = {key.removesuffix(_RESULT) for key in results}
                taken.update(trial.removeprefix(f"{folder}/").partition("/")[0] for trial in claimed - done)
        self._memory.claimed = dict(taken)

    def _forget_deleted(self, folder: str, results: Set[str]) -> None:
        """Trials that were deleted from the store are gone."""
        for memory in (self._memory.results, self._memory.unreadable):
            for key in [key for key in memory if key.startswith(f"{folder}/") and key not in results]:
                del memory[key]

    def _read_result(self, store: Store, info: ObjectInfo) -> None:
        """One that cannot be read is no reason to leave the others unseen; it is read again when it has changed."""
        key, known = info.key, self._memory.unreadable.pop(info.key, None)
        if known is not None and (known.modified, known.size) == (info.modified, info.size):
            self._memory.unreadable[key] = known
            return
        try:
            result = documents.find(store, key, TrialResult)
        except UnreadableError as error:
            self._memory.unreadable[key] = Unreadable(info.modified, info.size, error.problem)
            return
        if result is None:
            return
        if not key.endswith(f"/{result.task}/{result.index:05d}{_RESULT}"):
            what = f"{store.uri(key)} is of trial {result.index} of {result.task}"
            self._memory.unreadable[key] = Unreadable(info.modified, info.size, what)
            return
        left_out: dict[str, Any] = {
            "history": (),
            "settings": {},
            "metrics": {},
            "error": (result.error or "")[:_SHOWN] or None,
        }
        self._memory.results[key] = result.model_copy(update=left_out)

    def _note_signs(
        self, store: Store, layout: SearchLayout, jobs: tuple[JobView, ...], now: float, every: float
    ) -> None:
        """A driver rewrites its heartbeat: when the store says that it did so last is enough to see that."""
        at_work = any(job.role == JobRole.TRAIN and job.active and not job.executor.driven for job in jobs)
        before, self._memory.signs = self._memory.signs, {}
        for info in store.list(layout.drivers) if at_work else ():
            driver = info.key.rpartition("/")[2].removesuffix(".json")
            attempt, mark = driver.partition("-")[2], info.modified.isoformat()
            self._memory.signs[driver] = renewed(before.get(driver), attempt, mark, now, every=every)

    def _read_ends(self, store: Store, layout: SearchLayout, plan: SearchPlan) -> None:
        ends = {layout.end(task) for task in plan.order}
        there = {info.key for info in store.list(layout.tasks, wanted=ends.__contains__, limit=len(ends))}
        known = {task: end for task, end in self._memory.ends.items() if layout.end(task) in there}
        for task in plan.order:
            if layout.end(task) in there and task not in known:
                end = documents.find_or_warn(store, layout.end(task), TaskEnd)
                if end is not None:
                    known[task] = end
        self._memory.ends = known

    def _read_report(
        self, store: Store, layout: SearchLayout, jobs: Iterable[JobView], pods: Iterable[PodView]
    ) -> None:
        reporting = reports_under_way(jobs, pods)
        if reporting == self._memory.reporting:
            return
        # None yet, or one of another version: made anew.
        summary = documents.find_or_warn(store, layout.summary("json"), SearchSummary, layout.root)
        self._memory.report = None if summary is None else summary.report_digest
        self._memory.reporting = reporting

    def _pods(self, jobs: tuple[JobView, ...]) -> tuple[PodView, ...]:
        """Pods, where they can say something that the Jobs' counters do not."""
        return self._children.hindered() if are_quiet(jobs) else self._children.pods()


def _is_of_a_trial(key: str) -> bool:
    """Whether it is a trial's result or its first claim: there is one whenever there is another claim."""
    return _OF_A_TRIAL.search(key) is not None
