"""`spec.publish`: where an experiment's models go once it has its report."""

from typing import Annotated

from pydantic import ConfigDict, Field

from finetune_core.api.common import ApiModel, Name, ShortName, rules, worded
from finetune_core.api.notifications import SecretKeyRef
from finetune_core.frozen import absent

MAX_PUBLISH = 8
MAX_MODELS = 64
"""That an entry may name."""

HUB, REGISTRY, MLFLOW, BUCKET = "hf://", "oci://", "models:/", "s3://"
"""The same beginnings as those of `finetune publish --to`."""

PUBLIC_OF_HUB = "public is of a repository of the hub (hf://): remove it"
OF_REGISTRIES = "baseImage and plainHttp are of a registry (oci://): remove them"
OWN_KEYS = (
    "an s3:// folder is written with the keys of the experiment's storage, at its endpoint: remove secretRef, and give "
    "those keys the right to write there"
)
EITHER = "tasks are published by their best runs, runs by name: remove one of the two"

_HOLE = "[{](task|run)[}]"
_PART = f"([-A-Za-z0-9_.]|{_HOLE})+"
_PATH = f"([-A-Za-z0-9_./]|{_HOLE})+"
TO_PATTERN = (
    f"^(hf://{_PART}/{_PART}(@{_PATH})?"
    f"|oci://[A-Za-z0-9][-A-Za-z0-9.]*(:[0-9]{{1,5}})?(/{_PART})+(:{_PART})?"
    f"|models:/{_PART}"
    f"|s3://[a-z0-9][-a-z0-9.]*[a-z0-9](/{_PART})+)$"
)
TO_FORM = (
    "no place of models: write hf://ORG/NAME[@BRANCH], oci://REGISTRY/NAME[:TAG], models:/NAME or s3://BUCKET/FOLDER; "
    "{task} and {run} in it are filled in"
)
_RUN_PATTERN = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?/(0|[1-9][0-9]{0,2})$"

_To = Annotated[str, *worded("place", TO_PATTERN, TO_FORM), Field(max_length=512)]
_Run = Annotated[
    str, *worded("run", _RUN_PATTERN, "no run: write TASK/RUN, as results show it: rte/3"), Field(max_length=64)
]
_Task = Annotated[str, Field(min_length=1, max_length=40, pattern="^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")]


class PublishSecretRef(ApiModel):
    """A Secret in the namespace of the resource, for the pod that publishes; the operator does not send it anywhere."""

    name: Annotated[
        Name,
        Field(
            description="hf://, models:/: each key is an environment variable of the pod (HF_TOKEN, HF_ENDPOINT, "
            "MLFLOW_TRACKING_URI and so on). oci://: a login, of type kubernetes.io/dockerconfigjson."
        ),
    ]


class Publication(ApiModel):
    """A place, and the models that are published there. It changes no result and no run id; where it fails, the
    condition Published says so, and the results count all the same.
    """

    model_config = ConfigDict(
        json_schema_extra=rules(
            ("!has(self.tasks) || !has(self.runs)", EITHER),
            (f"!has(self.public) || !self.public || self.to.startsWith('{HUB}')", PUBLIC_OF_HUB),
            (
                f"self.to.startsWith('{REGISTRY}') || "
                "(!has(self.baseImage) && (!has(self.plainHttp) || !self.plainHttp))",
                OF_REGISTRIES,
            ),
            (f"!self.to.startsWith('{BUCKET}') || !has(self.secretRef)", OWN_KEYS),
        )
    )

    name: Annotated[ShortName, Field(description="The place's name, in status and messages.")]
    to: Annotated[
        _To,
        Field(
            description="hf://ORG/NAME[@BRANCH], oci://REGISTRY/NAME[:TAG], models:/NAME (MLflow), "
            "s3://BUCKET/FOLDER at the experiment's storage; {task} and {run} (its id) in it are filled in."
        ),
    ]
    tasks: Annotated[
        tuple[_Task, ...] | None,
        Field(
            min_length=1,
            max_length=MAX_MODELS,
            description="The tasks whose best runs are published. Default: all that have one.",
            json_schema_extra={"x-kubernetes-list-type": "set"},
        ),
    ] = None
    runs: Annotated[
        tuple[_Run, ...] | None,
        Field(
            min_length=1,
            max_length=MAX_MODELS,
            description="These runs in place of the best ones, as TASK/RUN.",
            json_schema_extra={"x-kubernetes-list-type": "set"},
        ),
    ] = None
    secret_ref: PublishSecretRef | None = Field(default=None, description="The keys of the place.")
    signing_secret_ref: SecretKeyRef | None = Field(
        default=None,
        description="A key of a Secret in the namespace: a private key (PEM, without a password) that signs the "
        "provenance. Default: it is not signed.",
    )
    license: Annotated[
        str,
        Field(
            pattern="^[-A-Za-z0-9.+]+$",
            min_length=1,
            max_length=64,
            description="The model's licence, as the hub names them: apache-2.0, other. Nobody can know it but you.",
        ),
    ] = "unknown"
    predictions: Annotated[bool, Field(description="The predicted test sets too.")] = False
    public: Annotated[bool, Field(description="hf://: a new repository is public. Default: private.")] = False
    replace: Annotated[
        bool,
        Field(
            description="In place of files that were not published from here, or of a tag that is there already. What "
            "this experiment published there itself is replaced without it."
        ),
    ] = False
    base_image: Annotated[
        str | None,
        Field(min_length=1, max_length=512, description="oci://: on an image with a shell, for KServe's modelcars."),
    ] = None
    plain_http: Annotated[bool, Field(description="oci://: a registry without TLS.")] = False

    def starts(self, kind: str) -> bool:
        """Whether its place is of a kind, by how its URI begins."""
        return self.to.startswith(kind)


PublishChoice = Annotated[
    tuple[Publication, ...] | None,
    Field(
        max_length=MAX_PUBLISH,
        exclude_if=absent,
        description="Where models go once the report is written. Default: nowhere.",
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
    ),
]
