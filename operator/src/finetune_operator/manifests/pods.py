"""Pods: a fixed non-root user, a read-only root file system, no capabilities and no API token.

They pass the `restricted` Pod Security Standard.
"""

from dataclasses import dataclass

from finetune_core.api import Execution, PodTemplate, Storage, Tracking
from finetune_core.deciding.observation import JobRole
from finetune_core.tracking import to_env
from finetune_kube import names
from finetune_kube.names import PLAN_FILE
from finetune_operator.manifests.owners import Json, Owner, labels_of
from finetune_work.credentials import KEYS

USER_ID = 65532
PLAN_FOLDER = "/etc/finetune/plan"
PLAN_OPTION = ("--plan", f"{PLAN_FOLDER}/{PLAN_FILE}")
CA_FOLDER = "/etc/finetune/ca"
PVC_ROOT = "/mnt/pvc"
WORK_FOLDER = "/work"


@dataclass(frozen=True)
class PodSettings:
    """What all pods of an experiment share: image, storage, claims, log format; `tracking` is for those that train."""

    execution: Execution
    storage: Storage
    default_image: str
    default_pull_policy: str | None
    claims: tuple[str, ...]
    log_format: str
    tracking: Tracking | None = None

    @property
    def store_uri(self) -> str:
        """The store that the pods write to."""
        return store_uri(self.storage)


def store_uri(storage: Storage) -> str:
    """`s3://bucket/prefix` of a storage block."""
    return storage.uri


def literal(text: str) -> str:
    """Text for a command or the value of a variable that Kubernetes leaves as it is: `$(NAME)` stands for a variable.

    https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/#entrypoint: `$$` is `$`.
    """
    return text.replace("$", "$$")


def label_pods(spec: Json, owner: Owner, role: JobRole) -> None:
    """Label the pods of a Job's spec as the owner's."""
    labels = spec["template"]["metadata"].setdefault("labels", {})
    # Ours last: a user's label must not hide a pod from the operator.
    labels.update(labels_of(owner, role))


def pod_container(settings: PodSettings, command: list[str], *, image: str | None = None) -> Json:
    """The one container of a pod of ours, without resources; the spec's image (or the default) unless given one."""
    execution = settings.execution
    policy = (execution.image_pull_policy if image is None else None) or settings.default_pull_policy
    extra = execution.pod_template or PodTemplate()
    return {
        "name": names.CONTAINER,
        "image": image or execution.image or settings.default_image,
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
    environment: list[Json] = [{"name": name, "value": literal(value)} for name, value in plain.items() if value]
    environment.append({"name": "FINETUNE_ATTEMPT", "valueFrom": {"fieldRef": {"fieldPath": "metadata.uid"}}})
    if storage.secret_ref:
        environment += [
            _secret_key(name, storage.secret_ref.name, optional=not needed) for name, needed in KEYS.items()
        ]
    return environment


def add_tracking(container: Json, tracking: Tracking | None) -> None:
    """Tell a training container of its trackers; all keys of their Secret become its environment.

    Variables that are set otherwise win (Kubernetes has `env` go before `envFrom`). A Secret that is deleted later must
    not keep pods from starting: the tracker is then warned of, as one that cannot be reached.
    """
    if tracking is None:
        return
    container["env"] += [{"name": name, "value": literal(value)} for name, value in to_env(tracking).items()]
    if tracking.secret_ref:
        container["envFrom"] = [{"secretRef": {"name": tracking.secret_ref.name, "optional": True}}]


def _secret_key(name: str, secret: str, optional: bool) -> Json:
    return {"name": name, "valueFrom": {"secretKeyRef": {"name": secret, "key": name, "optional": optional}}}


def pod_template(settings: PodSettings, container: Json, plan: str | None, grace_seconds: int) -> Json:
    """A pod around the container, with its volumes; `plan` is the ConfigMap of the plan, mounted at PLAN_FOLDER."""
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
