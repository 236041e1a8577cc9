"""Events about experiments and searches."""

from finetune_core.json_types import Json
from finetune_kube import names
from finetune_kube.kinds import EXPERIMENT
from finetune_operator.manifests.owners import Owner


def event(owner: Owner, *, type_: str, reason: str, message: str, now: str, suffix: str) -> Json:
    """A core/v1 Event about the experiment; `type_` is Normal or Warning."""
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": f"{owner.name}.{suffix}", "namespace": owner.namespace},
        "involvedObject": {
            "apiVersion": EXPERIMENT.api_version,
            "kind": owner.kind,
            "name": owner.name,
            "namespace": owner.namespace,
            "uid": owner.uid,
        },
        "type": type_,
        "reason": reason,
        "message": message[:1000],
        "firstTimestamp": now,
        "lastTimestamp": now,
        "count": 1,
        "source": {"component": names.MANAGED_BY},
        "reportingComponent": names.MANAGED_BY,
        "reportingInstance": names.MANAGED_BY,
    }
