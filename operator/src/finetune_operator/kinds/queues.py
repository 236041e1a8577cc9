"""What Kueue says of Jobs that wait in its queues, and whether anybody can admit them."""

from collections.abc import Iterable
from dataclasses import replace
from typing import TypeVar

from finetune_core.api.status import Reason
from finetune_core.deciding.experiment.decision import Decision
from finetune_core.deciding.observation import JobView
from finetune_core.deciding.search.decision import SearchDecision
from finetune_core.json_types import Json
from finetune_kube import names
from finetune_kube.errors import ForbiddenError, KindMissingError
from finetune_operator.cluster import Cluster
from finetune_operator.memory import LookMemory

_ASK_SECONDS = 60.0

DecisionT = TypeVar("DecisionT", Decision, SearchDecision)


def with_queue(
    decision: DecisionT, cluster: Cluster, memory: LookMemory, namespace: str, jobs: Iterable[JobView], now: float
) -> DecisionT:
    """With Kueue's words; `Blocked` where it waits for a queue that is not there.

    Asked once a minute, and only while it waits; for the words at each look until Kueue has said something.
    """
    waiting = [job for job in jobs if job.queued and job.suspended and not (job.finished or job.deleting)]
    if decision.reason != Reason.QUEUED or not waiting:
        memory.queue_asked, memory.queue_problem, memory.queue_words = None, None, ""
        return decision
    due = memory.queue_asked is None or now - memory.queue_asked >= _ASK_SECONDS
    if due:
        memory.queue_asked, memory.queue_problem = now, _problem(cluster, namespace, waiting[0].queue)
    if memory.queue_problem is None and (due or not memory.queue_words):
        memory.queue_words = _words(cluster, namespace, waiting[0])
    if memory.queue_problem is None:
        return replace(decision, message=f"{decision.message} {memory.queue_words}".rstrip())
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
    active = _conditions(found).get("Active", {})
    if active.get("status") == "False":
        return f"LocalQueue {queue} admits nothing: {active.get('reason')}: {active.get('message')}"
    return None


def _words(cluster: Cluster, namespace: str, job: JobView) -> str:
    """What Kueue says of the Job; empty where it has said nothing yet, or the operator may not read it."""
    try:
        found = cluster.list_workloads(namespace, {names.QUEUED_UID_LABEL: job.uid})
    except (ForbiddenError, KindMissingError):
        return ""
    return " ".join(said for workload in found if (said := workload_in_words(workload)))


def workload_in_words(workload: Json) -> str:
    """Why Kueue does not run what a Workload stands for, and why it has taken it back, in Kueue's own words."""
    conditions, name = _conditions(workload), workload["metadata"]["name"]
    evicted, reserved = conditions.get("Evicted", {}), conditions.get("QuotaReserved", {})
    parts = []
    if evicted.get("status") == "True":
        parts.append(f"evicted it ({evicted.get('reason')}): {evicted.get('message')}")
    if reserved.get("status") == "True":
        parts.extend(
            f"waits for admission check {check.get('name')} ({check.get('state')}): {check.get('message')}"
            for check in (workload.get("status") or {}).get("admissionChecks") or ()
            if check.get("state") != "Ready"
        )
    elif reserved.get("message") and reserved["message"] != evicted.get("message"):
        parts.append(reserved["message"])
    return f"Kueue (Workload {name}): {'; '.join(parts)}." if parts else ""


def _conditions(item: Json) -> dict[str, Json]:
    return {one["type"]: one for one in (item.get("status") or {}).get("conditions") or () if "type" in one}
