"""Names, labels and annotations that the operator's objects go by."""

API_GROUP = "finetune.dev"
API_VERSION = "v1alpha1"
EXPERIMENT_KIND = "FinetuneExperiment"
EXPERIMENT_PLURAL = "finetuneexperiments"

MANAGED_BY_LABEL = "app.kubernetes.io/managed-by"
MANAGED_BY = "finetune-operator"
EXPERIMENT_LABEL = f"{API_GROUP}/experiment"
ROLE_LABEL = f"{API_GROUP}/role"
QUEUE_LABEL = "kueue.x-k8s.io/queue-name"
INDEX_ANNOTATION = "batch.kubernetes.io/job-completion-index"
JOB_NAME_LABEL = "batch.kubernetes.io/job-name"

REVISION_ANNOTATION = f"{API_GROUP}/revision"
ROUND_ANNOTATION = f"{API_GROUP}/round"
PLAN_ANNOTATION = f"{API_GROUP}/plan"
FIELD_MANAGER = "finetune-operator"


def selector(experiment: str) -> str:
    """Label selector of an experiment's children."""
    return f"{MANAGED_BY_LABEL}={MANAGED_BY},{EXPERIMENT_LABEL}={experiment}"
