"""The children of an experiment or a search, as the API server has them."""

import logging
from dataclasses import replace

from pydantic import ValidationError

from finetune_core.observation import JobRole, JobView, PodView, WorkKind
from finetune_core.plan import JobPlan
from finetune_core.search.plan import SearchJobPlan, unit_name
from finetune_kube import names
from finetune_kube.kinds import SEARCH
from finetune_kube.ownership import claimed_plan, is_owned_by, own_plan, plan_text
from finetune_operator.cluster import Cluster, Json
from finetune_operator.manifests import Owner
from finetune_operator.memory import LookMemory
from finetune_operator.ray_children import FoundPlan, RayChildren
from finetune_operator.ray_views import is_living, refused_pods
from finetune_operator.views import hangs_silently, job_view, pod_view, role_of

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
        self._labels = names.children_of(owner.name, owner.kind)
        self._refused: tuple[PodView, ...] = ()
        self._pods: list[Json] | None = None

    def jobs(self) -> tuple[JobView, ...]:
        """The owner's Jobs and RayJobs; KindMissingError if RayJobs are asked for and KubeRay is not there."""
        found = self._cluster.list_jobs(self._owner.namespace, self._labels)
        jobs = (*(self._job(job) for job in found if self._owner.controls(job)), *self._ray_jobs())
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
            found = self._cluster.list_pods(self._owner.namespace, self._labels)
            self._pods = [pod for pod in found if role_of(pod["metadata"]) is not None]
        return self._pods

    def _ray_jobs(self) -> tuple[JobView, ...]:
        found = self._ray.found()
        if not found:
            return ()
        living = [job for job in found if is_living(job)]
        self._refused = tuple(pod for pod in map(refused_pods, living) if pod is not None)
        views = self._ray.views(found, self._found_pods(), self._plan)
        return tuple(map(_readable, views))

    def _job(self, job: Json) -> JobView:
        plan, indexes = self._plan(job)
        return _readable(job_view(job, owner_uid=self._owner.uid, indexes=indexes, plan=plan))

    def _warning(self, pod: Json) -> str | None:
        warnings = self._cluster.pod_warnings(self._owner.namespace, pod["metadata"]["uid"])
        mounts = [
            event["message"] for event in warnings if event.get("reason") in {"FailedMount", "FailedAttachVolume"}
        ]
        return mounts[-1] if mounts else None

    def _plan(self, job: Json) -> FoundPlan:
        """The Job's own plan; what its annotation says is believed only as far as name, owner and content agree."""
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
    return replace(job, revision=_UNREADABLE) if job.role == JobRole.TRAIN and not job.indexes else job
