"""What has stalled, by the signs of life that looks at either kind remember."""

from finetune_core.deciding.observation import Stall
from finetune_core.deciding.stalls import silent, stalls
from finetune_operator.children.reader import Children
from finetune_operator.memory import LookMemory


def stalled(memory: LookMemory, children: Children, now: float, *, driven: bool = False) -> tuple[Stall, ...]:
    """Pods are asked for only where a sign is old; how many have stalled is remembered for the metrics."""
    found: tuple[Stall, ...] = ()
    if silent(memory.signs, now):
        found = stalls(memory.signs, children.pods(), now, driven=driven)
    memory.stalled = len(found)
    return found
