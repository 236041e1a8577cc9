"""What a spec says of pods in Kubernetes' own words."""

from typing import Annotated, Any

from pydantic import ConfigDict, Field

from finetune_core.api.common import ApiModel, Name, Quantity, free_form, rules, worded
from finetune_core.names import QUANTITY_PATTERN

_QUANTITY = {
    "additionalProperties": {
        "anyOf": [{"type": "integer"}, {"type": "string"}],
        "pattern": QUANTITY_PATTERN,
        "x-kubernetes-int-or-string": True,
    },
    "maxProperties": 32,
}


class Resources(ApiModel):
    """Requests and limits of the training container, as in a pod."""

    requests: Annotated[
        dict[str, Quantity] | None,
        Field(description="What a pod is scheduled by.", json_schema_extra=_QUANTITY),
    ] = None
    limits: Annotated[
        dict[str, Quantity] | None,
        Field(description="What a pod may use at most; GPUs go here.", json_schema_extra=_QUANTITY),
    ] = None


class PodTemplate(ApiModel):
    """Each field is the pod's own of that name, and adds to what the operator sets."""

    labels: Annotated[dict[str, str] | None, Field(max_length=64, description="Extra labels.")] = None
    annotations: Annotated[dict[str, str] | None, Field(max_length=64, description="Extra annotations.")] = None
    node_selector: Annotated[
        dict[str, str] | None, Field(max_length=64, description="Labels that a node must have.")
    ] = None
    tolerations: Annotated[
        list[dict[str, Any]] | None, Field(max_length=64, description="Taints that the pods tolerate.")
    ] = None
    affinity: Annotated[
        dict[str, Any] | None, Field(description="Scheduling affinity.", json_schema_extra=free_form())
    ] = None
    env: Annotated[
        list[dict[str, Any]] | None, Field(max_length=256, description="Extra environment of the training container.")
    ] = None
    volumes: Annotated[list[dict[str, Any]] | None, Field(max_length=64, description="Extra volumes.")] = None
    volume_mounts: Annotated[
        list[dict[str, Any]] | None, Field(max_length=64, description="Extra mounts of the training container.")
    ] = None
    image_pull_secrets: Annotated[
        list[dict[str, Any]] | None, Field(max_length=16, description="Secrets that the image is pulled with.")
    ] = None
    service_account_name: Annotated[
        Name | None,
        Field(description="Service account of the pods, for workload identity. Its token is not mounted."),
    ] = None
    priority_class_name: Annotated[Name | None, Field(description="Priority class.")] = None
    runtime_class_name: Annotated[Name | None, Field(description="Runtime class, e.g. nvidia.")] = None
    security_context: Annotated[
        dict[str, Any] | None,
        Field(
            description="The pods' security context, added to runAsNonRoot and seccompProfile. Where it is set, "
            "the operator sets no user and group ids: {} leaves them to the cluster (OpenShift).",
            json_schema_extra=free_form(),
        ),
    ] = None
    container_security_context: Annotated[
        dict[str, Any] | None,
        Field(description="The container's security context.", json_schema_extra=free_form()),
    ] = None


class ClaimVolume(ApiModel):
    """As in a pod; it is mounted to be written."""

    claim_name: Annotated[Name, Field(description="PersistentVolumeClaim of the namespace.")]


class NodeFolder(ApiModel):
    """As in a pod."""

    path: Annotated[
        str,
        *worded("path", "^/[^/].*$", "no folder of a node: write its whole path, as in /var/cache/finetune"),
        Field(max_length=1024, description="Folder on each node; it is made where it is missing."),
    ]


class Cache(ApiModel):
    """A volume that outlives pods."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            (
                "has(self.persistentVolumeClaim) != has(self.hostPath)",
                "give one of persistentVolumeClaim and hostPath",
            )
        )
    )

    persistent_volume_claim: ClaimVolume | None = Field(
        default=None, description="A claim that all pods may mount at a time: ReadWriteMany, or one node."
    )
    host_path: NodeFolder | None = Field(
        default=None, description="A folder of the node, which the pods' user must be able to write."
    )


CacheChoice = Annotated[
    Cache | None,
    Field(
        description="Where training pods keep models and data of buckets and the hub for the next pods: fetched once a "
        "volume, not once a pod. Run ids and results do not depend on it."
    ),
]
