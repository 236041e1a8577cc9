"""Pure builders of the objects that the operator creates; no client, no clock.

Security: pods run as a fixed non-root user with a read-only root file system, no capabilities and no API token, so
they pass the `restricted` Pod Security Standard.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from finetune_core.canonical import short_hash
from finetune_core.layout import ExperimentLayout
from finetune_core.observation import JobRole
from finetune_core.plan import JobPlan
from finetune_core.results import ExitCode
from finetune_core.search.plan import SearchJobPlan
from finetune_core.spec import Execution, PodTemplate, Storage
from finetune_operator import names

Json = dict[str, Any]

USER_ID = 65532
PLAN_FOLDER = "/etc/finetune/plan"
PLAN_FILE = "plan.json"
CA_FOLDER = "/etc/finetune/ca"
PVC_ROOT = "/mnt/pvc"
WORK_FOLDER = "/work"
CONTAINER = "trainer"
REPORT_RESOURCES = {"requests": {"cpu": "100m", "memory": "256Mi"}, "limits": {"memory": "2Gi"}}
_PLAN = ["--plan", f"{PLAN_FOLDER}/{PLAN_FILE}"]
_RUN = ["finetune-trainer", "run", *_PLAN]
_SEARCH = ["finetune-trainer", "search", *_PLAN, "--index", "$(JOB_COMPLETION_INDEX)"]
_SECRET_KEYS = {"AWS_ACCESS_KEY_ID": False, "AWS_SECRET_ACCESS_KEY": False, "AWS_SESSION_TOKEN": True}


@dataclass(frozen=True)
class Owner:
    """The experiment or search that children belong to."""

    namespace: str
    name: str
    uid: str
    kind: str = names.EXPERIMENT_KIND

    @property
    def reference(self) -> Json:
        """An owner reference: children go with their owner, results stay."""
        return {
            "apiVersion": f"{names.API_GROUP}/{names.API_VERSION}",
            "kind": self.kind,
            "name": self.name,
            "uid": self.uid,
            "controller": True,
            "blockOwnerDeletion": False,
        }


@dataclass(frozen=True)
class PodSettings:
    """What all pods of an experiment share: image, storage, claims, log format."""

    execution: Execution
    storage: Storage
    default_image: str
    default_pull_policy: str | None
    claims: tuple[str, ...]
    log_format: str

    @property
    def store_uri(self) -> str:
        """The store that the pods write to."""
        return store_uri(self.storage)


def store_uri(storage: Storage) -> str:
    """`s3://bucket/prefix` of a storage block."""
    return f"s3://{storage.bucket}" + (f"/{storage.prefix}" if storage.prefix else "")


def plan_config_map(owner: Owner, job: str, job_plan: JobPlan | SearchJobPlan) -> Json:
    """The immutable ConfigMap that index -> run is read from by the Job of that name, and by no other."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": _metadata(owner, plan_name(job, job_plan), JobRole.TRAIN),
        "immutable": True,
        "data": {PLAN_FILE: job_plan.to_bytes().decode()},
    }


def plan_name(job: str, job_plan: JobPlan | SearchJobPlan) -> str:
    """Name of the plan's ConfigMap: one name is one content, since it cannot be changed."""
    return f"{job}-{short_hash(job_plan.model_dump(mode='json', by_alias=True), 10)}"


def template_fingerprint(settings: PodSettings) -> str:
    """Hash of all that a live Job cannot change: pod template, retries, queue."""
    spec = _train_spec(settings, command=_RUN, plan="", completions=1, parallelism=1, suspend=False)
    return short_hash([spec, settings.execution.queue_name, settings.execution.runs_per_pod], 12)


def train_job(
    owner: Owner,
    settings: PodSettings,
    *,
    name: str,
    revision: str,
    round_: int,
    job_plan: JobPlan | SearchJobPlan,
    parallelism: int,
    suspend: bool,
) -> Json:
    """The Indexed Job: completion index i does the runs at index i of its plan, or searches as unit i of it."""
    plan = plan_name(name, job_plan)
    metadata = _metadata(owner, name, JobRole.TRAIN)
    metadata["annotations"] = {
        names.REVISION_ANNOTATION: revision,
        names.ROUND_ANNOTATION: str(round_),
        names.PLAN_ANNOTATION: plan,
    }
    if settings.execution.queue_name:
        metadata["labels"][names.QUEUE_LABEL] = settings.execution.queue_name
    spec = _train_spec(
        settings,
        command=_work_command(job_plan),
        plan=plan,
        completions=len(job_plan.units if isinstance(job_plan, SearchJobPlan) else job_plan.indexes),
        parallelism=parallelism,
        suspend=suspend,
    )
    _label_pods(spec, owner, JobRole.TRAIN)
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": spec}


def _work_command(job_plan: JobPlan | SearchJobPlan) -> list[str]:
    # Kubernetes puts the pod's completion index in the place of $(...).
    return _SEARCH if isinstance(job_plan, SearchJobPlan) else _RUN


def _train_spec(
    settings: PodSettings, *, command: list[str], plan: str, completions: int, parallelism: int, suspend: bool
) -> Json:
    execution = settings.execution
    container = _container(settings, command)
    if execution.resources:
        container["resources"] = execution.resources.model_dump(mode="json", exclude_none=True)
    return {
        "completionMode": "Indexed",
        "completions": completions,
        "parallelism": parallelism,
        "suspend": suspend,
        "backoffLimitPerIndex": execution.retries,
        "maxFailedIndexes": completions,
        "podReplacementPolicy": "Failed",
        "podFailurePolicy": {
            "rules": [
                {
                    "action": "FailIndex",
                    "onExitCodes": {
                        "containerName": CONTAINER,
                        "operator": "In",
                        "values": [ExitCode.USER_ERROR, ExitCode.GAVE_UP],
                    },
                },
                # Preemption, eviction, node loss: the run goes on elsewhere and costs no retry.
                {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
            ]
        },
        "ttlSecondsAfterFinished": execution.ttl_seconds_after_finished,
        "template": _template(settings, container, plan, execution.termination_grace_period_seconds),
    }


def report_job(
    owner: Owner, settings: PodSettings, *, name: str, revision: str, digest: str, failed: tuple[str, ...]
) -> Json:
    """The Job that writes tables, best predictions and the zip from what lies in the store."""
    container = _container(settings, _report_command(owner, digest, failed))
    container["resources"] = REPORT_RESOURCES
    metadata = _metadata(owner, name, JobRole.REPORT)
    metadata["annotations"] = {names.REVISION_ANNOTATION: revision}
    spec: Json = {
        "backoffLimit": 3,
        "ttlSecondsAfterFinished": settings.execution.ttl_seconds_after_finished,
        "podFailurePolicy": {
            "rules": [
                {
                    "action": "FailJob",
                    "onExitCodes": {
                        "containerName": CONTAINER,
                        "operator": "In",
                        "values": [ExitCode.USER_ERROR],
                    },
                },
                {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
            ]
        },
        "template": _template(settings, container, None, 30),
    }
    _label_pods(spec, owner, JobRole.REPORT)
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": spec}


def _report_command(owner: Owner, digest: str, failed: tuple[str, ...]) -> list[str]:
    if owner.kind == names.SEARCH_KIND:
        where = ["--namespace", owner.namespace, "--name", owner.name]
        return ["finetune-report", "search", *where, "--expect-digest", digest]
    plan = ExperimentLayout(owner.namespace, owner.name).plan
    command = ["finetune-report", "build", "--plan-key", plan, "--expect-digest", digest]
    return [*command, *(["--failed", *failed] if failed else [])]


def hyperparameters_config_map(owner: Owner, *, name: str, digest: str, data: Mapping[str, str]) -> Json:
    """The ConfigMap of a search's best hyperparameters; `digest` says what it was made from."""
    labels = {names.MANAGED_BY_LABEL: names.MANAGED_BY, names.owner_label(owner.kind): owner.name}
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": name,
            "namespace": owner.namespace,
            "labels": labels,
            "annotations": {names.DIGEST_ANNOTATION: digest},
            "ownerReferences": [owner.reference],
        },
        "data": dict(data),
    }


def _metadata(owner: Owner, name: str, role: JobRole) -> Json:
    return {
        "name": name,
        "namespace": owner.namespace,
        "labels": _labels(owner, role),
        "ownerReferences": [owner.reference],
    }


def _labels(owner: Owner, role: JobRole) -> dict[str, str]:
    return {
        names.MANAGED_BY_LABEL: names.MANAGED_BY,
        names.owner_label(owner.kind): owner.name,
        names.ROLE_LABEL: role.value,
    }


def _label_pods(spec: Json, owner: Owner, role: JobRole) -> None:
    labels = spec["template"]["metadata"].setdefault("labels", {})
    # Ours last: a user's label must not hide a pod from the operator.
    labels.update(_labels(owner, role))


def _container(settings: PodSettings, command: list[str]) -> Json:
    execution = settings.execution
    policy = execution.image_pull_policy or settings.default_pull_policy
    extra = execution.pod_template or PodTemplate()
    return {
        "name": CONTAINER,
        "image": execution.image or settings.default_image,
        **({"imagePullPolicy": str(policy)} if policy else {}),
        "command": command,
        "env": [*_environment(settings), *(extra.env or [])],
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [{"name": "work", "mountPath": WORK_FOLDER}, {"name": "tmp", "mountPath": "/tmp"}],
    }


def _environment(settings: PodSettings) -> list[Json]:
    storage = settings.storage
    plain = {
        "FINETUNE_STORE": settings.store_uri,
        "FINETUNE_WORK": WORK_FOLDER,
        "FINETUNE_PVC_ROOT": PVC_ROOT,
        "FINETUNE_LOG_FORMAT": settings.log_format,
        "FINETUNE_IMAGE": settings.execution.image or settings.default_image,
        "HOME": WORK_FOLDER,
        "AWS_ENDPOINT_URL": storage.endpoint,
        "AWS_REGION": storage.region,
        "AWS_CA_BUNDLE": f"{CA_FOLDER}/{storage.ca_bundle.key}" if storage.ca_bundle else None,
    }
    environment: list[Json] = [{"name": name, "value": value} for name, value in plain.items() if value]
    environment.append({"name": "FINETUNE_ATTEMPT", "valueFrom": {"fieldRef": {"fieldPath": "metadata.uid"}}})
    if storage.secret_ref:
        environment += [_secret_key(name, storage.secret_ref.name, optional) for name, optional in _SECRET_KEYS.items()]
    return environment


def _secret_key(name: str, secret: str, optional: bool) -> Json:
    return {"name": name, "valueFrom": {"secretKeyRef": {"name": secret, "key": name, "optional": optional}}}


def _template(settings: PodSettings, container: Json, plan: str | None, grace_seconds: int) -> Json:
    extra = settings.execution.pod_template or PodTemplate()
    volumes: list[Json] = [{"name": "work", "emptyDir": {}}, {"name": "tmp", "emptyDir": {}}]
    mounts: list[Json] = container["volumeMounts"]
    if plan is not None:
        volumes.append({"name": "plan", "configMap": {"name": plan}})
        mounts.append({"name": "plan", "mountPath": PLAN_FOLDER, "readOnly": True})
    if settings.storage.ca_bundle:
        volumes.append({"name": "ca", "configMap": {"name": settings.storage.ca_bundle.name}})
        mounts.append({"name": "ca", "mountPath": CA_FOLDER, "readOnly": True})
    for place, claim in enumerate(settings.claims):
        volumes.append({"name": f"pvc-{place}", "persistentVolumeClaim": {"claimName": claim, "readOnly": True}})
        mounts.append({"name": f"pvc-{place}", "mountPath": f"{PVC_ROOT}/{claim}", "readOnly": True})
    mounts.extend(extra.volume_mounts or [])
    spec = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": grace_seconds,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER_ID,
            "runAsGroup": USER_ID,
            "fsGroup": USER_ID,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [container],
        "volumes": [*volumes, *(extra.volumes or [])],
        **_scheduling(extra),
    }
    metadata = {"labels": dict(extra.labels or {}), "annotations": dict(extra.annotations or {})}
    return {"metadata": metadata, "spec": spec}


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


def event(owner: Owner, *, kind: str, reason: str, message: str, now: str, suffix: str) -> Json:
    """A core/v1 Event about the experiment; `kind` is Normal or Warning."""
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": f"{owner.name}.{suffix}", "namespace": owner.namespace},
        "involvedObject": {
            "apiVersion": f"{names.API_GROUP}/{names.API_VERSION}",
            "kind": owner.kind,
            "name": owner.name,
            "namespace": owner.namespace,
            "uid": owner.uid,
        },
        "type": kind,
        "reason": reason,
        "message": message[:1000],
        "firstTimestamp": now,
        "lastTimestamp": now,
        "count": 1,
        "source": {"component": names.MANAGED_BY},
        "reportingComponent": names.MANAGED_BY,
        "reportingInstance": names.MANAGED_BY,
    }


def resolve_job_name(owner: Owner, key: str) -> str:
    """Name of the Job that looks at volumes and writes `key`."""
    return f"{owner.name}-resolve-{short_hash(key, 8)}"


def resolve_job(owner: Owner, settings: PodSettings, *, name: str, uris: tuple[str, ...], key: str) -> Json:
    """The Job whose pod digests the files on volumes, without a GPU."""
    command = ["finetune-trainer", "resolve", *(f"--uri={uri}" for uri in uris), f"--output={key}"]
    container = _container(settings, command)
    container["resources"] = REPORT_RESOURCES
    spec: Json = {
        "backoffLimit": 2,
        "ttlSecondsAfterFinished": settings.execution.ttl_seconds_after_finished,
        "template": _template(settings, container, None, 30),
    }
    _label_pods(spec, owner, JobRole.RESOLVE)
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": _metadata(owner, name, JobRole.RESOLVE), "spec": spec}
