"""Pure builders of the objects that the operator creates; no client, no clock."""

from finetune_operator.manifests.config_maps import hyperparameters_config_map, plan_config_map, plan_name
from finetune_operator.manifests.events import event
from finetune_operator.manifests.fingerprint import template_fingerprint
from finetune_operator.manifests.jobs import report_job, resolve_job, resolve_job_name, train_job
from finetune_operator.manifests.owners import Owner
from finetune_operator.manifests.pods import PodSettings, store_uri
from finetune_operator.manifests.rayjobs import driver_report_key, ray_job

__all__ = [
    "Owner",
    "PodSettings",
    "driver_report_key",
    "event",
    "hyperparameters_config_map",
    "plan_config_map",
    "plan_name",
    "ray_job",
    "report_job",
    "resolve_job",
    "resolve_job_name",
    "store_uri",
    "template_fingerprint",
    "train_job",
]
