"""Whether anything is left to do about an object as it is. Pure."""

from finetune_core.api.status import ConditionStatus, ConditionType, Reason
from finetune_operator.cluster import Json

_SETTLED_INVALID = frozenset({Reason.INVALID_SPEC})


def is_settled(resource: Json) -> bool:
    """Whether an experiment or search of this generation has ended, or waits for its spec to be corrected."""
    status = resource.get("status") or {}
    if status.get("observedGeneration") != resource["metadata"]["generation"]:
        return False
    conditions = {condition["type"]: condition for condition in status.get("conditions") or ()}
    valid = conditions.get(ConditionType.VALID, {})
    if valid.get("status") == ConditionStatus.FALSE:
        return valid.get("reason") in _SETTLED_INVALID
    succeeded = conditions.get(ConditionType.SUCCEEDED, {})
    return succeeded.get("status") in {ConditionStatus.TRUE, ConditionStatus.FALSE}
