"""Whether anything more will happen to an experiment or search as it is: the condition `Finished`."""

from finetune_core.api.status import ConditionStatus, ConditionType, Reason
from finetune_core.deciding.conditions import Conditions, StatusT

_FINAL_INVALID = frozenset({Reason.INVALID_SPEC})
"""A spec that nothing but a change to it can make valid; what other reasons name may still come."""


def is_final(valid: tuple[str, str], succeeded: str) -> bool:
    """By status and reason of `Valid` and the status of `Succeeded`."""
    status, reason = valid
    if status == ConditionStatus.FALSE:
        return reason in _FINAL_INVALID
    return succeeded in {ConditionStatus.TRUE, ConditionStatus.FALSE}


def with_finished(status: StatusT, previous: StatusT, *, generation: int, now: str) -> StatusT:
    """The status with the condition `Finished`, in the words of the condition that decides."""
    by_type = {condition.type: condition for condition in status.conditions}
    valid, succeeded = by_type[ConditionType.VALID], by_type[ConditionType.SUCCEEDED]
    final = is_final((valid.status, valid.reason), succeeded.status)
    told = valid if valid.status == ConditionStatus.FALSE else succeeded
    made = Conditions(previous, generation=generation, now=now).make(
        ConditionType.FINISHED, ConditionStatus.TRUE if final else ConditionStatus.FALSE, told.reason, told.message
    )
    return status.model_copy(update={"conditions": tuple({**by_type, made.type: made}.values())})
