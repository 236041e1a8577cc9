"""One experiment, one look: observe, decide, act, write status. Level-triggered and safe to be cut off anywhere."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import urllib3
from pydantic import ValidationError

from finetune_core.actions import Action, CreateReportJob, CreateTrainJob, DeleteJob, PatchJob
from finetune_core.conditions import build_status, invalid_status, waiting_status
from finetune_core.decide import Decision, decide
from finetune_core.layout import ExperimentLayout
from finetune_core.parse import check_spec, define, parse_spec, runs_of, settings_of, task_specs, warnings
from finetune_core.plan import Plan, TaskPlan, make_plan, pin_key
from finetune_core.problems import InvalidInputError, Problem
from finetune_core.spec import ExecutionMode, ExperimentSpec, Storage
from finetune_core.status import ConditionStatus, ConditionType, ExperimentStatus, Reason
from finetune_operator import manifests
from finetune_operator.cluster import Cluster, ConflictError, Json
from finetune_operator.config import Config
from finetune_operator.events import notices
from finetune_operator.inputs import NotYetError, ResolvedInputs, resolve_inputs
from finetune_operator.memory import Memory
from finetune_operator.observe import Observer
from finetune_operator.patching import merge_patch
from finetune_operator.sources import NeedsPodError, Sources, resolution_key
from finetune_operator.storage import StorageConnector
from finetune_store import NotFoundError, Store, StoreError

logger = logging.getLogger(__name__)

SLOW_RESYNC_SECONDS = 60.0
_CREDENTIALS_SECONDS = 300.0
_SOON = 2.0


class InvalidStatusError(InvalidInputError):
    """A spec that cannot run now; `reason` is that of `Valid`, `retry` whether the world may still mend it."""

    def __init__(self, problems: tuple[Problem, ...], reason: Reason, *, retry: bool) -> None:
        super().__init__(problems)
        self.reason = reason
        self.retry = retry


class WaitingError(Exception):
    """Something outside is waited for; shown as reason and message of `Succeeded`."""

    def __init__(self, reason: Reason, message: str) -> None:
        self.reason = reason
        super().__init__(message)


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
        key = (owner.namespace, owner.name, owner.uid)
        raw = resource.get("status") or {}
        memory = self._memories.setdefault(key, Memory())
        return Subject(owner, metadata["generation"], raw, _parse_status(raw), memory)

    def _forget(self, namespace: str, name: str) -> None:
        for key in [key for key in self._memories if key[:2] == (namespace, name)]:
            self._memories.pop(key, None)

    def _look(self, subject: Subject, raw_spec: Json) -> tuple[ExperimentStatus, float | None]:
        about = {"generation": subject.generation, "now": self._now()}
        try:
            spec = self._valid_spec(raw_spec)
            return self._advance(subject, spec)
        except InvalidStatusError as error:
            delay = SLOW_RESYNC_SECONDS if error.retry else None
            return invalid_status(subject.status, error.problems, reason=error.reason, **about), delay
        except WaitingError as error:
            status = waiting_status(subject.status, error.reason, str(error), valid=_was_valid(subject.status), **about)
            return status, self._config.resync_seconds
        except StoreError as error:
            subject.memory.connection = None
            if not error.transient:
                problem = Problem("spec.storage", str(error))
                status = invalid_status(subject.status, (problem,), reason=Reason.STORAGE_REFUSED, **about)
                return status, SLOW_RESYNC_SECONDS
            message = f"{error}. Runs go on by themselves; results are counted when it is back."
            status = waiting_status(
                subject.status, Reason.STORAGE_UNAVAILABLE, message, valid=_was_valid(subject.status), **about
            )
            return status, self._config.resync_seconds

    def _valid_spec(self, raw: Json) -> ExperimentSpec:
        try:
            spec = parse_spec(raw)
        except InvalidInputError as error:
            raise InvalidStatusError(error.problems, Reason.INVALID_SPEC, retry=False) from error
        problems = check_spec(spec)
        if not spec.storage and not self._config.default_storage:
            missing = Problem("spec.storage", "not set, and the operator was installed without a default storage")
            problems = (*problems, missing)
        if problems:
            ray = spec.execution.mode == ExecutionMode.RAY_CLUSTER
            raise InvalidStatusError(problems, Reason.MODE_NOT_SUPPORTED if ray else Reason.INVALID_SPEC, retry=False)
        return spec

    def _advance(self, subject: Subject, spec: ExperimentSpec) -> tuple[ExperimentStatus, float | None]:
        storage = spec.storage or self._config.default_storage
        if storage is None:
            raise InvalidStatusError((Problem("spec.storage", "not set"),), Reason.INVALID_SPEC, retry=False)
        settings = self._pod_settings(spec, storage)
        store = self._store(subject, storage)
        observer = Observer(self._cluster, subject.owner, subject.memory)
        plan = self._plan(subject, spec, settings, store, observer)
        seen = observer.observe(store, plan, spec.execution, manifests.template_fingerprint(settings))
        decision = decide(seen)
        for action in decision.actions:
            self._act(subject.owner, settings, store, plan, action)
        eta = observer.eta(store, seen, decision.current, time.monotonic(), self._config.resync_seconds)
        status = build_status(
            seen,
            decision,
            subject.status,
            uri=store.uri(ExperimentLayout(plan.namespace, plan.experiment).root),
            eta=eta,
            warnings=warnings(spec),
            generation=subject.generation,
            now=self._now(),
        )
        return status, self._next_look(decision)

    def _next_look(self, decision: Decision) -> float | None:
        if decision.done and not decision.actions:
            return None
        return _SOON if decision.actions else self._config.resync_seconds

    def _pod_settings(self, spec: ExperimentSpec, storage: Storage) -> manifests.PodSettings:
        return manifests.PodSettings(
            execution=spec.execution,
            storage=storage,
            default_image=self._config.trainer_image,
            default_pull_policy=self._config.image_pull_policy,
            claims=tuple(sorted({_claim(uri) for uri in _volumes(spec)})),
            log_format=self._config.log_format,
        )

    def _store(self, subject: Subject, storage: Storage) -> Store:
        memory, now = subject.memory, time.monotonic()
        fresh = memory.connection and memory.connected_for == storage
        if not fresh or now - memory.connected_at > _CREDENTIALS_SECONDS:
            try:
                memory.connection = self._connector.connect(subject.owner.namespace, storage)
            except InvalidInputError as error:
                raise InvalidStatusError(error.problems, Reason.SECRET_NOT_FOUND, retry=True) from error
            memory.connected_for, memory.connected_at = storage, now
            memory.storage_checked = bool(fresh and memory.storage_checked)
        if memory.connection is None:
            raise WaitingError(Reason.STORAGE_UNAVAILABLE, "connecting to the object store")
        store = memory.connection.open(manifests.store_uri(storage))
        if not memory.storage_checked:
            store.check()
            memory.storage_checked = True
        return store

    def _plan(
        self, subject: Subject, spec: ExperimentSpec, settings: manifests.PodSettings, store: Store, observer: Observer
    ) -> Plan:
        pin = pin_key(spec, subject.owner.uid)
        memory = subject.memory
        if memory.plan is None or memory.plan.resolved_for != pin:
            layout = ExperimentLayout(subject.owner.namespace, subject.owner.name)
            stored = _stored_plan(store, layout)
            if stored is not None and stored.resolved_for == pin:
                memory.plan = stored
            else:
                inputs = self._resolve(subject, spec, settings, store, observer, pin)
                memory.plan = _make_plan(spec, subject.owner, inputs, pin)
                store.put(layout.plan, memory.plan.to_bytes())
        return memory.plan

    def _resolve(
        self,
        subject: Subject,
        spec: ExperimentSpec,
        settings: manifests.PodSettings,
        store: Store,
        observer: Observer,
        pin: str,
    ) -> ResolvedInputs:
        connection = subject.memory.connection
        if connection is None:
            raise WaitingError(Reason.STORAGE_UNAVAILABLE, "connecting to the object store")
        volumes = _volumes(spec)
        root = ExperimentLayout(subject.owner.namespace, subject.owner.name).root
        sources = Sources(
            open_uri=connection.open,
            http=self._http,
            results=store,
            volumes=volumes,
            key=resolution_key(root, pin, volumes),
        )
        try:
            return resolve_inputs(spec, sources)
        except InvalidInputError as error:
            raise InvalidStatusError(error.problems, Reason.INPUT_NOT_FOUND, retry=True) from error
        except NeedsPodError as error:
            raise WaitingError(*self._look_by_pod(subject, settings, observer, error)) from error
        except NotYetError as error:
            raise WaitingError(Reason.RESOLVING_INPUTS, str(error)) from error

    def _look_by_pod(
        self, subject: Subject, settings: manifests.PodSettings, observer: Observer, need: NeedsPodError
    ) -> tuple[Reason, str]:
        name = manifests.resolve_job_name(subject.owner, need.key)
        job = next((job for job in observer.jobs() if job.name == name), None)
        if job is None:
            manifest = manifests.resolve_job(subject.owner, settings, name=name, uris=need.uris, key=need.key)
            self._create(lambda: self._cluster.create_job(subject.owner.namespace, manifest))
            return Reason.RESOLVING_INPUTS, f"{need}."
        pods = [pod for pod in observer.pods() if pod.job == name]
        blocked = next((pod for pod in pods if pod.blocked and not pod.ended), None)
        if blocked is not None:
            return (
                Reason.BLOCKED,
                f"{need}: pod {blocked.name} cannot start: {blocked.blocked}: {blocked.blocked_message}",
            )
        if job.failed_for:
            why = next((pod.failure_message for pod in pods if pod.failure_message), job.failed_for)
            problem = Problem("spec", f"{need}, which failed: {why}. Set execution.retryToken to try again")
            raise InvalidStatusError((problem,), Reason.INPUT_NOT_FOUND, retry=True)
        return Reason.RESOLVING_INPUTS, f"{need}."

    def _act(
        self, owner: manifests.Owner, settings: manifests.PodSettings, store: Store, plan: Plan, action: Action
    ) -> None:
        logger.info(
            "act",
            extra={
                "experiment": f"{owner.namespace}/{owner.name}",
                "action": type(action).__name__,
                "child": action.name,
            },
        )
        match action:
            case CreateTrainJob():
                self._create_train_job(owner, settings, action)
            case PatchJob(name, parallelism, suspend):
                changes = {"parallelism": parallelism, "suspend": suspend}
                patch = {key: value for key, value in changes.items() if value is not None}
                self._cluster.patch_job(owner.namespace, name, {"spec": patch})
            case DeleteJob(name):
                self._cluster.delete_job(owner.namespace, name)
            case CreateReportJob():
                # The report reads the plan in the store: it must be the one that was decided on.
                store.put(ExperimentLayout(plan.namespace, plan.experiment).plan, plan.to_bytes())
                job = manifests.report_job(
                    owner, settings, name=action.name, revision=action.revision, failed=action.failed
                )
                self._create(lambda: self._cluster.create_job(owner.namespace, job))

    def _create_train_job(
        self, owner: manifests.Owner, settings: manifests.PodSettings, action: CreateTrainJob
    ) -> None:
        config_map = manifests.plan_config_map(owner, action.job_plan)
        job = manifests.train_job(
            owner,
            settings,
            name=action.name,
            revision=action.revision,
            round_=action.round,
            job_plan=action.job_plan,
            parallelism=action.parallelism,
            suspend=action.suspend,
        )
        self._create(lambda: self._cluster.create_config_map(owner.namespace, config_map))
        self._create(lambda: self._cluster.create_job(owner.namespace, job))

    def _create(self, create: Callable[[], None]) -> None:
        try:
            create()
        except ConflictError:
            # A name stands for one content, so what is there already is what we want (or is being deleted: the next
            # look sees that).
            logger.debug("exists already")

    def _write_status(self, subject: Subject, status: ExperimentStatus) -> None:
        patch = merge_patch(subject.raw_status, status.to_patch())
        if not patch:
            return
        owner = subject.owner
        self._cluster.patch_experiment_status(owner.namespace, owner.name, patch)
        now = self._now()
        for place, notice in enumerate(notices(subject.status, status)):
            suffix = f"{time.time_ns():x}{place}"
            event = manifests.event(
                owner, kind=notice.kind, reason=notice.reason, message=notice.message, now=now, suffix=suffix
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
        return valid.get("reason") in {Reason.INVALID_SPEC, Reason.MODE_NOT_SUPPORTED}
    succeeded = conditions.get(ConditionType.SUCCEEDED, {})
    return succeeded.get("status") in {ConditionStatus.TRUE, ConditionStatus.FALSE}


def _parse_status(raw: Json) -> ExperimentStatus:
    try:
        return ExperimentStatus.model_validate(raw)
    except ValidationError:
        # Written by another version: nothing in it is needed, it is worked out anew.
        logger.warning("status of another version is replaced")
        return ExperimentStatus()


def _was_valid(status: ExperimentStatus) -> bool:
    return any(c.type == ConditionType.VALID and c.status == ConditionStatus.TRUE for c in status.conditions)


def _stored_plan(store: Store, layout: ExperimentLayout) -> Plan | None:
    try:
        return Plan.model_validate_json(store.get(layout.plan))
    except NotFoundError:
        return None
    except ValidationError:
        logger.warning("plan of another version is made anew")
        return None


def _make_plan(spec: ExperimentSpec, owner: manifests.Owner, inputs: ResolvedInputs, pin: str) -> Plan:
    tasks = task_specs(spec)
    plans = {
        task.name: TaskPlan(definition=define(task), settings=settings_of(spec, task), data=inputs.data[task.name])
        for task in tasks
    }
    return make_plan(
        spec,
        namespace=owner.namespace,
        name=owner.name,
        model=inputs.model,
        tasks=plans,
        runs={task.name: runs_of(spec, task) for task in tasks},
        resolved_for=pin,
    )


def _volumes(spec: ExperimentSpec) -> tuple[str, ...]:
    uris = {spec.model.uri, spec.data.uri if spec.data else ""}
    uris |= {task.data.uri or "" for task in task_specs(spec) if task.data}
    return tuple(sorted(uri for uri in uris if uri.startswith("pvc://")))


def _claim(uri: str) -> str:
    return uri.removeprefix("pvc://").partition("/")[0]
