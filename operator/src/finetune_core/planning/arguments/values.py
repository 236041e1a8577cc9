"""Types of training arguments that are more than a number, a text or a switch."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from finetune_core.frozen import Frozen


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
    INVERSE_SQRT = "inverse_sqrt"


class Optimizer(StrEnum):
    """Optimizers by Hugging Face's names that need no other package and no arguments of their own."""

    ADAMW_TORCH_FUSED = "adamw_torch_fused"
    ADAMW_TORCH = "adamw_torch"
    ADAFACTOR = "adafactor"
    SGD = "sgd"
    ADAGRAD = "adagrad"
    RMSPROP = "rmsprop"


class PeftType(StrEnum):
    """Adapters by PEFT's names."""

    LORA = "LORA"
    IA3 = "IA3"


class ClassWeights(StrEnum):
    """How much each class counts in the loss, in scikit-learn's words."""

    BALANCED = "balanced"


LabelWeights = Annotated[dict[str, Annotated[float, Field(gt=0, le=1e6)]], Field(min_length=1, max_length=1000)]
"""How much labels count in the loss, by their names."""

ModuleNames = tuple[Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[A-Za-z0-9_.-]+$")], ...]
"""The ends of modules' dotted names, as PEFT compares them."""


class EarlyStopping(Frozen):
    """Stop a run when its metric no longer improves."""

    patience: Annotated[
        int,
        Field(ge=1, le=10_000, description="Evaluations without improvement after which the run stops."),
    ]
    threshold: Annotated[
        float, Field(ge=0, description="How much better a value must be to count as an improvement.")
    ] = 0.0
