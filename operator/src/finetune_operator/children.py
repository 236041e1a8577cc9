"""The children of an experiment or a search, as the API server has them."""

import logging
from dataclasses import replace

from pydantic import ValidationError

from finetune_core.observation import JobView, PodView, WorkKind
from finetune_core.plan import JobPlan
from finetune_core.search.plan import SearchJobPlan, unit_name
from finetune_operator import names
from finetune_operator.cluster import Cluster, Json
from finetune_operator.manifests import PLAN_FILE, Owner
from finetune_operator.memory import LookMemory
from finetune_operator.ray_children import RayChildren
from finetune_operator.ray_views import is_living, refused_pods
from finetune_operator.views import hangs_silently, job_view, pod_view

logger = logging.getLogger(__name__)

_UNREADABLE = "unreadable plan"
_MAX_ASKED = 3


class Children:
    """Jobs, RayJobs and pods of one owner, for one look; what their plans hold is remembered in `memory`."""

    def __init__(self, cluster: Cluster, owner: Owner, memory: LookMemory, ray: RayChildren) -> None:
        self._cluster = cluster
        self._owner = owner
        self._memory = memory
        self._ray = ray
        self._selector = names.selector(owner.name, owner.kind)
        self._refused: tuple[PodView, ...] = ()
        self._pods: list[Json] | None = None

    def jobs(self) -> tuple[JobView, ...]:
        """The owner's Jobs and RayJobs; KindMissingError if RayJobs are asked for and KubeRay is not there."""
        found = self._cluster.list_jobs(self._owner.namespace, self._selector)
        jobs = (*(self._job(job) for job in found), *self._ray_jobs())
        # Plans of Jobs that are gone are forgotten.
        self._memory.indexes = {job.plan: job.indexes for job in jobs if job.indexes}
        return jobs

    def pods(self) -> tuple[PodView, ...]:
        """The owner's pods, with what events say of those that hang silently."""
        found = self._found_pods()
        # A request each, so only of a few: the others hang for the same reason.
        silent = sorted((pod for pod in found if hangs_silently(pod)), key=lambda pod: str(pod["metadata"]["name"]))
        told = {pod["metadata"]["uid"]: self._warning(pod) for pod in silent[:_MAX_ASKED]}
        return (*(pod_view(pod, told.get(pod["metadata"]["uid"])) for pod in found), *self._refused)

    def _found_pods(self) -> list[Json]:
        if self._pods is None:
            self._pods = self._cluster.list_pods(self._owner.namespace, self._selector)
        return self._pods

    def _ray_jobs(self) -> tuple[JobView, ...]:
        found = self._ray.found()
        if not found:
            return ()
        living = [job for job in found if is_living(job)]
        self._refused = tuple(pod for pod in map(refused_pods, living) if pod is not None)
        views = self._ray.views(found, self._found_pods(), self._indexes)
        return tuple(map(_readable, views))

    def _job(self, job: Json) -> JobView:
        return _readable(job_view(job, owner_uid=self._owner.uid, indexes=self._indexes(job)))

    def _warning(self, pod: Json) -> str | None:
        warnings = self._cluster.pod_warnings(self._owner.namespace, pod["metadata"]["uid"])
        mounts = [
            event["message"] for event in warnings if event.get("reason") in {"FailedMount", "FailedAttachVolume"}
        ]
        return mounts[-1] if mounts else None

    def _indexes(self, job: Json) -> tuple[tuple[str, ...], ...]:
        plan_name = (job["metadata"].get("annotations") or {}).get(names.PLAN_ANNOTATION)
        if plan_name is None:
            return ()
        if plan_name not in self._memory.indexes:
            config_map = self._cluster.get_config_map(self._owner.namespace, plan_name)
            text = ((config_map or {}).get("data") or {}).get(PLAN_FILE)
            try:
                self._memory.indexes[plan_name] = self._parse(text or "")
            except ValidationError:
                logger.warning("the plan %s is gone or of another version", plan_name)
                return ()
        return self._memory.indexes[plan_name]

    def _parse(self, text: str) -> tuple[tuple[str, ...], ...]:
        if self._owner.kind == names.SEARCH_KIND:
            return tuple((unit_name(unit),) for unit in SearchJobPlan.model_validate_json(text).units)
        return JobPlan.model_validate_json(text).indexes


def are_quiet(jobs: tuple[JobView, ...]) -> bool:
    """Whether pods can say nothing that the counters of Jobs do not; a RayJob has none, its pods are looked at."""
    return all(
        job.active == job.ready
        and not job.failed
        and job.failed_for is None
        and not job.deleting
        and (job.kind == WorkKind.JOB or job.finished)
        for job in jobs
    )


def _readable(job: JobView) -> JobView:
    """Where nobody can tell which runs it does, it is retired and replaced like a Job of another revision."""
    return replace(job, revision=_UNREADABLE) if job.plan and not job.indexes else job
