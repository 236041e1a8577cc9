"""The RayJobs of an experiment or a search: what KubeRay says of them, and what their drivers report."""

from collections import defaultdict
from collections.abc import Callable, Iterable

from finetune_core.observation import JobView
from finetune_core.results import DriverReport
from finetune_core.spec import Execution, ExecutionMode
from finetune_kube import names
from finetune_kube.errors import KindMissingError
from finetune_operator.cluster import Cluster, Json
from finetune_operator.manifests import Owner, driver_report_key
from finetune_operator.memory import LookMemory
from finetune_operator.ray_views import is_living, ray_job_view
from finetune_operator.views import pod_view
from finetune_store import Store, documents

FoundPlan = tuple[str, tuple[tuple[str, ...], ...]]
"""The name of a plan's ConfigMap, and the units of its indexes; ("", ()) if there is none that is ours."""


class RayChildren:
    """RayJobs of one owner; where its spec asks for them, a cluster without KubeRay is an error."""

    def __init__(self, cluster: Cluster, owner: Owner, memory: LookMemory, store: Store, execution: Execution) -> None:
        self._cluster = cluster
        self._owner = owner
        self._memory = memory
        self._store = store
        self._required = execution.mode == ExecutionMode.RAY_CLUSTER

    def found(self) -> list[Json]:
        """The owner's RayJobs; KindMissingError if they are asked for and KubeRay is not there."""
        if self._memory.ray_jobs is False and not self._required:
            return []
        try:
            labels = names.children_of(self._owner.name, self._owner.kind)
            listed = self._cluster.list_ray_jobs(self._owner.namespace, labels)
            found = [job for job in listed if self._owner.controls(job)]
        except KindMissingError:
            if self._required:
                raise
            found = []
        self._memory.ray_jobs = bool(found)
        there = {job["metadata"]["name"] for job in found}
        self._memory.reports = {name: one for name, one in self._memory.reports.items() if name in there}
        self._memory.hindrances = {name: one for name, one in self._memory.hindrances.items() if name in there}
        return found

    def views(
        self, ray_jobs: Iterable[Json], pods: Iterable[Json], plan_of: Callable[[Json], FoundPlan]
    ) -> tuple[JobView, ...]:
        """What decisions look at; `pods` are all the owner's, `plan_of` finds the plan of a RayJob."""
        of_job: defaultdict[str, list[Json]] = defaultdict(list)
        for pod in pods:
            of_job[pod["metadata"].get("labels", {}).get(names.RAY_JOB_LABEL, "")].append(pod)
        return tuple(self._view(job, of_job[job["metadata"]["name"]], plan_of(job)) for job in ray_jobs)

    def _view(self, ray_job: Json, pods: list[Json], found: FoundPlan) -> JobView:
        name, (plan, units) = ray_job["metadata"]["name"], found
        if is_living(ray_job):
            self._note_hindrance(name, pods)
        return ray_job_view(
            ray_job,
            owner_uid=self._owner.uid,
            units=units,
            plan=plan,
            report=self._report(ray_job),
            pods=pods,
            hindrance=self._memory.hindrances.get(name, ""),
        )

    def _note_hindrance(self, name: str, pods: list[Json]) -> None:
        # KubeRay deletes the pods when it gives up, and with them the reason.
        blocked = [pod for pod in map(pod_view, pods) if pod.blocked and not pod.ended]
        if blocked:
            self._memory.hindrances[name] = f"{blocked[0].blocked}: {blocked[0].blocked_message}"

    def _report(self, ray_job: Json) -> DriverReport | None:
        """Read at each look while the driver lives, and once after."""
        name = ray_job["metadata"]["name"]
        if name in self._memory.reports:
            return self._memory.reports[name]
        # None where it has not begun yet, or is of another version: what has a result is seen in the store.
        report = documents.find_or_warn(self._store, driver_report_key(self._owner, name), DriverReport)
        if report is not None and not is_living(ray_job):
            self._memory.reports[name] = report
        return report
