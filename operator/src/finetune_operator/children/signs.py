"""Signs of life of pods that report or look at volumes, as they lie in the store."""

from collections.abc import Iterable

from finetune_core.deciding.observation import JobRole, PodView, Stall
from finetune_core.deciding.stalls import renewed, stalls
from finetune_core.layout import ExperimentLayout
from finetune_operator.memory import LookMemory
from finetune_store import Store


def silent_pod(
    store: Store, layout: ExperimentLayout, pods: Iterable[PodView], memory: LookMemory, *, now: float, every: float
) -> Stall | None:
    """The first such pod that has given no sign for minutes; they are read every `every` seconds. StoreError.

    One that never gave any is of an earlier release, whose pods did not.
    """
    running = {layout.sign(pod.uid): pod for pod in pods if pod.running and pod.role != JobRole.TRAIN}
    before, memory.pod_signs = memory.pod_signs, {}
    for info in store.list(layout.signs, wanted=running.__contains__, limit=len(running)) if running else ():
        # The time of a store may be whole seconds.
        uid, mark = running[info.key].uid, f"{info.modified.isoformat()} {info.md5}"
        memory.pod_signs[uid] = renewed(before.get(uid), uid, mark, now, every=every)
    found = stalls(memory.pod_signs, running.values(), now, driven=False)
    memory.pod_stalled = bool(found)
    return found[0] if found else None
