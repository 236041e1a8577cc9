"""RayJobs and their pods (plain JSON) to what decisions look at. Pure.

| jobDeploymentStatus | jobStatus | is |
|---|---|---|
| Complete | SUCCEEDED | complete |
| Complete | STOPPED, while it is suspended | living: its cluster was taken away |
| Complete | anything else | failed |
| Failed, ValidationFailed | anything, also "", PENDING or RUNNING | failed |
| anything else, also what later versions invent | anything | living |

https://github.com/ray-project/kuberay/blob/v1.6.1/ray-operator/apis/ray/v1/rayjob_types.go
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from finetune_core.deciding.observation import FailureCause, JobRole, JobView, PodView
from finetune_core.results.run import DriverReport, ExitCode
from finetune_kube import names

_HEAD = "head"
_RUNNING = "Running"
_FAILED = frozenset({"Failed", "ValidationFailed"})
# What the same RayJob would end with again.
_FINAL = {
    "ValidationFailed": "correct the spec",
    "PreRunningDeadlineExceeded": "correct what kept its pods from starting (image, resources, quota, volumes) or "
    "raise execution.ray.preRunningDeadlineSeconds, and set execution.retryToken to try again",
}
_MAX_MESSAGE = 400
_EXIT_CODE = re.compile(r"exit code (\d+)")


def ray_job_view(
    ray_job: Mapping[str, Any],
    seen: JobView,
    *,
    report: DriverReport | None = None,
    pods: Iterable[Mapping[str, Any]] = (),
    hindrance: str = "",
) -> JobView:
    """A RayJob of ours; `seen` is what its metadata and plan say, `pods` are its own, `report` is its driver's.

    `hindrance` is what was last seen to keep its pods from starting.
    """
    metadata, spec, status = ray_job["metadata"], ray_job["spec"], ray_job.get("status") or {}
    units, suspended = seen.indexes, bool(spec.get("suspend"))
    failed_for = _failed_for(status, suspended=suspended)
    done = _indexes(units, report.done if report else ())
    errors = {unit: FailureCause(why.reason, why.message) for unit, why in report.failed.items()} if report else {}
    if failed_for is not None:
        errors = {**_given_up(status, units, done, failed_for, hindrance), **errors}
    living = [pod for pod in pods if (pod.get("status") or {}).get("phase") not in {"Succeeded", "Failed"}]
    workers = [pod for pod in living if not _is_head(pod) and not _deleting(pod)]
    at_work = status.get("jobDeploymentStatus") == _RUNNING
    return replace(
        seen,
        role=JobRole.TRAIN,
        suspended=suspended,
        parallelism=_workers(spec),
        active=len(workers),
        # The driver begins when all pods of the cluster are there: until then none is at work.
        ready=sum(map(_is_ready, workers)) if at_work else 0,
        # Suspending takes the head away too.
        terminating=sum(_deleting(pod) or (suspended and _is_head(pod)) for pod in living),
        completed=done,
        failed=_indexes(units, errors) - done,
        complete=_succeeded(status),
        failed_for=failed_for,
        sequence=(metadata.get("labels") or {}).get(names.SEQUENCE_LABEL, ""),
        running=_indexes(units, report.running) if report and at_work else frozenset(),
        errors=tuple(sorted(errors.items())),
    )


def is_living(ray_job: Mapping[str, Any]) -> bool:
    """Whether its driver may still do something."""
    status = ray_job.get("status") or {}
    return not _succeeded(status) and _failed_for(status, suspended=bool(ray_job["spec"].get("suspend"))) is None


def refused_pods(ray_job: Mapping[str, Any]) -> PodView | None:
    """Pods that KubeRay may not create (a quota, a policy of the cluster), as one that cannot start."""
    cluster = (ray_job.get("status") or {}).get("rayClusterStatus") or {}
    for condition in cluster.get("conditions") or ():
        if condition.get("type") == "ReplicaFailure" and condition.get("status") == "True":
            why = FailureCause(condition.get("reason") or "Refused", condition.get("message", ""))
            return PodView.refused(ray_job["metadata"]["name"], JobRole.TRAIN, why)
    return None


def _succeeded(status: Mapping[str, Any]) -> bool:
    return status.get("jobDeploymentStatus") == "Complete" and status.get("jobStatus") == "SUCCEEDED"


def _failed_for(status: Mapping[str, Any], *, suspended: bool) -> str | None:
    deployment, job = status.get("jobDeploymentStatus"), status.get("jobStatus") or ""
    stopped = deployment == "Complete" and job == "STOPPED"
    if not (deployment in _FAILED or (deployment == "Complete" and job != "SUCCEEDED")) or (stopped and suspended):
        return None
    reason = status.get("reason") or ("Stopped" if stopped else "Failed")
    message = (status.get("message") or "").strip()
    if len(message) > _MAX_MESSAGE:
        # Ray's begins with the exit code and ends with the last lines of the driver's log.
        message = f"{message[: _MAX_MESSAGE // 4]} … {message[-3 * _MAX_MESSAGE // 4 :]}"
    return f"{reason}: {message or f'the Ray job ended as {job or deployment} and KubeRay says no more'}"


def _given_up(
    status: Mapping[str, Any],
    units: tuple[tuple[str, ...], ...],
    done: frozenset[int],
    failed_for: str,
    hindrance: str,
) -> dict[str, FailureCause]:
    """Units of a RayJob that would end in the same way again."""
    reason, exit_code = status.get("reason") or "", _EXIT_CODE.search(status.get("message") or "")
    if reason in _FINAL:
        last = f" Last seen: {hindrance}." if hindrance else ""
        error = FailureCause(reason, f"{failed_for}.{last} To do: {_FINAL[reason]}.")
    elif exit_code and int(exit_code[1]) == ExitCode.USER_ERROR:
        error = FailureCause("DriverFailed", failed_for)
    else:
        return {}
    return {unit: error for index, some in enumerate(units) if index not in done for unit in some}


def _indexes(units: tuple[tuple[str, ...], ...], named: Iterable[str]) -> frozenset[int]:
    wanted = frozenset(named)
    return frozenset(index for index, some in enumerate(units) if wanted.intersection(some))


def _workers(spec: Mapping[str, Any]) -> int:
    groups = (spec.get("rayClusterSpec") or {}).get("workerGroupSpecs") or ()
    return sum(group.get("replicas") or 0 for group in groups)


def _is_head(pod: Mapping[str, Any]) -> bool:
    return (pod["metadata"].get("labels") or {}).get(names.RAY_NODE_TYPE_LABEL) == _HEAD


def _deleting(pod: Mapping[str, Any]) -> bool:
    return "deletionTimestamp" in pod["metadata"]


def _is_ready(pod: Mapping[str, Any]) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)
