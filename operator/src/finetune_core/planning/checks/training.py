"""What can be wrong with training arguments, wherever they are from: a spec, a task of one, a tuned set of values."""

from collections.abc import Collection, Iterator

from pydantic.alias_generators import to_camel

from finetune_core.api import Training
from finetune_core.names import quoted
from finetune_core.planning.arguments.model import exclusive_groups
from finetune_core.planning.arguments.table import ARGUMENTS
from finetune_core.planning.arguments.values import PeftType
from finetune_core.planning.settings import Settings
from finetune_core.problems import Problem
from finetune_core.tasks.metrics import ProblemType
from finetune_core.tasks.recipes import recipe_for
from finetune_core.tasks.registry import TaskDefinition
from finetune_core.tasks.sparse import SPARSE_TYPES


def training_problems(field: str, training: Training | None) -> Iterator[Problem]:
    """Arguments that contradict each other within one layer, which is at `field`."""
    if training is None:
        return
    for group in exclusive_groups(ARGUMENTS):
        names = [argument.api_name for argument in group if getattr(training, argument.name) is not None]
        if len(names) > 1:
            yield Problem(field, f"{' and '.join(names)} exclude each other: set one of them")
    if training.load_best_model_at_end is False and not training.allow_last_model:
        yield Problem(
            f"{field}.loadBestModelAtEnd",
            "false scores the last weights instead of the best: set allowLastModel: true if that is meant",
        )


def steps_problems(field: str, settings: Settings) -> Iterator[Problem]:
    """A run that would never be evaluated before its end; `field` is where the task's training is."""
    if settings.max_steps and settings.eval_steps > settings.max_steps:
        yield Problem(
            f"{field}.evalSteps",
            f"{settings.eval_steps} exceeds maxSteps ({settings.max_steps}): lower evalSteps or raise maxSteps",
        )


def metric_problems(field: str, definition: TaskDefinition, settings: Settings) -> Iterator[Problem]:
    """A metric that could pick no step, because the task does not measure it; `field` as above."""
    if settings.metric_for_best_model not in definition.measured:
        yield Problem(
            f"{field}.metricForBestModel",
            f"{settings.metric_for_best_model} is not measured in {definition.name}: use one of "
            f"{', '.join(definition.measured)}",
        )


_OF_LORA = ("lora_r", "lora_alpha", "lora_dropout", "use_rslora")
_OF_IA3 = ("feedforward_modules",)
_OF_ADAPTERS = ("target_modules", "modules_to_save", "merge_adapter")
_OF_LAYERS = ("freeze_embeddings", "freeze_layers", "layerwise_lr_decay")


def adapter_problems(
    field: str, settings: Settings, model_type: str | None, searched: Collection[str] = ()
) -> Iterator[Problem]:
    """Arguments of an adapter that there is none for, and what does not go with one; `searched` by the API's names."""
    said = _said(settings, searched)
    for wanted, names in (("LORA", _OF_LORA), ("IA3", _OF_IA3), ("LORA or IA3", _OF_ADAPTERS)):
        if settings.peft_type is None or settings.peft_type not in wanted:
            for name in filter(said.__contains__, names):
                yield Problem(f"{field}.{to_camel(name)}", f"needs peftType {wanted}: set it, or remove this")
    if settings.peft_type is None:
        return
    for name in filter(said.__contains__, _OF_LAYERS):
        remedy = f"with peftType {settings.peft_type} only the adapter and the head are trained: remove one of them"
        yield Problem(f"{field}.{to_camel(name)}", remedy)
    if settings.peft_type == PeftType.IA3 and bool(settings.target_modules) != bool(settings.feedforward_modules):
        yield Problem(f"{field}.targetModules", "IA3 needs targetModules and feedforwardModules, or neither: set both")
    if outside := set(settings.feedforward_modules or ()) - set(settings.target_modules or ()):
        missing = ", ".join(sorted(outside))
        yield Problem(f"{field}.feedforwardModules", f"{missing}: not among targetModules; add them there")
    if model_type in SPARSE_TYPES:
        remedy = f"zeros of {model_type} would not be kept in a merged model: remove it, or use model.type bert"
        yield Problem(f"{field}.peftType", remedy)


def _said(settings: Settings, searched: Collection[str]) -> set[str]:
    """Arguments that are not at their defaults, or that a search varies."""
    return {
        name
        for name, entry in ARGUMENTS.items()
        if entry.told and (entry.api_name in searched or getattr(settings, name) != entry.default)
    }


def smoothing_problems(field: str, definition: TaskDefinition, *, smoothed: bool) -> Iterator[Problem]:
    """Smoothed labels where there is not one a text; `field` is the task's training or space.

    In a regression every loss would be 0.
    """
    if smoothed and definition.problem_type != ProblemType.CLASSIFICATION:
        why = (
            "a multi-label task, without one label a text"
            if definition.several_labels
            else "a regression, without labels"
        )
        remedy = "leave it to other tasks" if field.endswith("space") else "set it to 0 in the training of this task"
        yield Problem(f"{field}.labelSmoothingFactor", f"{definition.name} is {why}: {remedy}")


def weight_problems(
    field: str, definition: TaskDefinition, settings: Settings, searched: bool = False
) -> Iterator[Problem]:
    """Weights of labels that the task does not have; `field` is the task's training."""
    given = settings.label_weights or {}
    asked = {"classWeights": searched or settings.class_weights is not None, "labelWeights": bool(given)}
    if definition.problem_type == ProblemType.REGRESSION:
        for name in (name for name, said in asked.items() if said):
            yield Problem(f"{field}.{name}", f"{definition.name} is a regression, without labels: leave it to others")
        return
    for name in (name for name in given if name not in definition.labels):
        known = ", ".join(definition.labels[:20])
        yield Problem(f"{field}.labelWeights", f"{quoted(name)} is no label of {definition.name}: use {known}")


def steps_warnings(task: str, settings: Settings) -> Iterator[str]:
    """An interval that the end of the run does not fall on; none of the task's recipe, which is as it was published."""
    recipe = recipe_for(task)
    if (settings.max_steps, settings.eval_steps) == (recipe.max_steps, recipe.eval_steps):
        return
    if settings.max_steps and (rest := settings.max_steps % settings.eval_steps):
        below = settings.max_steps - rest
        yield (
            f"{task}: maxSteps {settings.max_steps} is no multiple of evalSteps {settings.eval_steps}: use {below} or "
            f"{below + settings.eval_steps}, or leave it: the last step is evaluated too"
        )
