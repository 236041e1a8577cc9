"""How runs are executed, where results go, and what is kept: the parts that experiments and searches share."""

from enum import StrEnum
from typing import Annotated

from pydantic import ConfigDict, Field

from finetune_core.api.common import ApiModel, Key, Name, QueueName, Uri, cel_list, rules, worded
from finetune_core.api.pod_runs import AUTO, RunsAtOnce, RunsPerPod
from finetune_core.api.pods import CacheChoice, PodTemplate, Resources
from finetune_core.api.reuse import Reuse, ReuseChoice
from finetune_core.tasks.sparse import SPARSE_TYPES


class ExecutionMode(StrEnum):
    """What runs the pods."""

    JOBS = "Jobs"
    RAY_CLUSTER = "RayCluster"


class ImagePullPolicy(StrEnum):
    """As in a pod."""

    ALWAYS = "Always"
    IF_NOT_PRESENT = "IfNotPresent"
    NEVER = "Never"


class RayOptions(ApiModel):
    """Ray clusters of `mode: RayCluster`: a head that runs nothing but the driver, and workers that do the runs."""

    cpus_per_run: Annotated[
        float | None,
        Field(gt=0, le=1024, description="CPUs that Ray counts for one run. Default: all of a worker pod's."),
    ] = None
    gpus_per_run: Annotated[
        float | None,
        Field(
            ge=0,
            le=64,
            description="GPUs that Ray counts for one run; 0.25 has four runs share a GPU. Default: all of a worker's.",
        ),
    ] = None
    head_resources: Resources | None = Field(default=None, description="What the head pod asks for.")
    pre_running_deadline_seconds: Annotated[
        int,
        Field(ge=30, le=86_400, description="How long a cluster may take to start (image pull, scheduling)."),
    ] = 1800


class Execution(ApiModel):
    """How the runs are executed."""

    mode: Annotated[
        ExecutionMode,
        Field(description="Jobs: one Indexed Job. RayCluster: KubeRay RayJobs (KubeRay must be installed)."),
    ] = ExecutionMode.JOBS
    ray: RayOptions | None = Field(default=None, description="Settings of mode RayCluster.")
    parallelism: Annotated[
        int,
        Field(
            ge=0,
            le=1000,
            description="Pods at a time (RayCluster: worker pods of a cluster). Jobs: can be changed while it runs.",
        ),
    ] = 1
    runs_per_pod: RunsPerPod = AUTO
    runs_at_once: RunsAtOnce = None
    processes_per_run: Annotated[
        int | None,
        Field(
            ge=1,
            le=16,
            description="Processes that do a run together in its pod, each with a share of every batch "
            "(DistributedDataParallel). trainBatchSize stays the batch of all of them. Default: one for each GPU that "
            "the pod asks for; on CPUs one. Mode Jobs, experiments only.",
        ),
    ] = None
    image: Annotated[
        str | None,
        Field(min_length=1, max_length=1024, description="Trainer image. Default: the operator's."),
    ] = None
    image_pull_policy: Annotated[ImagePullPolicy | None, Field(description="As in a pod.")] = None
    resources: Resources | None = Field(
        default=None, description="What a training pod asks for, e.g. limits: {nvidia.com/gpu: 1}."
    )
    report_resources: Resources | None = Field(
        default=None, description="What the pod that writes the report asks for. Default: the operator's."
    )
    resolve_resources: Resources | None = Field(
        default=None, description="What a pod that looks at volumes asks for. Default: the operator's."
    )
    publish_resources: Resources | None = Field(
        default=None,
        description="What a pod that publishes a model asks for. Default: the operator's. Experiments only.",
    )
    pod_template: PodTemplate | None = Field(
        default=None, description="Node selector, tolerations, volumes and so on for the training pods."
    )
    cache: CacheChoice = None
    retries: Annotated[
        int,
        Field(
            ge=0,
            le=20,
            description="How often a failed run is tried again. The user's mistakes (exit 64) are not; "
            "evictions cost nothing.",
        ),
    ] = 3
    retry_token: Annotated[
        str | None, Field(max_length=64, description="Any new value runs the failed runs again.")
    ] = None
    reuse: ReuseChoice = Reuse.NAMESPACE
    run_timeout_seconds: Annotated[
        int | None,
        Field(
            ge=1,
            le=31_536_000,
            description="Longest time of one run over all its attempts, without waiting. Default: no limit.",
        ),
    ] = None
    checkpoint_interval_seconds: Annotated[
        int,
        Field(
            ge=5,
            le=86_400,
            description="How often a run saves the state that an interrupted run goes on from.",
        ),
    ] = 300
    termination_grace_period_seconds: Annotated[
        int,
        Field(ge=1, le=3600, description="What an interrupted pod gets to upload its checkpoint."),
    ] = 120
    stall_timeout_seconds: Annotated[
        int,
        Field(
            ge=600,
            le=31_536_000,
            description="How long a run may give no sign of life before its pod is ended; it goes on from its "
            "checkpoint, and no retry is spent. Mode Jobs; elsewhere it is said only. A pod that reports, or looks at "
            "volumes, has as long; another one begins anew.",
        ),
    ] = 3600
    queue_name: Annotated[
        QueueName | None, Field(description="Kueue LocalQueue; Kueue then decides when the Job starts.")
    ] = None
    suspend: Annotated[
        bool,
        Field(description="True stops the pods (they save a checkpoint); false goes on from there."),
    ] = False
    ttl_seconds_after_finished: Annotated[
        int,
        Field(
            ge=0,
            le=31_536_000,
            description="How long Jobs, and with them the logs, are kept once all has ended; at least a minute.",
        ),
    ] = 86_400


Endpoint = Annotated[
    str,
    *worded(
        "endpoint",
        "^https?://[^/]+/?$",
        "no endpoint: write http://host[:port] or https://host[:port] and no more; a path belongs in storage.bucket "
        "and storage.prefix",
    ),
    Field(max_length=1024),
]
Bucket = Annotated[
    str,
    *worded(
        "bucket",
        "^[a-z0-9][a-z0-9.-]*[a-z0-9]$",
        "no name of a bucket: use lower-case letters, digits, - and ., and begin and end with a letter or digit",
    ),
    Field(min_length=3, max_length=63),
]
Prefix = Annotated[
    str,
    *worded("prefix", "^[^/](.*[^/])?$", "no prefix: begin and end without a slash, as in team/a"),
    Field(max_length=512),
]


class SecretRef(ApiModel):
    """A Secret in the namespace of the resource."""

    name: Annotated[
        Name,
        Field(description="Secret with AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (and AWS_SESSION_TOKEN)."),
    ]


class ConfigMapKeyRef(ApiModel):
    """A key of a ConfigMap in the namespace of the resource."""

    name: Annotated[Name, Field(description="The ConfigMap.")]
    key: Annotated[Key, Field(description="The key in it.")]


class Storage(ApiModel):
    """A bucket of an S3 server; s3:// URIs are read from the same server."""

    endpoint: Annotated[Endpoint | None, Field(description="http(s)://host:port of the S3 server. Default: AWS.")] = (
        None
    )
    bucket: Annotated[Bucket, Field(description="Bucket; it must exist already.")]
    prefix: Annotated[Prefix | None, Field(description="Folder in the bucket, without leading or trailing slash.")] = (
        None
    )
    region: Annotated[str | None, Field(max_length=64, description="Region of the bucket.")] = None
    secret_ref: SecretRef | None = Field(
        default=None, description="Credentials. Default: the pod's own identity, or anonymous."
    )
    ca_bundle: ConfigMapKeyRef | None = Field(
        default=None, description="PEM certificates of the authority that signed the endpoint's certificate."
    )

    @property
    def uri(self) -> str:
        """`s3://bucket/prefix`."""
        return f"s3://{self.bucket}" + (f"/{self.prefix}" if self.prefix else "")


class ModelRetention(StrEnum):
    """Which runs' weights stay in the store."""

    BEST = "Best"
    ALL = "All"
    NONE = "None"


class Retention(ApiModel):
    """What is kept after a run ends; metrics and predictions always are."""

    models: Annotated[
        ModelRetention,
        Field(description="Best: the weights of each task's two best runs. All: of every run. None: of none."),
    ] = ModelRetention.BEST


class Model(ApiModel):
    """The pretrained model."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            (
                "self.uri.matches('^(hf|s3|pvc|file)://.+')",
                "uri must be hf://org/name[@revision], s3://bucket/path, pvc://claim/path "
                "or (local runs only) file:///path",
            ),
            (
                f"!has(self.type) || !self.type.contains('sparse') || self.type in {cel_list(sorted(SPARSE_TYPES))}",
                "type is no sparse type, so zeros would not be kept: use one of "
                f"{', '.join(sorted(SPARSE_TYPES))}, or remove it",
            ),
        )
    )

    uri: Annotated[
        Uri,
        Field(description="hf://org/name[@revision], s3://bucket/path, pvc://claim/path; file:///path locally."),
    ]
    type: Annotated[
        str | None,
        Field(
            min_length=1,
            max_length=64,
            description="Model type (Hugging Face's model_type) where the checkpoint's config.json does not "
            "say it. Default: as in config.json. static_sparse_encoder_bert, static_sparse_non_attention_bert and "
            "fully_static_sparse_bert make a BERT keep its zeros.",
        ),
    ] = None


class Data(ApiModel):
    """One folder that holds the files of every task."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            (
                "self.uri.matches('^(hf|s3|pvc|file)://.+')",
                "uri must be hf://org/name[@revision], s3://bucket/path, pvc://claim/path "
                "or (local runs only) file:///path",
            )
        )
    )

    uri: Annotated[
        Uri,
        Field(
            description="GLUE in its official TSV folders or in Hugging Face's parquet folders: "
            "hf://, s3:// or pvc://. Default: hf://nyu-mll/glue."
        ),
    ] = "hf://nyu-mll/glue"
