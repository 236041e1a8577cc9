"""The training arguments: one table, and all that knows of them is made from it.

    Arguments ── Training (the spec: CRD, CEL rules, reference) ── spaces of searches ── labels of plots
             └── Settings (what a run is told, its identity) ── TrainingArguments
             └── names in Hugging Face's scripts (`finetune from-run-glue`, `from-katib`)

A new argument is one more field of `Arguments`, with `since`; only what Hugging Face's Trainer does not do by itself is
more (see docs/decisions/0016-one-table-of-arguments.md).
"""

from typing import TYPE_CHECKING, Annotated, Generic, Never, TypeAlias

from pydantic import Field

from finetune_core.frozen import Frozen
from finetune_core.planning.arguments.model import REQUIRED, Argument, Unset, exclusive_groups, given, resolved, table
from finetune_core.planning.arguments.values import (
    ClassWeights,
    EarlyStopping,
    LabelWeights,
    ModuleNames,
    Optimizer,
    PeftType,
    Precision,
    Scheduler,
)


class Arguments(Frozen, Generic[Unset]):
    """The table. `Training` and `Settings` have these fields; this class is for reading and for type checkers."""

    max_steps: Annotated[
        int | None,
        Field(ge=1, le=10_000_000, description="Optimizer steps of a run. Excludes numTrainEpochs."),
        Argument(passed=True, searchable=True, group="length", label="training length (optimizer steps)"),
    ]
    num_train_epochs: Annotated[
        float | None,
        Field(gt=0, le=10_000, description="Passes over the training data. Excludes maxSteps."),
        Argument(passed=True, searchable=True, group="length", label="training length (epochs)"),
    ]
    eval_steps: Annotated[
        int | Unset,
        Field(
            ge=1,
            le=10_000_000,
            description="Evaluate on the dev set every so many optimizer steps (and always at the last step); "
            "the best of these evaluations is the run's result. At most maxSteps. "
            "Default: the task's published recipe.",
        ),
        Argument(REQUIRED, passed=True, searchable=True, label="evaluation interval (steps)"),
    ]
    learning_rate: Annotated[
        float | Unset,
        Field(gt=0, le=10, description="Peak learning rate of AdamW, e.g. 5e-5 (the default)."),
        Argument(5e-5, passed=True, searchable=True, label="learning rate (peak)"),
    ]
    lr_scheduler_type: Annotated[
        Scheduler | Unset,
        Field(description="Learning rate schedule. Default: linear."),
        Argument(Scheduler.LINEAR, passed=True, searchable=True, label="learning rate schedule"),
    ]
    warmup_ratio: Annotated[
        float | None,
        Field(ge=0, le=1, description="Share of the steps in which the learning rate rises. Default: 0.1."),
        Argument(searchable=True, group="warm-up", label="warm-up (share of steps)"),
    ]
    warmup_steps: Annotated[
        int | None,
        Field(ge=0, le=10_000_000, description="Steps in which the learning rate rises. Excludes warmupRatio."),
        Argument(searchable=True, group="warm-up", label="warm-up (optimizer steps)"),
    ]
    train_batch_size: Annotated[
        int | Unset,
        Field(
            ge=1,
            le=65_536,
            description="Global batch size: examples per optimizer step over all devices. Default: 32. "
            "Per-device size and gradient accumulation are derived from it.",
        ),
        Argument(32, hugging_face=(), searchable=True, label="batch size (examples)"),
    ]
    per_device_train_batch_size: Annotated[
        int | None,
        Field(
            ge=1,
            le=65_536,
            description="Most examples that go through the device at once; the rest is accumulated. "
            "Lower it when a run is out of GPU memory: the result keeps its meaning.",
        ),
        # In Hugging Face's scripts that name decides how many examples an optimizer step has.
        Argument(hugging_face=(), decides=False),
    ]
    eval_batch_size: Annotated[
        int | Unset,
        Field(ge=1, le=65_536, description="Examples per evaluation batch and device. Default: 64."),
        Argument(64, hugging_face=("per_device_eval_batch_size",), decides=False),
    ]
    weight_decay: Annotated[
        float | Unset,
        Field(ge=0, le=1, description="Decoupled weight decay of AdamW. Default: 0."),
        Argument(0.0, passed=True, searchable=True),
    ]
    adam_beta1: Annotated[
        float | Unset,
        Field(ge=0, lt=1, description="Default: 0.9."),
        Argument(0.9, passed=True, searchable=True, label="Adam β₁"),
    ]
    adam_beta2: Annotated[
        float | Unset,
        Field(ge=0, lt=1, description="Default: 0.999."),
        Argument(0.999, passed=True, searchable=True, label="Adam β₂"),
    ]
    adam_epsilon: Annotated[
        float | Unset,
        Field(gt=0, le=1, description="Default: 1e-8."),
        Argument(1e-8, passed=True, searchable=True, label="Adam ε"),
    ]
    max_grad_norm: Annotated[
        float | Unset,
        Field(ge=0, description="Clip gradients to this norm; 0 turns it off. Default: 1."),
        Argument(1.0, passed=True, searchable=True, label="gradient clipping (norm)"),
    ]
    label_smoothing_factor: Annotated[
        float | Unset,
        Field(
            ge=0, lt=1, description="Share of a label that is spread evenly over all labels of the task. Default: 0."
        ),
        Argument(0.0, since="0.2.0", passed=True, searchable=True, label="label smoothing (share)"),
    ]
    class_weights: Annotated[
        ClassWeights | None,
        Field(
            description="balanced: a label counts the more in the loss the rarer it is in the training data, as "
            "scikit-learn's compute_class_weight has it. Excludes labelWeights. Default: all count the same."
        ),
        Argument(since="0.2.0", hugging_face=(), searchable=True, group="class weights"),
    ]
    label_weights: Annotated[
        LabelWeights | None,
        Field(description="How much labels count in the loss, by their names; others count 1. Excludes classWeights."),
        Argument(since="0.2.0", hugging_face=(), group="class weights"),
    ]
    max_seq_length: Annotated[
        int | Unset,
        Field(ge=8, le=32_768, description="Longest input in tokens; longer ones are cut. Default: 128."),
        Argument(128, hugging_face=("max_seq_length", "max_length"), searchable=True, label="longest input (tokens)"),
    ]
    precision: Annotated[
        Precision | Unset,
        Field(
            description="auto (default): bf16 where execution.resources asks for a GPU, fp32 otherwise. "
            "Use fp16 on GPUs older than Ampere; bf16 on CPUs that have AVX512-BF16 or AMX."
        ),
        Argument(REQUIRED, hugging_face=()),
    ]
    metric_for_best_model: Annotated[
        str | Unset,
        Field(
            min_length=1,
            max_length=64,
            description="Metric that picks the best step of a run and the best run of a task; "
            "must be one that the task measures. Default: the task's first metric.",
        ),
        Argument(REQUIRED),
    ]
    load_best_model_at_end: Annotated[
        bool | Unset,
        Field(
            description="Predict with, and keep, the weights of the best evaluation. Default: true; "
            "false needs allowLastModel: true."
        ),
        Argument(True),
    ]
    allow_last_model: Annotated[
        bool | None,
        Field(description="Says that loadBestModelAtEnd: false is meant."),
        Argument(hugging_face=(), told=False),
    ]
    early_stopping: Annotated[
        EarlyStopping | None,
        Field(description="Stop a run whose metric no longer improves. Default: off."),
        Argument(hugging_face=()),
    ]
    optim: Annotated[
        Optimizer | Unset,
        Field(description="Optimizer by Hugging Face's name. Default: adamw_torch_fused."),
        Argument(Optimizer.ADAMW_TORCH_FUSED, since="0.2.0", passed=True, searchable=True, label="optimizer"),
    ]
    gradient_checkpointing: Annotated[
        bool | None,
        Field(description="Activations are computed again in the backward pass: less memory, more time. Default: off."),
        Argument(since="0.2.0", passed=True, decides=False),
    ]
    freeze_embeddings: Annotated[
        bool | Unset,
        Field(description="Embeddings keep their pretrained values. Default: false."),
        Argument(default=False, since="0.2.0"),
    ]
    freeze_layers: Annotated[
        int | Unset,
        Field(
            ge=0,
            le=1_000,
            description="The lowest so many layers keep their pretrained values; the embeddings do so by "
            "freezeEmbeddings. Default: 0.",
        ),
        Argument(0, since="0.2.0", searchable=True, label="frozen layers"),
    ]
    layerwise_lr_decay: Annotated[
        float | Unset,
        Field(
            gt=0,
            le=1,
            description="The head has the learning rate; each layer below has so many times that of the one above, "
            "the embeddings the least. Default: 1.",
        ),
        Argument(1.0, since="0.2.0", searchable=True, label="learning rate decay (per layer)"),
    ]
    peft_type: Annotated[
        PeftType | None,
        Field(
            description="Train an adapter (LORA or IA3, by the PEFT library) and the head; all other weights keep "
            "their values. Default: all weights are trained."
        ),
        Argument(since="0.2.0"),
    ]
    lora_r: Annotated[
        int | Unset,
        Field(ge=1, le=4_096, description="Rank of LoRA's matrices. Default: 8."),
        Argument(8, since="0.2.0", searchable=True, label="LoRA rank"),
    ]
    lora_alpha: Annotated[
        int | Unset,
        Field(ge=1, le=65_536, description="LoRA's update is scaled by loraAlpha / loraR. Default: 8."),
        Argument(8, since="0.2.0", searchable=True, label="LoRA alpha"),
    ]
    lora_dropout: Annotated[
        float | Unset,
        Field(ge=0, lt=1, description="Dropout of what goes into LoRA's matrices. Default: 0."),
        Argument(0.0, since="0.2.0", searchable=True, label="LoRA dropout"),
    ]
    use_rslora: Annotated[
        bool | Unset,
        Field(description="Scale LoRA's update by loraAlpha / sqrt(loraR) instead. Default: false."),
        Argument(default=False, since="0.2.0"),
    ]
    target_modules: Annotated[
        ModuleNames | None,
        Field(
            min_length=1,
            max_length=64,
            description="Modules that the adapter changes, by the ends of their names, e.g. query, value. "
            "Default: what PEFT knows of the architecture.",
        ),
        Argument(since="0.2.0", hugging_face=("lora_target_modules", "target_modules")),
    ]
    feedforward_modules: Annotated[
        ModuleNames | None,
        Field(
            min_length=1,
            max_length=64,
            description="Those of targetModules whose input IA3 scales, not their output. "
            "Default: what PEFT knows of the architecture.",
        ),
        Argument(since="0.2.0"),
    ]
    modules_to_save: Annotated[
        ModuleNames | None,
        Field(
            min_length=1,
            max_length=64,
            description="Modules that are trained whole beside the adapter. The head always is.",
        ),
        Argument(since="0.2.0", hugging_face=("lora_modules_to_save", "modules_to_save")),
    ]
    merge_adapter: Annotated[
        bool | Unset,
        Field(
            description="The model that is kept has the adapter merged into its weights, and the adapter beside it in "
            "adapter/; false keeps the adapter alone. Default: true."
        ),
        Argument(default=True, since="0.2.0", hugging_face=(), decides=False),
    ]


ARGUMENTS = table(Arguments)
GROUPS = tuple(tuple(entry.name for entry in group) for group in exclusive_groups(ARGUMENTS))
"""Names of arguments that exclude each other."""
API_GROUPS = tuple(tuple(entry.api_name for entry in group) for group in exclusive_groups(ARGUMENTS))
"""The same in the API's spelling."""
SEARCHABLE = tuple(entry.api_name for entry in ARGUMENTS.values() if entry.searchable)
"""The training arguments that a space can hold, in the API's spelling."""

if TYPE_CHECKING:
    Given: TypeAlias = Arguments[None]
    Resolved: TypeAlias = Arguments[Never]
else:
    Given = given("Given", Arguments)
    Resolved = resolved("Resolved", Arguments)
