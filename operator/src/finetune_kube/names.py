"""Labels and annotations that the operator's objects go by."""

from finetune_core.api.crd import GROUP
from finetune_kube.kinds import EXPERIMENT, SEARCH, Kind

MANAGED_BY_LABEL = "app.kubernetes.io/managed-by"
MANAGED_BY = "finetune-operator"
OURS = {MANAGED_BY_LABEL: MANAGED_BY}
ROLE_LABEL = f"{GROUP}/role"
SEQUENCE_LABEL = f"{GROUP}/lane"
RAY_JOB_LABEL = f"{GROUP}/ray-job"
QUEUE_LABEL = "kueue.x-k8s.io/queue-name"
QUEUED_UID_LABEL = "kueue.x-k8s.io/job-uid"
"""Names the object that a Workload of Kueue's stands for."""
CONTAINER = "trainer"
"""The container of ours in a pod; others are added by whoever injects sidecars."""
INDEX_ANNOTATION = "batch.kubernetes.io/job-completion-index"
JOB_NAME_LABEL = "batch.kubernetes.io/job-name"
RAY_NODE_TYPE_LABEL = "ray.io/node-type"

REVISION_ANNOTATION = f"{GROUP}/revision"
ROUND_ANNOTATION = f"{GROUP}/round"
PLAN_ANNOTATION = f"{GROUP}/plan"
RELEASE_ANNOTATION = f"{GROUP}/release"
RULES_ANNOTATION = f"{GROUP}/revision-rules"
"""By which rules a revision was worked out; the release that knew only one set of them wrote none."""
SETTINGS_ANNOTATION = f"{GROUP}/settings"
"""A hash of the operator's own settings that went into the object."""
DIGEST_ANNOTATION = f"{GROUP}/digest"
LOGIN_KEY = ".dockerconfigjson"
"""What a Secret of type kubernetes.io/dockerconfigjson has."""
PLAN_FILE = "plan.json"
"""The plan's key in its ConfigMap."""


def owner_label(kind: str) -> str:
    """The label that names the owner of a child, by the owner's kind."""
    return SEARCH.label if kind == SEARCH.kind else EXPERIMENT.label


def children_of(owner: str, kind: Kind | str = EXPERIMENT, role: str | None = None) -> dict[str, str]:
    """Labels of the children of an experiment or a search, of one role or of all."""
    label = owner_label(kind if isinstance(kind, str) else kind.kind)
    return {**OURS, label: owner, **({} if role is None else {ROLE_LABEL: role})}
