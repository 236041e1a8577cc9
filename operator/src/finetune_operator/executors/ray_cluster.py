"""Manifests of RayJobs: a Ray cluster of one head and some workers, made for one driver and gone when that ends.

The head runs the driver and no work (it has no CPUs to give); KubeRay's own operator submits the driver to it
(HTTPMode), so that there is no third pod. Why so: docs/decisions/0008-rayjobs.md.
"""

import shlex
from dataclasses import replace
from math import ceil

from finetune_core.api import Execution, RayOptions, Resources
from finetune_core.deciding.actions import CreateTrainJob
from finetune_core.deciding.observation import JobRole
from finetune_core.json_types import Json
from finetune_core.layout import ExperimentLayout
from finetune_core.planning.plan import JobPlan
from finetune_core.planning.search.plan import SearchJobPlan
from finetune_core.search_layout import SearchLayout
from finetune_kube import names
from finetune_kube.kinds import RAY_JOB, SEARCH
from finetune_kube.quantity import quantity
from finetune_operator.executors.ray_access import ASK_FOR_TOKEN, AUTH_OPTIONS
from finetune_operator.manifests.config_maps import plan_name
from finetune_operator.manifests.defaults import resources_of
from finetune_operator.manifests.owners import Owner, work_metadata
from finetune_operator.manifests.pods import (
    PLAN_OPTION,
    PodSettings,
    add_cache,
    add_scope,
    add_tracking,
    label_pods,
    pod_container,
    pod_template,
    training_resources,
)

RAY_RELEASE = "2.60.0"
"""Ray in the trainer image: since 2.53 KubeRay's probes ask Ray itself, where they needed wget in the image before."""

_OBJECT_STORE_BYTES = 128 * 1024**2
_GPU_SUFFIX = "/gpu"


def ray_job(owner: Owner, settings: PodSettings, work: CreateTrainJob) -> Json:
    """The RayJob whose driver does every unit of a plan, on `work.parallelism` workers."""
    plan = plan_name(work.name, work.job_plan)
    spec = {
        **_lifecycle(settings.execution, suspend=work.suspend),
        "entrypoint": shlex.join(_driver(owner, work.name, work.job_plan)),
        "rayClusterSpec": _cluster(settings, plan=plan, parallelism=work.parallelism),
    }
    for group in _groups(spec["rayClusterSpec"]):
        label_pods(group, owner, JobRole.TRAIN)
        add_scope(group["template"], owner, work.revision)
        group["template"]["metadata"]["labels"][names.RAY_JOB_LABEL] = work.name
    return {
        "apiVersion": RAY_JOB.api_version,
        "kind": "RayJob",
        "metadata": work_metadata(
            owner, work, plan=plan, queue=settings.execution.queue_name, made_by=settings.made_by(JobRole.TRAIN)
        ),
        "spec": spec,
    }


def ray_fingerprint(settings: PodSettings) -> list[object]:
    """All that a live RayJob cannot change: KubeRay ignores changes to its cluster, the number of workers too."""
    ray = settings.execution.ray or RayOptions()
    return [
        RAY_JOB.kind,
        *settings.asked_of_pods("parallelism"),
        ray.model_dump(mode="json", by_alias=True, exclude_none=True),
    ]


def driver_report_key(owner: Owner, ray_job_name: str) -> str:
    """Where in the store the driver of a RayJob reports."""
    if owner.kind == SEARCH.kind:
        return SearchLayout(owner.namespace, owner.name).driver_report(ray_job_name)
    return ExperimentLayout(owner.namespace, owner.name).driver_report(ray_job_name)


def _driver(owner: Owner, name: str, job_plan: JobPlan | SearchJobPlan) -> list[str]:
    report = ["--report-key", driver_report_key(owner, name)]
    if isinstance(job_plan, SearchJobPlan):
        cluster = job_plan.units[0][1]
        return ["finetune-trainer", "search", *PLAN_OPTION, "--cluster", str(cluster), "--ray", *report]
    return ["finetune-trainer", "drive", *PLAN_OPTION, *report]


def _lifecycle(execution: Execution, *, suspend: bool) -> Json:
    ray = execution.ray or RayOptions()
    return {
        "submissionMode": "HTTPMode",
        "suspend": suspend,
        # The operator begins lost work anew itself, with the units that are left.
        "backoffLimit": 0,
        # The cluster goes at once, GPUs are dear; the RayJob stays and tells how it ended.
        "shutdownAfterJobFinishes": True,
        "ttlSecondsAfterFinished": 0,
        "preRunningDeadlineSeconds": ray.pre_running_deadline_seconds,
    }


def _cluster(settings: PodSettings, *, plan: str, parallelism: int) -> Json:
    ray, worker = settings.execution.ray or RayOptions(), training_resources(settings)
    return {
        "rayVersion": RAY_RELEASE,
        "authOptions": AUTH_OPTIONS,
        "headGroupSpec": {
            "rayStartParams": {"dashboard-host": "0.0.0.0", **_start_params(cpus=0, gpus=0)},
            # The driver tells no tracker, so the head has none of their keys.
            "template": _node(
                replace(settings, tracking=None), resources_of(ray.head_resources, settings.defaults.ray_head), plan
            ),
        },
        "workerGroupSpecs": [
            {
                "groupName": "workers",
                "replicas": parallelism,
                "minReplicas": parallelism,
                "maxReplicas": parallelism,
                "rayStartParams": _start_params(cpus=cpus_of(worker), gpus=gpus_of(worker)),
                "template": _node(settings, worker, plan),
            }
        ],
    }


def _groups(cluster: Json) -> list[Json]:
    return [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]


def _start_params(*, cpus: int, gpus: int) -> dict[str, str]:
    # What runs return is small; by default Ray would set aside 30% of the memory for it.
    return {"num-cpus": str(cpus), "num-gpus": str(gpus), "object-store-memory": str(_OBJECT_STORE_BYTES)}


def _node(settings: PodSettings, resources: Json, plan: str) -> Json:
    container = pod_container(settings, [], resources)
    add_tracking(container, settings.tracking)
    # KubeRay makes the command (ray start ...); one of our own would be put before it.
    del container["command"]
    container["env"] += [{"name": name, "value": value} for name, value in _ray_environment(settings).items()]
    if not any(variable["name"] == "OMP_NUM_THREADS" for variable in container["env"]):
        container["env"].append({"name": "FINETUNE_THREADS_BY_CORES", "value": "1"})
    # On SIGTERM `ray start` ends all other processes at once; before it, they save what they are at.
    container["lifecycle"] = {"preStop": {"exec": {"command": ["finetune-trainer", "drain"]}}}
    template = pod_template(settings, container, plan, settings.execution.termination_grace_period_seconds)
    add_cache(template, settings.execution.cache)
    return template


def _ray_environment(settings: PodSettings) -> dict[str, str]:
    cpus, gpus = share_of_a_run(settings.execution)
    return {
        "FINETUNE_CPUS_PER_RUN": f"{cpus:g}",
        "FINETUNE_GPUS_PER_RUN": f"{gpus:g}",
        "RAY_USAGE_STATS_ENABLED": "0",
        # preStop has waited for the runs; Ray would wait up to 30 s more for workers that have nothing left to do.
        "RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S": "0",
        # What Ray's processes log goes to files of Ray's; this is the pod's own log.
        "FINETUNE_LOG_FILE": "/proc/1/fd/2",
        **ASK_FOR_TOKEN,
    }


def share_of_a_run(execution: Execution) -> tuple[float, float]:
    """CPUs and GPUs that Ray counts for one run: by default a worker's, so that it does one run at a time.

    Runs that share a GPU share the worker's CPUs in the same proportion.
    """
    ray, worker = execution.ray or RayOptions(), worker_resources(execution)
    cpus, gpus = cpus_of(worker), gpus_of(worker)
    share = ray.gpus_per_run / gpus if gpus and ray.gpus_per_run else 1.0
    return (
        cpus * min(share, 1.0) if ray.cpus_per_run is None else ray.cpus_per_run,
        gpus if ray.gpus_per_run is None else ray.gpus_per_run,
    )


def worker_resources(execution: Execution) -> Json:
    """Requests and limits of a worker's container."""
    resources: Json = (execution.resources or Resources()).model_dump(mode="json", exclude_none=True)
    return resources


def cpus_of(resources: Json) -> int:
    """The CPUs of a worker, as KubeRay counts them: limits before requests, rounded up; 1 where neither is given."""
    asked = {**resources.get("requests", {}), **resources.get("limits", {})}
    return max(1, ceil(quantity(asked.get("cpu", 1))))


def gpus_of(resources: Json) -> int:
    """The GPUs of a worker."""
    limits = resources.get("limits", {})
    return sum(int(quantity(amount)) for name, amount in limits.items() if name.endswith(_GPU_SUFFIX))
