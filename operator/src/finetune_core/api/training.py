"""Training arguments in a spec: Hugging Face's names, all optional, given for all tasks or for one."""

from itertools import combinations

from pydantic import ConfigDict

from finetune_core.api.common import rules
from finetune_core.planning.arguments.table import API_GROUPS, Given
from finetune_core.planning.arguments.values import EarlyStopping, Precision, Scheduler

__all__ = ["EarlyStopping", "Precision", "Scheduler", "Training"]


class Training(Given):
    """Fields that are not set fall back to spec.training, then to the task's recipe."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            *(
                (
                    f"!(has(self.{one}) && has(self.{other}))",
                    f"{one} and {other} exclude each other: set one of them",
                )
                for group in API_GROUPS
                for one, other in combinations(group, 2)
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
        )
    )
