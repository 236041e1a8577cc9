"""A third executor, whole in this file: JobSets, against a part of their CRD in a real API server.

https://github.com/kubernetes-sigs/jobset/blob/main/api/jobset/v1alpha2/jobset_types.go. There is no JobSet controller.
"""

from dataclasses import replace
from typing import Any

import pytest
import yaml

from finetune_core.api import ExecutionMode
from finetune_core.api.status import Reason
from finetune_core.deciding.executor import ExecutorTraits
from finetune_kube.kinds import Kind
from finetune_operator.executors import Absent, Executor, Executors
from finetune_operator.executors.job import JobExecutor, failed_for
from finetune_operator.kinds.experiment import Reconciler
from support.apiserver import REPOSITORY, served
from support.world import NOW, World, spec_of

pytestmark = [pytest.mark.apiserver, pytest.mark.s3]
JOB_SET = Kind("JobSet", "jobsets", "v1alpha2", "jobset.x-k8s.io")
CRD = REPOSITORY / "tests" / "data" / "jobset_crd_part.yaml"
COMPLETED = {"type": "Completed", "status": "True", "reason": "Done", "message": "", "lastTransitionTime": NOW}
JOBS = JobExecutor()


class JobSetExecutor(Executor):
    """A JobSet of one Indexed Job; it says neither which indexes ended nor lets its Job be resized."""

    kind = JOB_SET
    # Pods are called <JobSet>-work-0-<index>-<5 characters>, 63 characters at most.
    traits = ExecutorTraits(JOB_SET.kind, max_name=46)
    pod_label = "jobset.sigs.k8s.io/jobset-name"
    absent = Absent(Reason.REJECTED, "JobSet is not installed in this cluster: install it, or use mode RayCluster")

    def manifest(self, owner: Any, settings: Any, work: Any) -> Any:
        job = JOBS.manifest(owner, settings, replace(work, suspend=False))
        spec = {"suspend": work.suspend, "replicatedJobs": [{"name": "work", "template": {"spec": job["spec"]}}]}
        return {"apiVersion": JOB_SET.api_version, "kind": JOB_SET.kind, "metadata": job["metadata"], "spec": spec}

    def fingerprint(self, settings: Any) -> list[object]:
        return [JOB_SET.kind, JOBS.fingerprint(settings), settings.execution.parallelism]

    def view(self, item: Any, seen: Any, look: Any) -> Any:
        status = item.get("status") or {}
        conditions = {found["type"]: found for found in status.get("conditions", ()) if found["status"] == "True"}
        work = next(iter(status.get("replicatedJobsStatus", ())), {"active": 0, "ready": 0})
        seen = replace(seen, suspended=item["spec"]["suspend"], active=work["active"], ready=work["ready"])
        return replace(seen, complete="Completed" in conditions, failed_for=failed_for(conditions.get("Failed")))


EXECUTORS = Executors({ExecutionMode.JOBS: JobSetExecutor()})


def job_sets(world: World) -> list[Any]:
    return world.custom.list_namespaced_custom_object(JOB_SET.group, "v1alpha2", world.namespace, "jobsets")["items"]


def play(world: World, job_set: Any, *, active: int = 0, **status: Any) -> None:
    work = {"name": "work", "active": active, "ready": active, "failed": 0, "succeeded": 0, "suspended": 1 - active}
    where = (JOB_SET.group, "v1alpha2", world.namespace, "jobsets", job_set["metadata"]["name"])
    world.custom.patch_namespaced_custom_object_status(*where, {"status": {"replicatedJobsStatus": [work], **status}})


def look(world: World, times: int = 1, **execution: Any) -> Any:
    """Apply the spec, look at it, and give the only JobSet that there is then."""
    world.apply("exp", spec_of(world.server, {"rte": 2}, execution=execution))
    world.look("exp", times=times)
    (job_set,) = job_sets(world)
    return job_set


def test_job_sets_are_created_suspended_replaced_and_seen_to_their_end(world: World) -> None:
    with served(world.api, yaml.safe_load(CRD.read_text())):
        world.operator.close()
        world.operator = Reconciler(world.cluster, world.config, executors=EXECUTORS)
        first = look(world, times=2)
        (part,) = first["spec"]["replicatedJobs"]
        assert (part["replicas"], part["template"]["spec"]["completions"], world.jobs("exp")) == (1, 2, [])
        play(world, first, active=1)
        suspended = look(world, suspend=True)
        assert (world.reason("exp"), world.status("exp")["job"]) == ("Suspended", first["metadata"]["name"])
        assert (suspended["metadata"]["uid"], suspended["spec"]["suspend"]) == (first["metadata"]["uid"], True)
        play(world, suspended)
        second = look(world, times=3, parallelism=2)
        assert (second["metadata"]["name"] != first["metadata"]["name"], second["spec"]["suspend"]) == (True, False)
        play(world, second, active=1)
        look(world, parallelism=2)
        assert world.reason("exp") == "Running"
        for index in range(2):
            world.put_results(second, index)
        play(world, second, conditions=[COMPLETED])
        world.look("exp")
        world.play_report("exp")
        world.look("exp", times=2)
        assert world.reason("exp") == "AllRunsSucceeded"
