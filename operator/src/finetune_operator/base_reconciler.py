"""What reconciling experiments and searches has in common: one object, one look, errors turned into conditions.

Level-triggered and safe to be cut off anywhere: nothing is kept that cannot be read again.
"""

import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Generic

import urllib3

from finetune_core.api import ExperimentSpec, Storage
from finetune_core.api.status import Reason
from finetune_core.deciding.conditions import StatusT, with_unsafe_storage
from finetune_core.json_types import Json
from finetune_core.planning.parse import AnySpec
from finetune_core.problems import InvalidInputError, Problem
from finetune_core.times import written
from finetune_kube.errors import ClusterError, ConflictError
from finetune_operator import manifests
from finetune_operator.cluster import Cluster
from finetune_operator.config import Config
from finetune_operator.executors import EXECUTORS, Executors
from finetune_operator.inputs.resolver import claims
from finetune_operator.kinds.tools import Tools
from finetune_operator.memories import Memories
from finetune_operator.memory import LookMemory
from finetune_operator.notifying.checks import check_notifications
from finetune_operator.notifying.courier import NoPost, Post
from finetune_operator.pod_checks import check_pods
from finetune_operator.problems import CannotRunError, NotLeadingError, WaitingError
from finetune_operator.status.end import has_more_to_tell, is_settled, says_that_it_ended
from finetune_operator.status.refusals import TOLD, Refusals, Told, is_valid, unexpected
from finetune_operator.status.writer import StatusWriter
from finetune_operator.storage import Connection, Ready, StorageConnector
from finetune_operator.subject import MemoryT, Subject
from finetune_store import StoreError, bounded_pool, deadline
from finetune_work.guarantees import unsafe_storage

logger = logging.getLogger(__name__)

_SLOW_SECONDS = 30.0
_OTHERS_SECONDS = 120.0
_CREDENTIALS_SECONDS = 300.0
_AFTER_ACTION_SECONDS = 2.0
_NO_PODS_SECONDS = 10.0
_RESYNC_SECONDS_EACH = 0.05


class BaseReconciler(ABC, Generic[StatusT, MemoryT]):
    """Reconciles objects of one kind one key at a time; thread-safe for different keys."""

    def __init__(
        self,
        cluster: Cluster,
        config: Config,
        *,
        connector: StorageConnector | None = None,
        http: urllib3.PoolManager | None = None,
        utc_now: Callable[[], datetime] = lambda: datetime.now(UTC),
        monotonic: Callable[[], float] = time.monotonic,
        executors: Executors = EXECUTORS,
        holds: Callable[[str], bool] = lambda _namespace: True,
        post: Post | None = None,
    ) -> None:
        self._cluster = cluster
        self._config = config
        self._connector = connector or StorageConnector(cluster, own=config.default_storage)
        self._http = http or bounded_pool()
        self._utc_now = utc_now
        self._monotonic = monotonic
        self._executors = executors
        self._tools = partial(Tools.of, cluster=cluster, executors=executors, http=self._http)
        self._holds = holds
        self._post = post or NoPost()
        self._writer: StatusWriter[StatusT] = StatusWriter(cluster, self._patch_status, self._post, utc_now)
        self._release = str(config.release or "")
        self._memories: Memories[MemoryT] = Memories(self._new_memory)

    def close(self) -> None:
        """Forget connections to stores; no look may be under way."""
        self._connector.close()

    def forget_all(self) -> None:
        """Remember nothing, as after a start: somebody else may have acted in between."""
        self._memories.clear()

    def remembered(self) -> int:
        """How many objects are remembered: the living ones."""
        return len(self._memories)

    def stalled(self) -> int:
        """How many runs at work, and pods that report or look at volumes, give no sign of life."""
        return self._memories.stalled()

    def gpu_seconds(self) -> dict[tuple[str, str], float]:
        """What living objects took of GPUs so far, by namespace and name, where they took any."""
        return self._memories.gpu_seconds()

    def reconcile(self, namespace: str, name: str) -> float | None:
        """Take one look; seconds until the next one is wanted, None when only an event can change anything."""
        resource = self._get(namespace, name)
        if resource is None or "deletionTimestamp" in resource["metadata"]:
            self._memories.forget(namespace, name)
            self._post.forget(self._kind, namespace, name)
            return None
        settled, to_tell = is_settled(resource), has_more_to_tell(resource)
        if (settled and says_that_it_ended(resource) and not to_tell) or not self._holds(namespace):
            self._memories.forget(namespace, name)
            return None if settled and not to_tell else _OTHERS_SECONDS
        subject, raw_spec = self._subject(resource), resource["spec"]
        try:
            return self._tell_of_the_end(subject, raw_spec) if settled else self._take(subject, raw_spec)
        except ConflictError as error:
            # What was decided on has changed meanwhile.
            logger.info("looked at again: %s", error, extra={"experiment": f"{namespace}/{name}"})
            return _AFTER_ACTION_SECONDS
        finally:
            self._memories.keep(subject.owner.key, subject.memory)

    def _tell_of_the_end(self, subject: Subject[StatusT, MemoryT], raw_spec: Json) -> float | None:
        """To receivers, and in the status where an earlier version wrote it; nothing else of it is looked at again."""
        delay = self._write_status(subject, subject.status, raw_spec) if subject.status.conditions else None
        self._memories.forget(subject.owner.namespace, subject.owner.name)
        return delay

    def _take(self, subject: Subject[StatusT, MemoryT], raw_spec: Json) -> float | None:
        try:
            # What was read by then is remembered: the next look goes on from there.
            with deadline(self._config.look_seconds):
                status, delay = self._look(subject, raw_spec)
        except (ClusterError, NotLeadingError):
            raise
        except Exception as error:
            # The queue logs it and tries again; without this nobody who applied the object would ever know.
            self._tell(subject, raw_spec, self._refusals(subject).waiting(Reason.INTERNAL_ERROR, unexpected(error)))
            raise
        telling = self._tell(subject, raw_spec, status)
        if delay is None:
            self._memories.forget(subject.owner.namespace, subject.owner.name)
        return min((seconds for seconds in (delay, telling) if seconds is not None), default=None)

    def _tell(self, subject: Subject[StatusT, MemoryT], raw_spec: Json, status: StatusT) -> float | None:
        # For people's own tools: where nothing in the spec says it, only the operator knows its own storage.
        storage = subject.memory.connected_for or subject.status.storage
        if storage is not None and not raw_spec.get("storage"):
            # They send their own keys there, so it must not be what an older spec named.
            storage = self._config.default_storage
        return self._write_status(subject, status.model_copy(update={"storage": storage}), raw_spec)

    @property
    @abstractmethod
    def _kind(self) -> str:
        """What the objects are called."""

    @abstractmethod
    def _get(self, namespace: str, name: str) -> Json | None:
        """The object, or None."""

    @abstractmethod
    def _patch_status(self, owner: manifests.Owner, patch: Json, version: str) -> None:
        """Merge-patch the status of the object as of that resourceVersion."""

    @abstractmethod
    def _owner(self, metadata: Json) -> manifests.Owner:
        """The object as the owner of its children."""

    @abstractmethod
    def _parse_status(self, raw: Json) -> StatusT:
        """The status; an empty one if it cannot be read."""

    @abstractmethod
    def _new_memory(self) -> MemoryT:
        """A memory of nothing."""

    @abstractmethod
    def _advance(self, subject: Subject[StatusT, MemoryT], raw_spec: Json) -> tuple[StatusT, float | None]:
        """One step towards what the spec asks for: the new status and seconds until the next look."""

    def _subject(self, resource: Json) -> Subject[StatusT, MemoryT]:
        metadata = resource["metadata"]
        owner = self._owner(metadata)
        raw = resource.get("status") or {}
        memory = self._memories.take(owner.key)
        return Subject(owner, metadata["generation"], metadata["resourceVersion"], raw, self._parse_status(raw), memory)

    def _look(self, subject: Subject[StatusT, MemoryT], raw_spec: Json) -> tuple[StatusT, float | None]:
        try:
            return self._advance(subject, raw_spec)
        except TOLD as error:
            if isinstance(error, StoreError):
                # The Secret is read anew at the next look: it may be what was wrong.
                subject.memory.connection = None
            status, again = self._refusals(subject).told(error)
            return status, self._next_try(subject.memory, error) if again else None

    def _next_try(self, memory: LookMemory, error: Told) -> float | None:
        """What is waited for comes by events or soon; what people have to mend is looked at more slowly."""
        if isinstance(error, WaitingError):
            return self._next_look(memory, acted=False, done=False)
        return self._resync_seconds() if isinstance(error, StoreError) and error.transient else _SLOW_SECONDS

    def _refusals(self, subject: Subject[StatusT, MemoryT]) -> Refusals[StatusT]:
        return Refusals(subject.status, subject.generation, self._now(), self._executors)

    def _connected(self, subject: Subject[StatusT, MemoryT], spec: AnySpec) -> tuple[manifests.PodSettings, Connection]:
        """Settings of pods, and the connection to the store, once the spec's pods and receivers are accepted."""
        settings = self._pod_settings(spec, self._storage(spec.storage))
        self._check_pods(subject, settings)
        self._check_notifications(subject, spec)
        return settings, self._connect(subject, settings.storage)

    def _storage(self, storage: Storage | None) -> Storage:
        """The spec's storage or the operator's default; CannotRunError where there is neither."""
        chosen = storage or self._config.default_storage
        if chosen is None:
            message = (
                "not set, and the operator was installed without a default storage: set it, or install the chart with "
                "its value storage"
            )
            raise CannotRunError((Problem("spec.storage", message),), Reason.INVALID_SPEC, retry=False)
        return chosen

    def _pod_settings(self, spec: AnySpec, storage: Storage) -> manifests.PodSettings:
        return manifests.PodSettings(
            execution=spec.execution,
            storage=storage,
            default_image=self._config.trainer_image,
            default_pull_policy=self._config.image_pull_policy,
            claims=claims(spec),
            log_format=self._config.log_format,
            # The runs of a trial share a process, which MLflow and W&B take for one run.
            tracking=spec.tracking if isinstance(spec, ExperimentSpec) else None,
            names_storage=spec.storage is not None,
            defaults=self._config.pods,
            operator_image=self._config.operator_image,
        )

    def _check_pods(self, subject: Subject[StatusT, MemoryT], settings: manifests.PodSettings) -> None:
        # What an operator before this one has accepted needs no trial: there are as many as living objects.
        check_pods(self._cluster, subject.owner, settings, subject.memory, accepted=self._is_accepted(subject))

    def _check_notifications(self, subject: Subject[StatusT, MemoryT], spec: AnySpec) -> None:
        # Once it was accepted, a receiver that fails stops nothing.
        if not self._is_accepted(subject):
            check_notifications(
                self._cluster, subject.owner.namespace, spec.notifications or (), self._config.notification_hosts
            )

    def _is_accepted(self, subject: Subject[StatusT, MemoryT]) -> bool:
        return subject.status.observed_generation == subject.generation and is_valid(subject.status)

    def _connect(self, subject: Subject[StatusT, MemoryT], storage: Storage) -> Connection:
        memory, now = subject.memory, self._monotonic()
        if memory.connected_for is not None and memory.connected_for != storage:
            memory.clear()
        old = memory.connection
        if old and memory.connected_for == storage and now - memory.connected_at < _CREDENTIALS_SECONDS:
            return old
        try:
            memory.connection = self._connector.connect(subject.owner.namespace, storage)
        except InvalidInputError as error:
            raise CannotRunError(error.problems, Reason.SECRET_NOT_FOUND, retry=True) from error
        memory.connected_for, memory.connected_at = storage, now
        return memory.connection

    def _with_guarantees(self, subject: Subject[StatusT, MemoryT], status: StatusT, ready: Ready) -> StatusT:
        if ready.once:
            return status
        message = unsafe_storage(ready.store.uri())
        return with_unsafe_storage(status, subject.status, message, generation=subject.generation, now=self._now())

    def _next_look(self, memory: LookMemory, *, acted: bool, done: bool) -> float | None:
        if acted:
            return _AFTER_ACTION_SECONDS
        if done:
            return None
        # No event comes of a Job that cannot create its pods.
        return min(self._resync_seconds(), _NO_PODS_SECONDS) if memory.short_of_pods else self._resync_seconds()

    def _resync_seconds(self) -> float:
        """How long to leave an object alone when no event comes: longer, the more of them there are."""
        return max(self._config.resync_seconds, len(self._memories) * _RESYNC_SECONDS_EACH)

    def _write_status(self, subject: Subject[StatusT, MemoryT], status: StatusT, raw_spec: Json) -> float | None:
        return self._writer.write(subject, status, raw_spec, self._now())

    def _now(self) -> str:
        return written(self._utc_now())
