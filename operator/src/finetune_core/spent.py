"""What work took of GPUs: their time, and their energy where they tell it."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Spent:
    """Seconds times GPUs, and the joules that these GPUs took meanwhile; None where that is not known."""

    gpu_seconds: float = 0.0
    joules: float | None = None


UNSPENT = Spent()
"""Nothing."""


def total(parts: Iterable[Spent]) -> Spent:
    """The sum. Its energy is known where that of every part that held a GPU is: a part must not pass for the whole."""
    found = list(parts)
    told = [part.joules for part in found if part.joules is not None]
    silent = any(part.gpu_seconds and part.joules is None for part in found)
    return Spent(sum((part.gpu_seconds for part in found), 0.0), None if silent or not told else sum(told))
