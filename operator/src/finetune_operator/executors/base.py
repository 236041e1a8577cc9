"""What an executor is: one kind of Kubernetes objects that do units of work.

A new one is one file beside `job.py`, its mode in `finetune_core.api.ExecutionMode` and a line in the registry.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from finetune_core.api.status import Reason
from finetune_core.canonical import short_hash
from finetune_core.deciding.actions import CreateTrainJob
from finetune_core.deciding.executor import ExecutorTraits
from finetune_core.deciding.observation import JobView, PodView
from finetune_core.json_types import Json
from finetune_kube.errors import RejectedError
from finetune_kube.kinds import Kind
from finetune_operator.manifests import Owner, PodSettings
from finetune_operator.memory import LookMemory
from finetune_store import Store


@dataclass(frozen=True)
class Absent:
    """What a user is told where the cluster does not have the kind; `message` says what to install."""

    reason: Reason
    message: str


@dataclass(frozen=True)
class Look:
    """What a view may read beside the object itself: all pods of the owner and the events about a uid, as JSON.

    `now` is the monotonic time of the look.
    """

    owner: Owner
    store: Store
    memory: LookMemory
    pods: Callable[[], list[Json]]
    events: Callable[[str], list[Json]]
    now: float

    def is_short_of_pods_for(self, seconds: float, name: str, *, short: bool) -> bool:
        """Whether an object that is `short` of pods at this look has been so at every look for that long."""
        if not short:
            self.memory.short_of_pods.pop(name, None)
            return False
        return self.now - self.memory.short_of_pods.setdefault(name, self.now) >= seconds


class Executor(ABC):
    """Makes, changes and reads the objects of one kind; it keeps nothing.

    `pod_label` is the label by which a pod names its object. `absent` is None for a kind that every cluster has.
    """

    kind: ClassVar[Kind]
    traits: ClassVar[ExecutorTraits]
    pod_label: ClassVar[str]
    absent: ClassVar[Absent | None] = None

    @abstractmethod
    def manifest(self, owner: Owner, settings: PodSettings, work: CreateTrainJob) -> Json:
        """The object that does the units of `work.job_plan`."""

    @abstractmethod
    def fingerprint(self, settings: PodSettings) -> list[object]:
        """All that a live object cannot change (JSON values)."""

    @abstractmethod
    def view(self, item: Json, seen: JobView, look: Look) -> JobView:
        """The object as decisions look at it; `seen` holds what its metadata and its plan say."""

    def patch(self, *, parallelism: int | None, suspend: bool | None) -> Json:
        """The merge patch that changes what is not None; `parallelism` only where the traits say `resizable`."""
        changes = {"parallelism": parallelism, "suspend": suspend}
        return {"spec": {field: value for field, value in changes.items() if value is not None}}

    def prepare(self, owner: Owner, name: str, store: Store) -> None:  # noqa: B027 - most need nothing
        """What must be done before an object of that name is created; StoreError."""

    def network_policy(self, owner: Owner, name: str) -> Json | None:
        """The NetworkPolicy, of the same name, that closes the pods of an object; None where none is needed."""
        return None

    def outdated(self, error: RejectedError) -> Absent | None:
        """What to say where the cluster's version of the kind lacks fields of the manifest; None for other errors."""
        return None

    def hindered_pods(self, item: Json, seen: JobView, look: Look) -> PodView | None:
        """Pods that cannot be created or come to life, where only the object or all of them together say so."""
        return None

    def templates(self, settings: PodSettings) -> tuple[str, ...]:
        """The fingerprints of objects that do what is asked for today."""
        return (self.template(settings),)

    def template(self, settings: PodSettings) -> str:
        """The fingerprint as one hash."""
        return short_hash(self.fingerprint(settings), 12)
