"""Experiment trackers: where curves are shown besides the store, by the names that Hugging Face has for them."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from finetune_core.api.common import ApiModel, Name


class Tracker(StrEnum):
    """As in `report_to` of Hugging Face's TrainingArguments."""

    TENSORBOARD = "tensorboard"
    MLFLOW = "mlflow"
    WANDB = "wandb"


class TrackingSecretRef(ApiModel):
    """A Secret in the namespace of the resource; each of its keys is an environment variable of the training pods."""

    name: Annotated[
        Name,
        Field(description="Secret with what the trackers read, as WANDB_API_KEY or MLFLOW_TRACKING_URI."),
    ]


class Tracking(ApiModel):
    """Which trackers the runs report to. It changes no result and no run id, and a tracker that fails stops no run."""

    report_to: Annotated[
        tuple[Tracker, ...],
        Field(
            min_length=1,
            max_length=len(Tracker),
            description="The trackers. tensorboard: event files beside each run's metrics.jsonl. mlflow, wandb: their "
            "packages must be in the trainer image.",
            json_schema_extra={"x-kubernetes-list-type": "set"},
        ),
    ]
    project: Annotated[
        str | None,
        Field(
            min_length=1,
            max_length=128,
            description="Experiment of MLflow and project of Weights & Biases (there with - for what it does not take, "
            "as /). Default: MLFLOW_EXPERIMENT_NAME and WANDB_PROJECT, else <namespace>/<experiment>.",
        ),
    ] = None
    secret_ref: TrackingSecretRef | None = Field(
        default=None, description="Addresses and keys of the trackers. In local runs: your own environment."
    )
