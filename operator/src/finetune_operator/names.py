"""Names, labels and annotations that the operator's objects go by."""

API_GROUP = "finetune.dev"
API_VERSION = "v1alpha1"
EXPERIMENT_KIND = "FinetuneExperiment"
EXPERIMENT_PLURAL = "finetuneexperiments"
SEARCH_KIND = "HPSearch"
SEARCH_PLURAL = "hpsearches"

MANAGED_BY_LABEL = "app.kubernetes.io/managed-by"
MANAGED_BY = "finetune-operator"
EXPERIMENT_LABEL = f"{API_GROUP}/experiment"
SEARCH_LABEL = f"{API_GROUP}/search"
ROLE_LABEL = f"{API_GROUP}/role"
LANE_LABEL = f"{API_GROUP}/lane"
RAY_JOB_LABEL = f"{API_GROUP}/ray-job"
QUEUE_LABEL = "kueue.x-k8s.io/queue-name"
INDEX_ANNOTATION = "batch.kubernetes.io/job-completion-index"
JOB_NAME_LABEL = "batch.kubernetes.io/job-name"

RAY_GROUP = "ray.io"
RAY_VERSION = "v1"
RAY_JOB_PLURAL = "rayjobs"
RAY_NODE_TYPE_LABEL = "ray.io/node-type"

REVISION_ANNOTATION = f"{API_GROUP}/revision"
ROUND_ANNOTATION = f"{API_GROUP}/round"
PLAN_ANNOTATION = f"{API_GROUP}/plan"
RELEASE_ANNOTATION = f"{API_GROUP}/release"
DIGEST_ANNOTATION = f"{API_GROUP}/digest"
FIELD_MANAGER = "finetune-operator"


def owner_label(kind: str) -> str:
    """The label that names the owner of a child, by the owner's kind."""
    return SEARCH_LABEL if kind == SEARCH_KIND else EXPERIMENT_LABEL


def selector(owner: str, kind: str = EXPERIMENT_KIND) -> str:
    """Label selector of the children of an experiment or a search."""
    return f"{MANAGED_BY_LABEL}={MANAGED_BY},{owner_label(kind)}={owner}"
