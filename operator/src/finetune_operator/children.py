"""The children of an experiment or a search, as the API server has them."""

import logging
from dataclasses import replace

from pydantic import ValidationError

from finetune_core.observation import JobView, PodView
from finetune_core.plan import JobPlan
from finetune_core.search.plan import SearchJobPlan, unit_name
from finetune_operator import names
from finetune_operator.cluster import Cluster, Json
from finetune_operator.manifests import PLAN_FILE, Owner
from finetune_operator.memory import LookMemory
from finetune_operator.views import hangs_silently, job_view, pod_view

logger = logging.getLogger(__name__)

_UNREADABLE = "unreadable plan"
_MAX_ASKED = 3


class Children:
    """Jobs and pods of one owner; what the plans of its Jobs hold is remembered in `memory`."""

    def __init__(self, cluster: Cluster, owner: Owner, memory: LookMemory) -> None:
        self._cluster = cluster
        self._owner = owner
        self._memory = memory
        self._selector = names.selector(owner.name, owner.kind)

    def jobs(self) -> tuple[JobView, ...]:
        """The owner's Jobs."""
        found = self._cluster.list_jobs(self._owner.namespace, self._selector)
        jobs = tuple(self._job(job) for job in found)
        # Plans of Jobs that are gone are forgotten.
        self._memory.indexes = {job.plan: job.indexes for job in jobs if job.indexes}
        return jobs

    def pods(self, selector: str = "") -> tuple[PodView, ...]:
        """The owner's pods, with what events say of those that hang silently."""
        found = self._cluster.list_pods(self._owner.namespace, self._selector + selector)
        # A request each, so only of a few: the others hang for the same reason.
        silent = sorted((pod for pod in found if hangs_silently(pod)), key=lambda pod: str(pod["metadata"]["name"]))
        told = {pod["metadata"]["uid"]: self._warning(pod) for pod in silent[:_MAX_ASKED]}
        return tuple(pod_view(pod, told.get(pod["metadata"]["uid"])) for pod in found)

    def _job(self, job: Json) -> JobView:
        indexes = self._indexes(job)
        view = job_view(job, owner_uid=self._owner.uid, indexes=indexes)
        # Nobody can tell which runs it does: like a Job of another revision, it is retired and replaced.
        return replace(view, revision=_UNREADABLE) if view.plan and not indexes else view

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
