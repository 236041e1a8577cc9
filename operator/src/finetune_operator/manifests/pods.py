"""Pods: a user who is not root, a read-only root file system, no capabilities, no API token, folders of bounded size.

They pass the `restricted` Pod Security Standard, unless a spec asks for more than that (`podTemplate`).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from finetune_core.api import Cache, Execution, PodTemplate, Storage, Tracking
from finetune_core.canonical import short_hash
from finetune_core.deciding.observation import JobRole
from finetune_core.json_types import Json
from finetune_core.layout import ExperimentLayout
from finetune_core.planning.devices import PROCESSES, RUNS_AT_ONCE, processes_per_run, runs_at_once
from finetune_core.results.run import ExitCode, failure_scope
from finetune_core.tracking import to_env
from finetune_kube import names
from finetune_kube.names import PLAN_FILE
from finetune_operator.manifests.defaults import DEFAULTS, NO_IDS, PodDefaults, resources_of
from finetune_operator.manifests.owners import Owner, labels_of, metadata_of
from finetune_work.credentials import KEYS

PLAN_FOLDER = "/etc/finetune/plan"
PLAN_OPTION = ("--plan", f"{PLAN_FOLDER}/{PLAN_FILE}")
CA_FOLDER = "/etc/finetune/ca"
PVC_ROOT = "/mnt/pvc"
CACHE_FOLDER = "/var/cache/finetune"
CACHE_VOLUME = "finetune-cache"
WORK_FOLDER = "/work"
SHARED_MEMORY = "/dev/shm"
EPHEMERAL = "ephemeral-storage"

RULES = "2"
"""The rules of `asked_of_pods` and of the executors' fingerprints; another set of them gets another name."""

_POD_FIELDS = frozenset(
    {
        "image",
        "image_pull_policy",
        "resources",
        "pod_template",
        "cache",
        "termination_grace_period_seconds",
        "queue_name",
    }
)


@dataclass(frozen=True)
class PodSettings:
    """What all pods of an experiment share: image, storage, claims, log format; `tracking` is for those that train.

    `names_storage`: the spec says where the store is; otherwise it is the operator's. `operator_image` is for pods that
    publish; None where the operator does not know its own.
    """

    execution: Execution
    storage: Storage
    default_image: str
    default_pull_policy: str | None
    claims: tuple[str, ...]
    log_format: str
    tracking: Tracking | None = None
    names_storage: bool = True
    defaults: PodDefaults = DEFAULTS
    operator_image: str | None = None

    @property
    def store_uri(self) -> str:
        """The store that the pods write to."""
        return self.storage.uri

    def made_by(self, role: JobRole) -> dict[str, str]:
        """Annotations of what is made with these: the rules of its revision, and the operator's part of them."""
        defaults = self.defaults.model_dump(mode="json", exclude={"publish"})
        storage = None if self.names_storage else self.storage.model_dump(mode="json")
        own = [self.default_image, self.default_pull_policy, self.log_format, defaults, storage]
        if role == JobRole.PUBLISH:
            own += [self.operator_image, self.defaults.publish.model_dump(mode="json")]
        return {names.RULES_ANNOTATION: RULES, names.SETTINGS_ANNOTATION: short_hash(own, 12)}

    def asked_of_pods(self, *more: str) -> list[object]:
        """What a spec asks of its pods, and `more` fields of its `execution`; nothing that the operator adds.

        A field that a spec leaves out is left out, so a later release with more fields gives an old spec the same.
        """
        dump = self.execution.model_dump(mode="json", by_alias=True, exclude_none=True, include={*_POD_FIELDS, *more})
        storage = self.storage.model_dump(mode="json", by_alias=True, exclude_none=True) if self.names_storage else None
        tracking = self.tracking.model_dump(mode="json", by_alias=True, exclude_none=True) if self.tracking else None
        return [dump, storage, tracking, list(self.claims)]


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


def helping_job(
    owner: Owner, settings: PodSettings, name: str, role: JobRole, spec: Json, annotations: Mapping[str, str]
) -> Json:
    """A Job that trains nothing: it looks at volumes, reports or publishes."""
    metadata = metadata_of(owner, name, role)
    metadata["annotations"] |= {**annotations, **settings.made_by(role)}
    label_pods(spec, owner, role)
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": spec}


def sign_of(owner: Owner) -> str:
    """Where a pod leaves its signs of life, by its uid."""
    # Kubernetes fills in the variable.
    return ExperimentLayout(owner.namespace, owner.name).sign("$(FINETUNE_ATTEMPT)")


def add_scope(template: Json, owner: Owner, revision: str) -> None:
    """Tell training pods what their failures count for."""
    (container,) = template["spec"]["containers"]
    container["env"].append({"name": "FINETUNE_SCOPE", "value": failure_scope(owner.uid, revision)})


def add_processes(template: Json, execution: Execution) -> None:
    """Tell a pod of several runs at a time, or of several processes a run; these exchange gradients through memory.

    A container has 64 MiB at /dev/shm, which NCCL fails on where GPUs cannot reach each other
    (https://docs.nvidia.com/deeplearning/nccl/user-guide/docs/troubleshooting.html#shared-memory). What lies there
    counts as the container's memory; a spec's own mount goes before it.
    """
    (container,) = template["spec"]["containers"]
    if (at_once := runs_at_once(execution)) > 1:
        container["env"].append({"name": RUNS_AT_ONCE, "value": str(at_once)})
    if (processes := processes_per_run(execution)) == 1:
        return
    container["env"].append({"name": PROCESSES, "value": str(processes)})
    if all(mount.get("mountPath", "").rstrip("/") != SHARED_MEMORY for mount in container["volumeMounts"]):
        memory = {"medium": "Memory", "sizeLimit": "2Gi"}
        template["spec"]["volumes"].append({"name": "shared-memory", "emptyDir": memory})
        container["volumeMounts"].append({"name": "shared-memory", "mountPath": SHARED_MEMORY})


def add_cache(template: Json, cache: Cache | None) -> None:
    """Mount the volume that keeps what training pods fetch, and tell them where it is."""
    if cache is None:
        return
    source: Json = cache.model_dump(mode="json", by_alias=True, exclude_none=True)
    if "hostPath" in source:
        source["hostPath"]["type"] = "DirectoryOrCreate"
    (container,) = template["spec"]["containers"]
    template["spec"]["volumes"].append({"name": CACHE_VOLUME, **source})
    container["volumeMounts"].append({"name": CACHE_VOLUME, "mountPath": CACHE_FOLDER})
    container["env"].append({"name": "FINETUNE_CACHE", "value": CACHE_FOLDER})


def failure_policy(action: str, *final: int) -> Json:
    """What the exit of a pod means to its Job: `action` for exit codes after which trying again makes no sense."""

    def on_exit(what: str, codes: Iterable[int]) -> Json:
        return {
            "action": what,
            "onExitCodes": {"containerName": names.CONTAINER, "operator": "In", "values": list(codes)},
        }

    # Neither preemption, eviction and node loss nor a store that is away cost a retry, however long they last.
    disrupted = {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}
    return {"rules": [on_exit(action, sorted(final)), on_exit("Ignore", [ExitCode.STORE]), disrupted]}


def pod_container(settings: PodSettings, command: list[str], resources: Json, *, image: str | None = None) -> Json:
    """The one container of a pod of ours; the spec's image (or the default) unless given one."""
    execution = settings.execution
    policy = (execution.image_pull_policy if image is None else None) or settings.default_pull_policy
    extra = execution.pod_template or PodTemplate()
    return {
        "name": names.CONTAINER,
        "image": image or execution.image or settings.default_image,
        **({"imagePullPolicy": str(policy)} if policy else {}),
        "command": command,
        "env": [*_environment(settings), *(extra.env or [])],
        "resources": resources,
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
            **(extra.container_security_context or {}),
        },
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [{"name": "work", "mountPath": WORK_FOLDER}, {"name": "tmp", "mountPath": "/tmp"}],
    }


def _environment(settings: PodSettings) -> list[Json]:
    storage = settings.storage
    plain = {
        **settings.defaults.env,
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


def training_resources(settings: PodSettings) -> Json:
    """Requests and limits of a container that trains."""
    return resources_of(settings.execution.resources, settings.defaults.training)


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
    room = container["resources"].get("limits", {}).get(EPHEMERAL)
    folder = {} if room is None else {"sizeLimit": str(room)}
    volumes: list[Json] = [{"name": "work", "emptyDir": folder}, {"name": "tmp", "emptyDir": folder}]
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
        "securityContext": _security_context(settings.defaults, extra),
        "containers": [container],
        "volumes": [*volumes, *(extra.volumes or [])],
        **_scheduling(extra),
    }
    metadata = {"labels": dict(extra.labels or {}), "annotations": dict(extra.annotations or {})}
    return {"metadata": metadata, "spec": spec}


def _security_context(defaults: PodDefaults, extra: PodTemplate) -> Json:
    # Ids belong together: a spec that says something of them, or that it wants none, says all.
    ids = defaults.user_ids if extra.security_context is None else NO_IDS
    return {
        "runAsNonRoot": True,
        "seccompProfile": {"type": "RuntimeDefault"},
        **ids.model_dump(by_alias=True, exclude_none=True),
        **(extra.security_context or {}),
    }


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
