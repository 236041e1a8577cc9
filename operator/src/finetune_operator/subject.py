"""What a look is about."""

from dataclasses import dataclass
from typing import Generic, TypeVar

from finetune_core.deciding.conditions import StatusT
from finetune_core.json_types import Json
from finetune_operator import manifests
from finetune_operator.memory import LookMemory

MemoryT = TypeVar("MemoryT", bound=LookMemory)


@dataclass(frozen=True)
class Subject(Generic[StatusT, MemoryT]):
    """What is being looked at, as the API server gave it."""

    owner: manifests.Owner
    generation: int
    version: str
    raw_status: Json
    status: StatusT
    memory: MemoryT
