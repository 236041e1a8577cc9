"""From a trial's configuration to the settings of its runs."""

from typing import Any

from finetune_core.settings import Settings
from finetune_core.spec import Training

Config = dict[str, Any]
"""Training argument in the API's spelling (`learningRate`) -> value, in the order of the space."""

_EXCLUSIVE = (("max_steps", "num_train_epochs"), ("warmup_ratio", "warmup_steps"))


def trial_settings(base: Settings, config: Config) -> Settings:
    """`base` with the configuration's values; evalSteps is lowered to maxSteps where it exceeds it.

    ValidationError if a value is out of the argument's bounds.
    """
    values = Training.model_validate(config).model_dump(exclude_none=True)
    merged = base.model_dump()
    for group in _EXCLUSIVE:
        if any(name in values for name in group):
            merged |= dict.fromkeys(group)
    merged |= values
    if merged["max_steps"]:
        merged["eval_steps"] = min(merged["eval_steps"], merged["max_steps"])
    return Settings.model_validate(merged)
