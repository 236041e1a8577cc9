"""`spec.budget`: what an experiment or a search may take; once it is spent, nothing new begins."""

import re
from typing import Annotated

from pydantic import ConfigDict, Field

from finetune_core.api.common import ApiModel, rules, worded

_UNITS = {"d": 86_400, "h": 3600, "m": 60, "s": 1}

Duration = Annotated[
    str,
    *worded("duration", "^([1-9][0-9]{0,4}[dhms]){1,4}$", "no duration: write it as 90m, 12h or 1d12h"),
    Field(max_length=24),
]


class Budget(ApiModel):
    """Once any of it is spent, no new run or trial begins, what runs goes on to its end, and the report is made of what
    is there. Raise it to go on.
    """

    model_config = ConfigDict(
        json_schema_extra=rules(("has(self.gpuHours) || has(self.time)", "set gpuHours, time, or both"))
    )

    gpu_hours: Annotated[
        float | None,
        Field(gt=0, le=1e7, description="GPUs times hours, as status.gpuHours counts them."),
    ] = None
    time: Annotated[
        Duration | None, Field(description="Time since status.startTime, such as 90m, 12h or 2d; waiting counts too.")
    ] = None

    @property
    def seconds(self) -> int | None:
        """`time` in seconds."""
        if self.time is None:
            return None
        return sum(int(number) * _UNITS[unit] for number, unit in re.findall(r"([0-9]+)([dhms])", self.time))


BudgetChoice = Annotated[
    Budget | None,
    Field(description="What runs or trials may take in all. Default: no limit."),
]
