"""Training arguments: Hugging Face's names, all optional, given for all tasks or for one."""

from enum import StrEnum
from typing import Annotated

from pydantic import ConfigDict, Field

from finetune_core.spec.base import ApiModel, rules


class Precision(StrEnum):
    """Number format of the forward and backward pass; weights and optimizer stay in fp32."""

    AUTO = "auto"
    BF16 = "bf16"
    FP16 = "fp16"
    FP32 = "fp32"


class Scheduler(StrEnum):
    """Learning rate schedules that take warm-up and the total steps and nothing else."""

    LINEAR = "linear"
    COSINE = "cosine"
    CONSTANT = "constant"
    CONSTANT_WITH_WARMUP = "constant_with_warmup"
    POLYNOMIAL = "polynomial"


class EarlyStopping(ApiModel):
    """Stop a run when its metric no longer improves."""

    patience: Annotated[
        int,
        Field(ge=1, le=10_000, description="Evaluations without improvement after which the run stops."),
    ]
    threshold: Annotated[
        float, Field(ge=0, description="How much better a value must be to count as an improvement.")
    ] = 0.0


class Training(ApiModel):
    """Fields that are not set fall back to spec.training, then to the task's recipe."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            (
                "!(has(self.maxSteps) && has(self.numTrainEpochs))",
                "maxSteps and numTrainEpochs exclude each other: set one of them",
            ),
            (
                "!has(self.evalSteps) || !has(self.maxSteps) || self.evalSteps <= self.maxSteps",
                "evalSteps must not exceed maxSteps, or the run is never evaluated before its end: "
                "lower evalSteps or raise maxSteps",
            ),
            (
                "!has(self.loadBestModelAtEnd) || self.loadBestModelAtEnd || "
                "(has(self.allowLastModel) && self.allowLastModel)",
                "loadBestModelAtEnd: false scores the last weights instead of the best: "
                "set allowLastModel: true if that is meant",
            ),
            (
                "!has(self.warmupRatio) || !has(self.warmupSteps)",
                "warmupRatio and warmupSteps exclude each other: set one of them",
            ),
        )
    )

    max_steps: Annotated[
        int | None,
        Field(ge=1, le=10_000_000, description="Optimizer steps of a run. Excludes numTrainEpochs."),
    ] = None
    num_train_epochs: Annotated[
        float | None,
        Field(gt=0, le=10_000, description="Passes over the training data. Excludes maxSteps."),
    ] = None
    eval_steps: Annotated[
        int | None,
        Field(
            ge=1,
            le=10_000_000,
            description="Evaluate on the dev set every so many optimizer steps (and always at the last step); "
            "the best of these evaluations is the run's result. At most maxSteps. "
            "Default: the task's published recipe.",
        ),
    ] = None
    learning_rate: Annotated[
        float | None, Field(gt=0, le=10, description="Peak learning rate of AdamW, e.g. 5e-5 (the default).")
    ] = None
    lr_scheduler_type: Annotated[Scheduler | None, Field(description="Learning rate schedule. Default: linear.")] = None
    warmup_ratio: Annotated[
        float | None,
        Field(ge=0, le=1, description="Share of the steps in which the learning rate rises. Default: 0.1."),
    ] = None
    warmup_steps: Annotated[
        int | None,
        Field(ge=0, le=10_000_000, description="Steps in which the learning rate rises. Excludes warmupRatio."),
    ] = None
    train_batch_size: Annotated[
        int | None,
        Field(
            ge=1,
            le=65_536,
            description="Global batch size: examples per optimizer step over all devices. Default: 32. "
            "Per-device size and gradient accumulation are derived from it.",
        ),
    ] = None
    per_device_train_batch_size: Annotated[
        int | None,
        Field(
            ge=1,
            le=65_536,
            description="Most examples that go through the device at once; the rest is accumulated. "
            "Lower it when a run is out of GPU memory: the result keeps its meaning.",
        ),
    ] = None
    eval_batch_size: Annotated[
        int | None,
        Field(ge=1, le=65_536, description="Examples per evaluation batch and device. Default: 64."),
    ] = None
    weight_decay: Annotated[
        float | None, Field(ge=0, le=1, description="Decoupled weight decay of AdamW. Default: 0.")
    ] = None
    adam_beta1: Annotated[float | None, Field(ge=0, lt=1, description="Default: 0.9.")] = None
    adam_beta2: Annotated[float | None, Field(ge=0, lt=1, description="Default: 0.999.")] = None
    adam_epsilon: Annotated[float | None, Field(gt=0, le=1, description="Default: 1e-8.")] = None
    max_grad_norm: Annotated[
        float | None, Field(ge=0, description="Clip gradients to this norm; 0 turns it off. Default: 1.")
    ] = None
    max_seq_length: Annotated[
        int | None,
        Field(ge=8, le=32_768, description="Longest input in tokens; longer ones are cut. Default: 128."),
    ] = None
    precision: Annotated[
        Precision | None,
        Field(
            description="auto (default): bf16 where execution.resources asks for a GPU, fp32 otherwise. "
            "Use fp16 on GPUs older than Ampere; bf16 on CPUs that have AVX512-BF16 or AMX."
        ),
    ] = None
    metric_for_best_model: Annotated[
        str | None,
        Field(
            min_length=1,
            max_length=64,
            description="Metric that picks the best step of a run and the best run of a task; "
            "must be one that the task measures. Default: the task's first metric.",
        ),
    ] = None
    load_best_model_at_end: Annotated[
        bool | None,
        Field(
            description="Predict with, and keep, the weights of the best evaluation. Default: true; "
            "false needs allowLastModel: true."
        ),
    ] = None
    allow_last_model: Annotated[bool | None, Field(description="Says that loadBestModelAtEnd: false is meant.")] = None
    early_stopping: EarlyStopping | None = Field(
        default=None, description="Stop a run whose metric no longer improves. Default: off."
    )
