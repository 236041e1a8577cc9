"""From a trial's configuration to the settings of its runs."""

from typing import Any

from finetune_core.api import Training
from finetune_core.planning.argument_table import overlay
from finetune_core.planning.arguments import GROUPS
from finetune_core.planning.settings import Settings

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
