"""ConfigMaps: the plan that a Job's pods read, and the best hyperparameters of a search."""

from collections.abc import Mapping

from finetune_core.deciding.observation import JobRole
from finetune_core.json_types import Json
from finetune_core.planning.plan import JobPlan
from finetune_core.planning.search.plan import SearchJobPlan
from finetune_kube import names, ownership
from finetune_kube.names import PLAN_FILE
from finetune_operator.manifests.owners import Owner, metadata_of


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
    return ownership.plan_name(job, job_plan.model_dump(mode="json", by_alias=True))


def hyperparameters_config_map(owner: Owner, *, name: str, digest: str, data: Mapping[str, str]) -> Json:
    """The ConfigMap of a search's best hyperparameters; `digest` says what it was made from."""
    labels = names.children_of(owner.name, owner.kind)
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
