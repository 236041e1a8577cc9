"""Whether anybody can admit what waits in a queue of Kueue's."""

from dataclasses import replace
from typing import TypeVar

from finetune_core.api.status import Reason
from finetune_core.deciding.experiment import Decision
from finetune_core.deciding.search import SearchDecision
from finetune_kube.errors import ForbiddenError, KindMissingError
from finetune_operator.cluster import Cluster, Json
from finetune_operator.memory import LookMemory

_ASK_SECONDS = 60.0

DecisionT = TypeVar("DecisionT", Decision, SearchDecision)


def with_queue(
    decision: DecisionT, cluster: Cluster, memory: LookMemory, namespace: str, queue: str | None, now: float
) -> DecisionT:
    """`Blocked` where it waits for a queue that is not there; asked once a minute, and only while it waits."""
    if decision.reason != Reason.QUEUED or queue is None:
        memory.queue_asked = None
        return decision
    if memory.queue_asked is None or now - memory.queue_asked >= _ASK_SECONDS:
        memory.queue_asked, memory.queue_problem = now, _problem(cluster, namespace, queue)
    if memory.queue_problem is None:
        return decision
    return replace(decision, reason=Reason.BLOCKED, message=f"{decision.message} {memory.queue_problem}")


def _problem(cluster: Cluster, namespace: str, queue: str) -> str | None:
    try:
        found = cluster.get_local_queue(namespace, queue)
    except KindMissingError:
        return (
            "No Kueue answers: the cluster has no kind LocalQueue in kueue.x-k8s.io. Install Kueue, or remove "
            "execution.queueName."
        )
    except ForbiddenError:
        # An older role of the operator's: nothing is known.
        return None
    if found is None:
        return f"LocalQueue {queue} is not in namespace {namespace}: create it, or name another in execution.queueName."
    return _inactive(queue, found)


def _inactive(queue: str, found: Json) -> str | None:
    for condition in (found.get("status") or {}).get("conditions") or ():
        if condition.get("type") == "Active" and condition.get("status") == "False":
            return f"LocalQueue {queue} admits nothing: {condition.get('reason')}: {condition.get('message')}"
    return None
