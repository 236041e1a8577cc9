"""ConfigMaps: the plan that a Job's pods read, and the best hyperparameters of a search."""

from collections.abc import Mapping

from finetune_core.canonical import short_hash
from finetune_core.observation import JobRole
from finetune_core.plan import JobPlan
from finetune_core.search.plan import SearchJobPlan
from finetune_operator import names
from finetune_operator.manifests.owners import Json, Owner, metadata_of
from finetune_operator.manifests.pods import PLAN_FILE


def plan_config_map(owner: Owner, job: str, job_plan: JobPlan | SearchJobPlan) -> Json:
    """The immutable ConfigMap that index -> run is read from by the Job of that name, and by no other."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": metadata_of(owner, plan_name(job, job_plan), JobRole.TRAIN),
        "immutable": True,
        "data": {PLAN_FILE: job_plan.to_bytes().decode()},
    }


def plan_name(job: str, job_plan: JobPlan | SearchJobPlan) -> str:
    """Name of the plan's ConfigMap: one name is one content, since it cannot be changed."""
    return f"{job}-{short_hash(job_plan.model_dump(mode='json', by_alias=True), 10)}"


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
            "annotations": {**owner.annotations, names.DIGEST_ANNOTATION: digest},
            "ownerReferences": [owner.reference],
        },
        "data": dict(data),
    }
