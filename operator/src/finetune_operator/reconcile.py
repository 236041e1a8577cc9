"""One experiment, one look: observe, decide, act, write status. Level-triggered and safe to be cut off anywhere."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import urllib3
from pydantic import ValidationError

from finetune_core.conditions import build_status, invalid_status, waiting_status
from finetune_core.decide import Decision, decide
from finetune_core.layout import ExperimentLayout
from finetune_core.parse import check_spec, parse_spec, warnings
from finetune_core.problems import InvalidInputError, Problem
from finetune_core.spec import ExecutionMode, ExperimentSpec, Storage
from finetune_core.status import ConditionStatus, ConditionType, ExperimentStatus, Reason
from finetune_operator import manifests
from finetune_operator.acting import Actor
from finetune_operator.cluster import Cluster, ForbiddenError, Json, RejectedError
from finetune_operator.config import Config
from finetune_operator.events import notices
from finetune_operator.memory import Memory
from finetune_operator.observe import Observer
from finetune_operator.patching import merge_patch
from finetune_operator.planning import Planner, claims
from finetune_operator.problems import CannotRunError, WaitingError
from finetune_operator.storage import Connection, StorageConnector
from finetune_store import StoreError

logger = logging.getLogger(__name__)

_SLOW_SECONDS = 30.0
_CREDENTIALS_SECONDS = 300.0
_AFTER_ACTION_SECONDS = 2.0
_RESYNC_SECONDS_EACH = 0.05
_SETTLED_INVALID = frozenset({Reason.INVALID_SPEC, Reason.MODE_NOT_SUPPORTED})


@dataclass(frozen=True)
class Subject:
    """The experiment that is being looked at, as the API server gave it."""

    owner: manifests.Owner
    generation: int
    raw_status: Json
    status: ExperimentStatus
    memory: Memory


class Reconciler:
    """Reconciles experiments one key at a time; thread-safe for different keys."""

    def __init__(
        self,
        cluster: Cluster,
        config: Config,
        *,
        connector: StorageConnector | None = None,
        http: urllib3.PoolManager | None = None,
        utc_now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._cluster = cluster
        self._config = config
        self._connector = connector or StorageConnector(cluster)
        self._http = http or urllib3.PoolManager()
        self._utc_now = utc_now
        self._memories: dict[tuple[str, str, str], Memory] = {}

    def close(self) -> None:
        """Remove what is kept on disk; no look may be under way."""
        self._connector.close()

    def remembered(self) -> int:
        """How many experiments are remembered: the living ones."""
        return len(self._memories)

    def reconcile(self, namespace: str, name: str) -> float | None:
        """Take one look; seconds until the next one is wanted, None when only an event can change anything."""
        resource = self._cluster.get_experiment(namespace, name)
        if resource is None or "deletionTimestamp" in resource["metadata"] or is_settled(resource):
            self._forget(namespace, name)
            return None
        subject = self._subject(resource)
        status, delay = self._look(subject, resource["spec"])
        self._write_status(subject, status)
        if delay is None:
            self._forget(namespace, name)
        return delay

    def _subject(self, resource: Json) -> Subject:
        metadata = resource["metadata"]
        owner = manifests.Owner(metadata["namespace"], metadata["name"], metadata["uid"])
        raw = resource.get("status") or {}
        memory = self._memories.setdefault((owner.namespace, owner.name, owner.uid), Memory())
        return Subject(owner, metadata["generation"], raw, _parse_status(raw), memory)

    def _forget(self, namespace: str, name: str) -> None:
        for key in [key for key in list(self._memories) if key[:2] == (namespace, name)]:
            self._memories.pop(key, None)

    def _look(self, subject: Subject, raw_spec: Json) -> tuple[ExperimentStatus, float | None]:
        try:
            return self._advance(subject, self._valid_spec(raw_spec))
        except CannotRunError as error:
            status = self._invalid(subject, error.problems, error.reason)
            return status, _SLOW_SECONDS if error.retry else None
        except WaitingError as error:
            return self._waiting(subject, error.reason, str(error)), self._resync_seconds()
        except StoreError as error:
            return self._without_storage(subject, error)
        except RejectedError as error:
            # What CEL and `check_spec` cannot see: a pod template that is no pod's, a policy of the cluster.
            problem = Problem("spec.execution", f"the cluster refuses what it asks for: {error}")
            return self._invalid(subject, (problem,), Reason.REJECTED), _SLOW_SECONDS
        except ForbiddenError as error:
            # A quota that is used up, or a rule that the operator's role lacks: the message says which.
            return self._waiting(subject, Reason.BLOCKED, str(error)), _SLOW_SECONDS

    def _without_storage(self, subject: Subject, error: StoreError) -> tuple[ExperimentStatus, float]:
        # The Secret is read anew at the next look: it may be what was wrong.
        subject.memory.connection = None
        if not error.transient:
            problem = Problem("spec.storage", str(error))
            return self._invalid(subject, (problem,), Reason.STORAGE_REFUSED), _SLOW_SECONDS
        message = f"{error}. Runs go on by themselves; results are counted when it is back."
        return self._waiting(subject, Reason.STORAGE_UNAVAILABLE, message), self._resync_seconds()

    def _invalid(self, subject: Subject, problems: tuple[Problem, ...], reason: Reason) -> ExperimentStatus:
        return invalid_status(subject.status, problems, reason=reason, generation=subject.generation, now=self._now())

    def _waiting(self, subject: Subject, reason: Reason, message: str) -> ExperimentStatus:
        valid = any(
            c.type == ConditionType.VALID and c.status == ConditionStatus.TRUE for c in subject.status.conditions
        )
        return waiting_status(
            subject.status, reason, message, valid=valid, generation=subject.generation, now=self._now()
        )

    def _valid_spec(self, raw: Json) -> ExperimentSpec:
        try:
            spec = parse_spec(raw)
        except InvalidInputError as error:
            raise CannotRunError(error.problems, Reason.INVALID_SPEC, retry=False) from error
        problems = check_spec(spec)
        if not spec.storage and not self._config.default_storage:
            missing = Problem("spec.storage", "not set, and the operator was installed without a default storage")
            problems = (*problems, missing)
        if problems:
            ray = spec.execution.mode == ExecutionMode.RAY_CLUSTER
            raise CannotRunError(problems, Reason.MODE_NOT_SUPPORTED if ray else Reason.INVALID_SPEC, retry=False)
        return spec if spec.storage else spec.model_copy(update={"storage": self._config.default_storage})

    def _advance(self, subject: Subject, spec: ExperimentSpec) -> tuple[ExperimentStatus, float | None]:
        storage = spec.storage
        if storage is None:
            raise CannotRunError((Problem("spec.storage", "not set"),), Reason.INVALID_SPEC, retry=False)
        settings = self._pod_settings(spec, storage)
        connection = self._connect(subject, storage)
        if subject.memory.plan is None:
            connection.check(manifests.store_uri(storage))
        store = connection.open(manifests.store_uri(storage))
        observer = Observer(self._cluster, subject.owner, subject.memory)
        actor = Actor(self._cluster, subject.owner, settings)
        planner = Planner(
            subject.owner,
            memory=subject.memory,
            connection=connection,
            store=store,
            observer=observer,
            actor=actor,
            http=self._http,
        )
        plan = planner.plan(spec)
        seen = observer.observe(store, plan, spec.execution, manifests.template_fingerprint(settings))
        decision = decide(seen)
        for action in decision.actions:
            actor.act(action, store=store, plan=plan)
        status = build_status(
            seen,
            decision,
            subject.status,
            uri=store.uri(ExperimentLayout(plan.namespace, plan.experiment).root),
            eta=observer.eta(store, seen, decision.current, time.monotonic(), self._resync_seconds()),
            warnings=warnings(spec),
            generation=subject.generation,
            now=self._now(),
        )
        return status, self._next_look(decision)

    def _next_look(self, decision: Decision) -> float | None:
        if decision.actions:
            return _AFTER_ACTION_SECONDS
        return None if decision.done else self._resync_seconds()

    def _resync_seconds(self) -> float:
        """How long to leave an experiment alone when no event comes: longer, the more of them there are."""
        return max(self._config.resync_seconds, len(self._memories) * _RESYNC_SECONDS_EACH)

    def _pod_settings(self, spec: ExperimentSpec, storage: Storage) -> manifests.PodSettings:
        return manifests.PodSettings(
            execution=spec.execution,
            storage=storage,
            default_image=self._config.trainer_image,
            default_pull_policy=self._config.image_pull_policy,
            claims=claims(spec),
            log_format=self._config.log_format,
        )

    def _connect(self, subject: Subject, storage: Storage) -> Connection:
        memory, now = subject.memory, time.monotonic()
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

    def _write_status(self, subject: Subject, status: ExperimentStatus) -> None:
        patch = merge_patch(subject.raw_status, status.to_patch())
        if not patch:
            return
        owner, now = subject.owner, self._now()
        self._cluster.patch_experiment_status(owner.namespace, owner.name, patch)
        for place, notice in enumerate(notices(subject.status, status)):
            event = manifests.event(
                owner,
                kind=notice.kind,
                reason=notice.reason,
                message=notice.message,
                now=now,
                suffix=f"{time.time_ns():x}{place}",
            )
            self._cluster.create_event(owner.namespace, event)

    def _now(self) -> str:
        return self._utc_now().strftime("%Y-%m-%dT%H:%M:%SZ")


def is_settled(resource: Json) -> bool:
    """Whether an experiment of this generation has ended, or waits for its spec to be corrected."""
    status = resource.get("status") or {}
    if status.get("observedGeneration") != resource["metadata"]["generation"]:
        return False
    conditions = {condition["type"]: condition for condition in status.get("conditions") or ()}
    valid = conditions.get(ConditionType.VALID, {})
    if valid.get("status") == ConditionStatus.FALSE:
        return valid.get("reason") in _SETTLED_INVALID
    succeeded = conditions.get(ConditionType.SUCCEEDED, {})
    return succeeded.get("status") in {ConditionStatus.TRUE, ConditionStatus.FALSE}


def _parse_status(raw: Json) -> ExperimentStatus:
    try:
        return ExperimentStatus.model_validate(raw)
    except ValidationError:
        # Written by another version: nothing in it is needed, it is worked out anew.
        logger.warning("the status of another version is replaced")
        return ExperimentStatus()
