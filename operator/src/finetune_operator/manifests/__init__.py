"""Pure builders of the objects that the operator creates; no client, no clock."""

from finetune_operator.manifests.config_maps import hyperparameters_config_map, plan_config_map, plan_name
from finetune_operator.manifests.events import event
from finetune_operator.manifests.jobs import report_job, resolve_job, resolve_job_name
from finetune_operator.manifests.owners import Owner
from finetune_operator.manifests.pods import PodSettings
from finetune_operator.manifests.publish import publish_job

__all__ = [
    "Owner",
    "PodSettings",
    "event",
    "hyperparameters_config_map",
    "plan_config_map",
    "plan_name",
    "publish_job",
    "report_job",
    "resolve_job",
    "resolve_job_name",
]
