"""RayJobs of KubeRay: one driver on the head does all units of a plan, on the workers of a cluster of its own.

What is created is in `ray_cluster.py`, what KubeRay says of it in `ray_status.py`.
"""

import re

from finetune_core.api.status import Reason
from finetune_core.deciding.actions import CreateTrainJob
from finetune_core.deciding.executor import ExecutorTraits
from finetune_core.deciding.observation import FailureCause, JobView, PodView
from finetune_core.json_types import Json
from finetune_core.results.run import DriverReport
from finetune_kube import names
from finetune_kube.errors import RejectedError
from finetune_kube.kinds import RAY_JOB
from finetune_operator.children.views import pod_view
from finetune_operator.executors.base import Absent, Executor, Look
from finetune_operator.executors.ray_access import network_policy, pods_without_token
from finetune_operator.executors.ray_cluster import driver_report_key, ray_fingerprint, ray_job
from finetune_operator.executors.ray_status import is_living, ray_job_view, refused_pods
from finetune_operator.manifests import Owner, PodSettings
from finetune_store import Store, documents

MAX_NAME = 47
"""KubeRay appends to a RayJob's name (https://github.com/ray-project/kuberay, ValidateRayJobMetadata)."""

_UNKNOWN_FIELD = re.compile(r'unknown field "(spec\.(?:\w+|rayClusterSpec\.\w+))"')
"""Not one of a pod's: those are the user's."""

_ANSWER_SECONDS = 30.0
_NO_ANSWER = (
    "KubeRay has not taken the RayJob up. To do: see that its operator runs (kubectl get pods --all-namespaces "
    "--selector app.kubernetes.io/component=kuberay-operator) and that it watches this namespace; then it goes on"
)

_MISSING = (
    "mode RayCluster needs KubeRay, which is not installed in this cluster (no kind RayJob in ray.io/v1): "
    "install it (https://docs.ray.io/en/latest/cluster/kubernetes/getting-started.html), or use mode Jobs"
)


class RayJobExecutor(Executor):
    """KubeRay ignores changes to a RayJob's cluster, and a lost head takes everything in flight with it."""

    kind = RAY_JOB
    traits = ExecutorTraits(RAY_JOB.kind, driven=True, max_name=MAX_NAME)
    pod_label = names.RAY_JOB_LABEL
    absent = Absent(Reason.KUBERAY_MISSING, _MISSING)

    def manifest(self, owner: Owner, settings: PodSettings, work: CreateTrainJob) -> Json:
        """The RayJob whose driver does every unit of a plan, on `work.parallelism` workers."""
        return ray_job(owner, settings, work)

    def fingerprint(self, settings: PodSettings) -> list[object]:
        """All that a live RayJob cannot change, the number of its workers too."""
        return ray_fingerprint(settings)

    def prepare(self, owner: Owner, name: str, store: Store) -> None:
        """Delete what the driver of an earlier RayJob of that name has reported: its words are not the next one's."""
        store.delete(driver_report_key(owner, name))

    def view(self, item: Json, seen: JobView, look: Look) -> JobView:
        """The RayJob by what KubeRay says, what its driver reports and how its pods are."""
        pods = self._pods(item, look)
        if is_living(item):
            self._note_hindrance(seen.name, pods, look)
        hindrance = look.memory.hindrances.get(seen.name, "")
        return ray_job_view(item, seen, report=self._report(item, look), pods=pods, hindrance=hindrance)

    def network_policy(self, owner: Owner, name: str) -> Json | None:
        """It keeps all but the cluster's own pods and KubeRay away."""
        return network_policy(owner, name)

    def outdated(self, error: RejectedError) -> Absent | None:
        """A KubeRay whose CRD lacks what keeps strangers from the cluster, or ends one that does not start."""
        unknown = _UNKNOWN_FIELD.search(error.reason)
        return _too_old(unknown[1]) if unknown else None

    def hindered_pods(self, item: Json, seen: JobView, look: Look) -> PodView | None:
        """Pods that KubeRay does not or may not create, or that it gave no token, while the RayJob lives."""
        if not is_living(item):
            return None
        return _unanswered(item, seen, look) or refused_pods(item) or pods_without_token(item, self._pods(item, look))

    def _pods(self, item: Json, look: Look) -> list[Json]:
        name = item["metadata"]["name"]
        return [pod for pod in look.pods() if (pod["metadata"].get("labels") or {}).get(names.RAY_JOB_LABEL) == name]

    def _note_hindrance(self, name: str, pods: list[Json], look: Look) -> None:
        # KubeRay deletes the pods when it gives up, and with them the reason.
        blocked = [pod for pod in map(pod_view, pods) if pod.blocked and not pod.ended]
        if blocked:
            look.memory.hindrances[name] = f"{blocked[0].blocked}: {blocked[0].blocked_message}"

    def _report(self, ray_job: Json, look: Look) -> DriverReport | None:
        """Read at each look while the driver lives, and once after."""
        name = ray_job["metadata"]["name"]
        if name in look.memory.reports:
            return look.memory.reports[name]
        # None where it has not begun yet, or is of another version: what has a result is seen in the store.
        report = documents.find_or_warn(look.store, driver_report_key(look.owner, name), DriverReport)
        if report is not None and not is_living(ray_job):
            look.memory.reports[name] = report
        return report


def _unanswered(item: Json, seen: JobView, look: Look) -> PodView | None:
    """A KubeRay that is installed but does not run, or does not watch the namespace, writes no status."""
    answered = seen.suspended or seen.deleting or (item.get("status") or {}).get("jobDeploymentStatus")
    if look.is_short_of_pods_for(_ANSWER_SECONDS, seen.name, short=not answered):
        return PodView.refused(seen.name, seen.role, FailureCause("KubeRayDoesNotAnswer", _NO_ANSWER))
    return None


def _too_old(field: str) -> Absent:
    message = (
        f"mode RayCluster needs KubeRay 1.6 or later; the one in this cluster does not know {field} of a RayJob: "
        "upgrade KubeRay with its CRDs (Helm leaves CRDs as they are), or use mode Jobs"
    )
    return Absent(Reason.KUBERAY_TOO_OLD, message)
