"""Fingerprints by the rules of the first release (0.1.0), for what it made and an operator of today finds alive.

That release hashed the whole pod template, its own settings with it. These settings are read from the object itself, so
the question is left whether its spec is today's: docs/decisions/0029. Nothing here follows today's builders, and
tests/corpus/first_release holds it. To be deleted with the last object of that release: it lives as long as a Job.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from finetune_core.api import (
    AUTO,
    ConfigMapKeyRef,
    Execution,
    ExecutionMode,
    PodTemplate,
    RayOptions,
    SecretRef,
    Storage,
)
from finetune_core.canonical import short_hash
from finetune_core.json_types import Json
from finetune_core.tracking import to_env
from finetune_operator.executors.ray_cluster import cpus_of, gpus_of, share_of_a_run, worker_resources
from finetune_operator.manifests import PodSettings

_NEWER = ("security_context", "container_security_context")
"""Fields of podTemplate that it did not know: a spec that has them is none that it has seen."""
_STORE = re.compile("s3://([^/]+)(?:/(.+))?")
_CA = "/etc/finetune/ca"
_PLAN = ["--plan", "/etc/finetune/plan/plan.json"]
_HEAD = {"requests": {"cpu": "200m", "memory": "1Gi"}, "limits": {"memory": "4Gi"}}
_EXIT_CODES = {"containerName": "trainer", "operator": "In", "values": [64, 65]}
_DISRUPTED = [{"type": "DisruptionTarget", "status": "True"}]
_IDS = {"runAsUser": 65532, "runAsGroup": 65532, "fsGroup": 65532}


@dataclass(frozen=True)
class _Made:
    """What the operator's own settings were when a pod was made, and what the spec of today says."""

    spec: PodSettings
    storage: Storage
    image: str
    policy: str | None
    log_format: str


def templates(settings: PodSettings, item: Mapping[str, Any]) -> tuple[str, ...]:
    """The fingerprints that the first release may have given to today's spec, had it made `item`; none if it cannot."""
    extra = settings.execution.pod_template or PodTemplate()
    if any(getattr(extra, field) is not None for field in _NEWER):
        return ()
    try:
        return tuple(short_hash(_fingerprint(made), 12) for made in _made(settings, _pod(item["spec"])))
    except (LookupError, TypeError, AttributeError, ValueError):
        # It has another form than what that release made: it is somebody's own, with our labels.
        return ()


def _pod(spec: Json) -> Json:
    """The spec of its pods; of the head on a Ray cluster."""
    holder = spec["rayClusterSpec"]["headGroupSpec"] if "rayClusterSpec" in spec else spec
    pod: Json = holder["template"]["spec"]
    return pod


def _made(settings: PodSettings, pod: Json) -> list[_Made]:
    (container,) = pod["containers"]
    variables: dict[str, Json] = {}
    for variable in container.get("env") or ():
        # The operator's come first.
        variables.setdefault(variable["name"], variable)
    values = {name: str(variable.get("value", "")).replace("$$", "$") for name, variable in variables.items()}
    storage = settings.storage if settings.names_storage else _storage(values, variables, pod)
    image, log_format = values.get("FINETUNE_IMAGE", ""), values.get("FINETUNE_LOG_FORMAT", "")
    # Where the operator set no policy, the API server did.
    policies = (container.get("imagePullPolicy"), None)
    return [] if storage is None else [_Made(settings, storage, image, policy, log_format) for policy in policies]


def _storage(values: Mapping[str, str], variables: Mapping[str, Json], pod: Json) -> Storage | None:
    """The operator's default storage, as a pod was told of it."""
    where = _STORE.fullmatch(values["FINETUNE_STORE"])
    if where is None:
        return None
    key = (variables.get("AWS_ACCESS_KEY_ID") or {}).get("valueFrom", {}).get("secretKeyRef")
    authority = next((volume["configMap"]["name"] for volume in pod.get("volumes") or () if volume["name"] == "ca"), "")
    file = values.get("AWS_CA_BUNDLE", "").removeprefix(f"{_CA}/")
    return Storage(
        endpoint=values.get("AWS_ENDPOINT_URL"),
        region=values.get("AWS_REGION"),
        bucket=where[1],
        prefix=where[2],
        secret_ref=SecretRef(name=key["name"]) if key else None,
        ca_bundle=ConfigMapKeyRef(name=authority, key=file) if authority and file else None,
    )


def _fingerprint(made: _Made) -> list[object]:
    execution = made.spec.execution
    if execution.mode == ExecutionMode.RAY_CLUSTER:
        return [_ray_lifecycle(execution), _ray_cluster(made), execution.queue_name]
    return [_job(made), execution.queue_name, 1 if execution.runs_per_pod == AUTO else execution.runs_per_pod]


def _job(made: _Made) -> Json:
    execution = made.spec.execution
    container = {**_container(made), "command": ["finetune-trainer", "run", *_PLAN]}
    if execution.resources:
        container["resources"] = execution.resources.model_dump(mode="json", exclude_none=True)
    rules = [{"action": "FailIndex", "onExitCodes": _EXIT_CODES}, {"action": "Ignore", "onPodConditions": _DISRUPTED}]
    return {
        "completionMode": "Indexed",
        "completions": 1,
        "parallelism": 1,
        "suspend": False,
        "backoffLimitPerIndex": execution.retries,
        "maxFailedIndexes": 1,
        "podReplacementPolicy": "Failed",
        "podFailurePolicy": {"rules": rules},
        "ttlSecondsAfterFinished": execution.ttl_seconds_after_finished,
        "template": _template(made, container),
    }


def _container(made: _Made) -> Json:
    execution, extra = made.spec.execution, made.spec.execution.pod_template or PodTemplate()
    policy = execution.image_pull_policy or made.policy
    tracking = made.spec.tracking
    container: Json = {
        "name": "trainer",
        "image": execution.image or made.image,
        **({"imagePullPolicy": str(policy)} if policy else {}),
        "env": [*_environment(made), *(extra.env or []), *_plain(to_env(tracking))],
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "terminationMessagePolicy": "FallbackToLogsOnError",
    }
    if tracking and tracking.secret_ref:
        container["envFrom"] = [{"secretRef": {"name": tracking.secret_ref.name, "optional": True}}]
    return container


def _environment(made: _Made) -> list[Json]:
    storage = made.storage
    plain = {
        "FINETUNE_STORE": storage.uri,
        "FINETUNE_WORK": "/work",
        "FINETUNE_PVC_ROOT": "/mnt/pvc",
        "FINETUNE_LOG_FORMAT": made.log_format,
        "FINETUNE_IMAGE": made.spec.execution.image or made.image,
        "HOME": "/work",
        "AWS_ENDPOINT_URL": storage.endpoint,
        "AWS_REGION": storage.region,
        "AWS_CA_BUNDLE": f"{_CA}/{storage.ca_bundle.key}" if storage.ca_bundle else None,
    }
    attempt = {"name": "FINETUNE_ATTEMPT", "valueFrom": {"fieldRef": {"fieldPath": "metadata.uid"}}}
    keys = {"AWS_ACCESS_KEY_ID": False, "AWS_SECRET_ACCESS_KEY": False, "AWS_SESSION_TOKEN": True}
    secret = storage.secret_ref.name if storage.secret_ref else None
    references = [
        {"name": name, "valueFrom": {"secretKeyRef": {"name": secret, "key": name, "optional": optional}}}
        for name, optional in keys.items()
    ]
    return [*_plain(plain), attempt, *(references if secret else [])]


def _plain(values: Mapping[str, str | None]) -> list[Json]:
    return [{"name": name, "value": value.replace("$", "$$")} for name, value in values.items() if value]


def _template(made: _Made, container: Json) -> Json:
    execution, extra = made.spec.execution, made.spec.execution.pod_template or PodTemplate()
    volumes: list[Json] = [{"name": "work", "emptyDir": {}}, {"name": "tmp", "emptyDir": {}}]
    mounts: list[Json] = [{"name": "work", "mountPath": "/work"}, {"name": "tmp", "mountPath": "/tmp"}]
    read_only: list[tuple[str, Json, str]] = [("plan", {"configMap": {"name": ""}}, "/etc/finetune/plan")]
    if made.storage.ca_bundle:
        read_only.append(("ca", {"configMap": {"name": made.storage.ca_bundle.name}}, _CA))
    for place, claim in enumerate(made.spec.claims):
        source = {"persistentVolumeClaim": {"claimName": claim, "readOnly": True}}
        read_only.append((f"pvc-{place}", source, f"/mnt/pvc/{claim}"))
    volumes += [{"name": name, **source} for name, source, _ in read_only]
    mounts += [{"name": name, "mountPath": path, "readOnly": True} for name, _, path in read_only]
    spec = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": execution.termination_grace_period_seconds,
        "securityContext": {"runAsNonRoot": True, **_IDS, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [{**container, "volumeMounts": [*mounts, *(extra.volume_mounts or [])]}],
        "volumes": [*volumes, *(extra.volumes or [])],
        **_scheduling(extra),
    }
    return {"metadata": {"labels": extra.labels or {}, "annotations": extra.annotations or {}}, "spec": spec}


def _scheduling(extra: PodTemplate) -> Json:
    fields = {
        "nodeSelector": extra.node_selector,
        "tolerations": extra.tolerations,
        "affinity": extra.affinity,
        "imagePullSecrets": extra.image_pull_secrets,
        "serviceAccountName": extra.service_account_name,
        "priorityClassName": extra.priority_class_name,
        "runtimeClassName": extra.runtime_class_name,
    }
    return {name: value for name, value in fields.items() if value is not None}


def _ray_lifecycle(execution: Execution) -> Json:
    return {
        "submissionMode": "HTTPMode",
        "suspend": False,
        "backoffLimit": 0,
        "shutdownAfterJobFinishes": True,
        "ttlSecondsAfterFinished": 0,
        "preRunningDeadlineSeconds": (execution.ray or RayOptions()).pre_running_deadline_seconds,
    }


def _ray_cluster(made: _Made) -> Json:
    execution = made.spec.execution
    ray, worker, replicas = execution.ray or RayOptions(), worker_resources(execution), execution.parallelism
    head = ray.head_resources.model_dump(mode="json", exclude_none=True) if ray.head_resources else _HEAD
    group = {"replicas": replicas, "minReplicas": replicas, "maxReplicas": replicas}
    return {
        "rayVersion": "2.60.0",
        "headGroupSpec": {
            "rayStartParams": {"dashboard-host": "0.0.0.0", **_start_params(0, 0)},
            "template": _node(made, head),
        },
        "workerGroupSpecs": [
            {
                "groupName": "workers",
                **group,
                "rayStartParams": _start_params(cpus_of(worker), gpus_of(worker)),
                "template": _node(made, worker),
            }
        ],
    }


def _start_params(cpus: int, gpus: int) -> dict[str, str]:
    return {"num-cpus": str(cpus), "num-gpus": str(gpus), "object-store-memory": str(128 << 20)}


def _node(made: _Made, resources: Json) -> Json:
    cpus, gpus = share_of_a_run(made.spec.execution)
    more = {
        "FINETUNE_CPUS_PER_RUN": f"{cpus:g}",
        "FINETUNE_GPUS_PER_RUN": f"{gpus:g}",
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S": "0",
        "FINETUNE_LOG_FILE": "/proc/1/fd/2",
    }
    container = _container(made)
    container["env"] += _plain(more)
    if not any(variable["name"] == "OMP_NUM_THREADS" for variable in container["env"]):
        container["env"].append({"name": "FINETUNE_THREADS_BY_CORES", "value": "1"})
    drain = {"preStop": {"exec": {"command": ["finetune-trainer", "drain"]}}}
    return _template(made, {**container, "resources": resources, "lifecycle": drain})
