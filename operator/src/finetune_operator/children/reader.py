"""The children of an experiment or a search, as the API server has them."""

import logging
from collections.abc import Iterator
from dataclasses import replace

from pydantic import ValidationError

from finetune_core.deciding.observation import JobRole, JobView, PodView
from finetune_core.json_types import Json
from finetune_core.planning.plan import JobPlan
from finetune_core.planning.search.plan import SearchJobPlan, unit_name
from finetune_kube import names
from finetune_kube.errors import KindMissingError
from finetune_kube.kinds import SEARCH
from finetune_kube.ownership import claimed_plan, is_owned_by, own_plan, plan_text
from finetune_operator.children.events import pod_hindrance
from finetune_operator.children.views import hangs_silently, object_view, pod_view, role_of
from finetune_operator.cluster import Cluster
from finetune_operator.executors import Executor, Executors, Look, first_release
from finetune_operator.manifests import Owner, PodSettings
from finetune_operator.memory import LookMemory
from finetune_store import Store

logger = logging.getLogger(__name__)

_UNREADABLE = "unreadable plan"
_MAX_ASKED = 3
_SIDECAR_SECONDS = 15.0


class Children:
    """What works for one owner and its pods, for one look; what their plans hold is remembered in `memory`.

    Objects of every executor are looked for: the mode of a spec may have changed.
    """

    def __init__(
        self,
        cluster: Cluster,
        owner: Owner,
        memory: LookMemory,
        store: Store,
        executors: Executors,
        settings: PodSettings,
        *,
        now: float,
    ) -> None:
        self._cluster = cluster
        self._owner = owner
        self._memory = memory
        self._executors = executors
        self._settings = settings
        self._mode = executors.of(settings.execution)
        self._look = Look(owner, store, memory, self._found_pods, self._events, now)
        self._labels = names.children_of(owner.name, owner.kind)
        self._hindered: tuple[PodView, ...] = ()
        self._pods: list[Json] | None = None

    def jobs(self) -> tuple[JobView, ...]:
        """The owner's Jobs and the like; KindMissingError if the mode's kind is not there."""
        found = {executor: self._found(executor) for executor in self._executors.all}
        self._forget_gone({item["metadata"]["name"] for items in found.values() for item in items})
        views = [(executor, item, self._view(executor, item)) for executor, items in found.items() for item in items]
        jobs = tuple(job for _, _, job in views)
        hindered = (executor.hindered_pods(item, job, self._look) for executor, item, job in views)
        self._hindered = tuple(pod for pod in hindered if pod is not None)
        # Plans of Jobs that are gone are forgotten.
        self._memory.indexes = {job.plan: job.indexes for job in jobs if job.indexes}
        return jobs

    def hindered(self) -> tuple[PodView, ...]:
        """A pod that cannot be created for each object of `jobs()` that is kept from creating one."""
        return self._hindered

    def pods(self) -> tuple[PodView, ...]:
        """The owner's pods, with what events say of those that hang silently, and those that are refused."""
        found = self._found_pods()
        # A request each, so only of a few: the others hang for the same reason.
        silent = sorted((pod for pod in found if hangs_silently(pod)), key=lambda pod: str(pod["metadata"]["name"]))
        told = {
            uid: pod_hindrance(self._events(uid)) for uid in (pod["metadata"]["uid"] for pod in silent[:_MAX_ASKED])
        }
        labels = self._executors.pod_labels
        views = [pod_view(pod, told.get(pod["metadata"]["uid"]), job_labels=labels) for pod in found]
        return (*self._patiently(views), *self._hindered)

    def _patiently(self, pods: list[PodView]) -> Iterator[PodView]:
        """Sidecars get some seconds to end after the work is done."""
        memory, now = self._memory, self._look.now
        memory.lingering = {pod.uid: memory.lingering.get(pod.uid, now) for pod in pods if pod.lingering}
        for pod in pods:
            patient = pod.lingering and now - memory.lingering[pod.uid] < _SIDECAR_SECONDS
            yield replace(pod, lingering=None, blocked=None, blocked_message="") if patient else pod

    def _found_pods(self) -> list[Json]:
        if self._pods is None:
            found = self._cluster.list_pods(self._owner.namespace, self._labels)
            self._pods = [pod for pod in found if role_of(pod["metadata"]) is not None]
        return self._pods

    def _found(self, executor: Executor) -> list[Json]:
        """The owner's objects of a kind, which a cluster may lack unless the mode asks for it."""
        required = executor is self._mode or executor.absent is None
        if executor.kind in self._memory.unused and not required:
            return []
        try:
            listed = self._cluster.list_work(executor.kind, self._owner.namespace, self._labels)
            found = [item for item in listed if self._owner.controls(item)]
        except KindMissingError:
            if required:
                raise
            found = []
        self._memory.unused = self._memory.unused - {executor.kind} if found else self._memory.unused | {executor.kind}
        return found

    def _forget_gone(self, there: set[str]) -> None:
        memory = self._memory
        memory.reports = {name: report for name, report in memory.reports.items() if name in there}
        memory.hindrances = {name: hindrance for name, hindrance in memory.hindrances.items() if name in there}
        memory.short_of_pods = {name: since for name, since in memory.short_of_pods.items() if name in there}

    def _view(self, executor: Executor, item: Json) -> JobView:
        plan, indexes = self._plan(item)
        seen = object_view(item, executor.traits, owner_uid=self._owner.uid, indexes=indexes, plan=plan)
        return self._judged(_readable(executor.view(item, seen, self._look)), item)

    def _judged(self, job: JobView, item: Json) -> JobView:
        """By which rules, and with which of the operator's settings, an object was made.

        The mode's, whatever the object's kind: a report is a Job beside RayJobs too.
        """
        said = item["metadata"].get("annotations") or {}
        wanted = self._settings.made_by(job.role)[names.SETTINGS_ANNOTATION]
        rules = said.get(names.RULES_ANNOTATION)
        of_today = rules is not None
        known = self._mode.templates(self._settings) if of_today else first_release.templates(self._settings, item)
        return replace(job, templates=known, outdated=said.get(names.SETTINGS_ANNOTATION) != wanted)

    def _events(self, uid: str) -> list[Json]:
        return self._cluster.list_events(self._owner.namespace, uid)

    def _plan(self, job: Json) -> tuple[str, tuple[tuple[str, ...], ...]]:
        """Name and indexes of the Job's own plan, both empty if there is none.

        What its annotation says is believed only as far as name, owner and content agree.
        """
        name = claimed_plan(job)
        if name is None or not is_owned_by(job, self._owner.uid):
            return "", ()
        if name not in self._memory.indexes:
            found = own_plan(job, self._owner.uid, self._config_map)
            try:
                self._memory.indexes[name] = self._parse(plan_text(found or {}))
            except ValidationError:
                logger.warning("the plan %s is gone, not ours, or of another version", name)
                return ("" if found is None else name), ()
        return name, self._memory.indexes[name]

    def _config_map(self, name: str) -> Json | None:
        return self._cluster.get_config_map(self._owner.namespace, name)

    def _parse(self, text: str) -> tuple[tuple[str, ...], ...]:
        if self._owner.kind == SEARCH.kind:
            return tuple((unit_name(unit),) for unit in SearchJobPlan.model_validate_json(text).units)
        return JobPlan.model_validate_json(text).indexes


def are_quiet(jobs: tuple[JobView, ...]) -> bool:
    """Whether pods can say nothing that the counters of Jobs do not; a driven one has none, its pods are looked at.

    Where no Job is at work, pods of one that is gone may be. What a report's pods failed for is counted nowhere, nor is
    that a store could not be used.
    """
    at_work = [job for job in jobs if not job.finished and job.role == JobRole.TRAIN]
    return bool(at_work) and all(
        job.active == job.ready
        and (job.active or job.suspended or not job.parallelism)
        and not job.failed
        and job.failed_for is None
        and not job.deleting
        and (not job.executor.driven or job.finished)
        for job in jobs
    )


def _readable(job: JobView) -> JobView:
    """Where nobody can tell which runs it does, it is retired and replaced like a Job of another revision."""
    return replace(job, revision=_UNREADABLE) if job.role == JobRole.TRAIN and not job.indexes else job
