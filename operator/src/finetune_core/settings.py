"""Settings of a task: the spec's layers merged into values without gaps.

Later layers win: recipe < spec.training < tuned hyperparameters < tasks[].training. Fields that exclude each
other (maxSteps, numTrainEpochs; warmupRatio, warmupSteps) are replaced together.
"""

from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from finetune_core.metrics import canonical_metric, greater_is_better
from finetune_core.recipes import CUSTOM_EPOCHS, Recipe, recipe_for
from finetune_core.spec import EarlyStopping, Precision, Scheduler, Training
from finetune_core.tasks import TaskDefinition

_EXCLUSIVE = (("max_steps", "num_train_epochs"), ("warmup_ratio", "warmup_steps"))


class Settings(BaseModel):
    """Everything a run is told about training. Exactly one of `max_steps` and `num_train_epochs` is set."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True)

    max_steps: int | None = None
    num_train_epochs: float | None = None
    eval_steps: int
    learning_rate: float = 5e-5
    lr_scheduler_type: Scheduler = Scheduler.LINEAR
    warmup_ratio: float | None = None
    warmup_steps: int | None = None
    train_batch_size: int = 32
    weight_decay: float = 0.0
    adam_beta1: float = 0.9
    adam_beta2: float = 0.999
    adam_epsilon: float = 1e-8
    max_grad_norm: float = 1.0
    max_seq_length: int = 128
    precision: Precision
    metric_for_best_model: str
    load_best_model_at_end: bool = True
    early_stopping: EarlyStopping | None = None
    # How the work is cut into pieces; the result means the same, so these are not part of a run's identity.
    eval_batch_size: int = 64
    per_device_train_batch_size: int | None = None

    @property
    def greater_is_better(self) -> bool:
        """Direction of `metric_for_best_model`."""
        return greater_is_better(self.metric_for_best_model)

    def identity(self) -> dict[str, Any]:
        """The values that decide a run's result, JSON-ready, without those that only cut it into pieces."""
        return self.model_dump(mode="json", by_alias=True, exclude={"eval_batch_size", "per_device_train_batch_size"})


def resolve_settings(
    definition: TaskDefinition, layers: Iterable[Training | None], *, default_precision: Precision
) -> Settings:
    """Merge the layers (weakest first) over the task's recipe; `auto` precision becomes `default_precision`."""
    merged = _defaults(definition, recipe_for(definition.name))
    given: set[str] = set()
    for layer in layers:
        values = layer.model_dump(exclude_none=True) if layer else {}
        for group in _EXCLUSIVE:
            if any(name in values for name in group):
                merged = {key: value for key, value in merged.items() if key not in group}
        merged |= values
        given |= values.keys()
    merged.pop("allow_last_model", None)
    if "eval_steps" not in given and merged.get("max_steps"):
        merged["eval_steps"] = min(merged["eval_steps"], merged["max_steps"])
    if merged["precision"] == Precision.AUTO:
        merged["precision"] = default_precision
    merged["metric_for_best_model"] = canonical_metric(merged["metric_for_best_model"])
    return Settings.model_validate(merged)


def _defaults(definition: TaskDefinition, recipe: Recipe) -> dict[str, Any]:
    length = {"max_steps": recipe.max_steps} if recipe.max_steps else {"num_train_epochs": CUSTOM_EPOCHS}
    return {
        **length,
        "eval_steps": recipe.eval_steps,
        "warmup_ratio": 0.1,
        "precision": Precision.AUTO,
        "metric_for_best_model": definition.metrics[0],
    }
