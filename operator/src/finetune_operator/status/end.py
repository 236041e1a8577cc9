"""Whether anything is left to do about an object as it is. Pure."""

from finetune_core.api.status import ConditionStatus, ConditionType
from finetune_core.deciding.finish import is_final
from finetune_core.json_types import Json


def is_settled(resource: Json) -> bool:
    """Whether an experiment or search of this generation has ended, or waits for its spec to be corrected."""
    status = resource.get("status") or {}
    if status.get("observedGeneration") != resource["metadata"]["generation"]:
        return False
    valid, succeeded = _condition(status, ConditionType.VALID), _condition(status, ConditionType.SUCCEEDED)
    return is_final((valid.get("status", ""), valid.get("reason", "")), succeeded.get("status", ""))


def says_that_it_ended(resource: Json) -> bool:
    """Whether a settled one has the condition `Finished`, which earlier versions did not write."""
    return _condition(resource["status"], ConditionType.FINISHED).get("status") == ConditionStatus.TRUE


def has_more_to_tell(resource: Json) -> bool:
    """Whether a receiver has not taken yet what happened to it."""
    return any(receiver.get("pending") for receiver in (resource.get("status") or {}).get("notifications") or ())


def _condition(status: Json, kind: ConditionType) -> Json:
    return next((condition for condition in status.get("conditions") or () if condition["type"] == kind), {})
