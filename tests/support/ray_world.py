"""A world with KubeRay's kinds in it; there is no KubeRay: `play_ray` writes the status that it would write.

The CRD takes whatever it is given. That the real one takes our RayJobs is seen by tests/e2e/test_ray_cluster.py.
"""

import copy
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from kubernetes import client

from finetune_core.json_types import Json
from finetune_core.layout import ExperimentLayout
from finetune_core.results.run import DriverFailure, DriverReport
from support.apiserver import served
from support.world import NOW, World

RAY_JOBS = ("ray.io", "v1")
_SPEC_FIELDS = (
    "submissionMode",
    "suspend",
    "backoffLimit",
    "shutdownAfterJobFinishes",
    "ttlSecondsAfterFinished",
    "preRunningDeadlineSeconds",
    "entrypoint",
)
_CLUSTER_FIELDS = ("rayVersion", "authOptions", "headGroupSpec", "workerGroupSpecs")
_CRD = {
    "metadata": {"name": "rayjobs.ray.io"},
    "spec": {
        "group": "ray.io",
        "scope": "Namespaced",
        "names": {"kind": "RayJob", "plural": "rayjobs", "singular": "rayjob"},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "subresources": {"status": {}},
                "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
            }
        ],
    },
}


@contextmanager
def ray_jobs_served(api: client.ApiClient) -> Iterator[None]:
    """Have the API server know RayJobs for a while."""
    with served(api, _CRD):
        yield


@contextmanager
def old_ray_jobs_served(api: client.ApiClient, without: str) -> Iterator[None]:
    """Have the API server know RayJobs as an earlier KubeRay has them: without a field of their spec or cluster."""
    crd = copy.deepcopy(_CRD)
    crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"] = _schema_without(without)
    with served(api, crd):
        yield


def _schema_without(field: str) -> Json:
    anything = {"x-kubernetes-preserve-unknown-fields": True}
    cluster = {name: anything for name in _CLUSTER_FIELDS if name != field}
    spec = {name: anything for name in _SPEC_FIELDS if name != field}
    spec["rayClusterSpec"] = {"type": "object", "properties": cluster}
    return {
        "type": "object",
        "properties": {"spec": {"type": "object", "properties": spec}, "status": {"type": "object", **anything}},
    }


class RayWorld(World):
    """One namespace with the operator at work in it, and RayJobs."""

    def ray_jobs(self, name: str) -> list[Json]:
        """The experiment's RayJobs, by name."""
        selector = f"finetune.dev/experiment={name}"
        found = self.custom.list_namespaced_custom_object(*RAY_JOBS, self.namespace, "rayjobs", label_selector=selector)
        return sorted(found["items"], key=lambda job: job["metadata"]["name"])

    def ray_job(self, name: str) -> Json:
        """The only one."""
        (job,) = self.ray_jobs(name)
        return job

    def play_ray(self, ray_job: Json, deployment: str, job: str = "", **status: Any) -> None:
        """Write the RayJob's status as KubeRay does."""
        body = {"status": {"jobDeploymentStatus": deployment, "jobStatus": job, **status}}
        name = ray_job["metadata"]["name"]
        self.custom.patch_namespaced_custom_object_status(*RAY_JOBS, self.namespace, "rayjobs", name, body)

    def drive(
        self,
        ray_job: Json,
        *,
        done: Iterable[int] = (),
        failed: Mapping[int, str] | None = None,
        running: Iterable[int] = (),
        value: float = 0.7,
    ) -> None:
        """Leave what the driver leaves: results and its report, by places in its plan; `failed` says why."""
        plan = self.job_plan(ray_job)
        ids = [index[0] for index in plan.indexes]
        for place in done:
            self.put_results(ray_job, place, value=value)
        report = DriverReport(
            done=tuple(ids[place] for place in done),
            failed={ids[at]: DriverFailure(reason="UserError", message=why) for at, why in (failed or {}).items()},
            running=tuple(ids[place] for place in running),
            time=NOW,
        )
        self.store.put(self.report_key(ray_job), report.to_json())

    def report_key(self, ray_job: Json) -> str:
        """Where the driver reports."""
        name = ray_job["metadata"]["labels"]["finetune.dev/experiment"]
        return ExperimentLayout(self.namespace, name).driver_report(ray_job["metadata"]["name"])

    def ray_pod(
        self, ray_job: Json, node: str = "worker", *, ready: bool = False, token: bool = True, **status: Any
    ) -> str:
        """A pod of the RayJob's cluster as KubeRay makes it, with a token, in a state that a kubelet would report."""
        cluster = ray_job["spec"]["rayClusterSpec"]
        group = cluster["headGroupSpec"] if node == "head" else cluster["workerGroupSpecs"][0]
        name = f"{ray_job['metadata']['name']}-{node}-{uuid.uuid4().hex[:5]}"
        labels = {**group["template"]["metadata"]["labels"], "ray.io/node-type": node}
        spec = copy.deepcopy(group["template"]["spec"])
        if token:
            spec["containers"][0]["env"].append({"name": "RAY_AUTH_TOKEN", "value": "of KubeRay's making"})
        manifest = {"metadata": {"name": name, "labels": labels}, "spec": spec}
        self.core.create_namespaced_pod(self.namespace, manifest)
        conditions = [{"type": "Ready", "status": "True" if ready else "False"}]
        body = {"status": {"phase": "Running" if ready else "Pending", "conditions": conditions, **status}}
        self.core.patch_namespaced_pod_status(name, self.namespace, body)
        return name

    def remove_pod(self, name: str) -> None:
        """The pod is gone."""
        self.core.delete_namespaced_pod(name, self.namespace, grace_period_seconds=0)

    def end_report(self, name: str) -> None:
        """Look, have the report made, look until the experiment has ended."""
        for _ in range(10):
            if self.look(name) is None:
                return
            if any(not job.get("status", {}).get("conditions") for job in self.jobs(name, "report")):
                self.play_report(name)
        raise AssertionError(f"{name} does not come to an end: {self.status(name)}")
