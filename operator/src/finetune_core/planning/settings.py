"""Settings of a task: the spec's layers merged into values without gaps.

Later layers win: recipe < spec.training < tuned hyperparameters < tasks[].training. Fields that exclude each
other (maxSteps, numTrainEpochs; warmupRatio, warmupSteps) are replaced together.
"""

from collections.abc import Iterable
from typing import Any

from finetune_core.api import Training
from finetune_core.planning.arguments.model import overlay
from finetune_core.planning.arguments.table import ARGUMENTS, GROUPS, Resolved
from finetune_core.planning.arguments.values import Precision
from finetune_core.tasks.metrics import canonical_metric
from finetune_core.tasks.recipes import CUSTOM_EPOCHS, Recipe, recipe_for
from finetune_core.tasks.registry import TaskDefinition


class Settings(Resolved):
    """Everything a run is told about training. Exactly one of `max_steps` and `num_train_epochs` is set."""

    def identity(self) -> dict[str, Any]:
        """The values that decide a run's result, JSON-ready, without those that only cut it into pieces.

        An argument that is younger than version 0.1.0 is in it only where it is not at its default.
        """
        undecisive = {name for name, argument in ARGUMENTS.items() if not argument.decides}
        return self.model_dump(mode="json", by_alias=True, exclude=undecisive)

    def hugging_face(self) -> dict[str, Any]:
        """What TrainingArguments takes as it is, by its names there; what is not set is left out."""
        passed = {entry.script_names[0]: getattr(self, name) for name, entry in ARGUMENTS.items() if entry.passed}
        return {name: value for name, value in passed.items() if value is not None}


def resolve_settings(
    definition: TaskDefinition, layers: Iterable[Training | None], *, default_precision: Precision
) -> Settings:
    """Merge the layers (weakest first) over the task's recipe; `auto` precision becomes `default_precision`."""
    merged = _defaults(definition, recipe_for(definition.name))
    given: set[str] = set()
    for layer in layers:
        values = layer.model_dump(exclude_none=True) if layer else {}
        merged = overlay(merged, values, GROUPS)
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


Config = dict[str, Any]
"""Training argument in the API's spelling (`learningRate`) -> value, in the order of the space."""


def trial_settings(base: Settings, config: Config) -> Settings:
    """`base` with the configuration's values; evalSteps is lowered to maxSteps where it exceeds it.

    ValidationError if a value is out of the argument's bounds.
    """
    values = Training.model_validate(config).model_dump(exclude_none=True)
    merged = overlay(base.model_dump(), values, GROUPS)
    if merged.get("max_steps"):
        merged["eval_steps"] = min(merged["eval_steps"], merged["max_steps"])
    return Settings.model_validate(merged)
