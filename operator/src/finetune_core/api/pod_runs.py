"""How many runs a pod does."""

from typing import Annotated, Any

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from finetune_core.api.common import rules
from finetune_core.names import quoted

AUTO = "Auto"

_MOST = 1000
_FORM = f"use Auto, or a whole number from 1 to {_MOST}"


def _fits(value: int | str) -> int | str:
    if value == AUTO or (isinstance(value, int) and 1 <= value <= _MOST):
        return value
    raise PydanticCustomError("runs_per_pod", "{text} is no number of runs: " + _FORM, {"text": quoted(str(value))})


_SCHEMA: dict[str, Any] = {
    "anyOf": [{"type": "integer"}, {"type": "string"}],
    **rules(
        (
            f"type(self) == int ? self >= 1 && self <= {_MOST} : self == '{AUTO}'",
            f"this is no number of runs: {_FORM}",
        )
    ),
}

RunsPerPod = Annotated[
    int | str,
    AfterValidator(_fits),
    Field(
        description="Runs that one pod does one after another: imports, model and tokenised data are loaded once. "
        "Auto: as many as are worth a pod, which then lives for some minutes; runs that take as long have a pod of "
        "their own. Run ids and results do not depend on it.",
        json_schema_extra=_SCHEMA,
    ),
]

RunsAtOnce = Annotated[
    int | None,
    Field(
        ge=1,
        le=64,
        description="Runs that one pod does at a time, each by a process of its own; they share the pod's cores, "
        "memory and GPU. Where memory does not suffice, the pod does fewer at a time, and says so. Default: one. "
        "Mode Jobs, experiments only.",
    ),
]
