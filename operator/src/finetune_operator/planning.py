"""The plan in force: inputs pinned once per spec, kept in the store, made anew when the spec changes."""

import logging

import urllib3
from pydantic import ValidationError

from finetune_core.layout import ExperimentLayout
from finetune_core.parse import define, runs_of, settings_of, task_specs
from finetune_core.plan import Plan, TaskPlan, make_plan, pin_key
from finetune_core.problems import InvalidInputError, Problem
from finetune_core.spec import ExperimentSpec
from finetune_core.status import Reason
from finetune_operator import manifests
from finetune_operator.acting import Actor
from finetune_operator.inputs import NotYetError, ResolvedInputs, resolve_inputs
from finetune_operator.memory import Memory
from finetune_operator.observe import Observer
from finetune_operator.problems import CannotRunError, WaitingError
from finetune_operator.sources import NeedsPodError, Sources, resolution_key
from finetune_operator.storage import Connection
from finetune_store import NotFoundError, Store

logger = logging.getLogger(__name__)


class Planner:
    """Finds or makes the plan of one experiment."""

    def __init__(
        self,
        owner: manifests.Owner,
        *,
        memory: Memory,
        connection: Connection,
        store: Store,
        observer: Observer,
        actor: Actor,
        http: urllib3.PoolManager,
    ) -> None:
        self._owner = owner
        self._memory = memory
        self._connection = connection
        self._store = store
        self._observer = observer
        self._actor = actor
        self._http = http
        self._layout = ExperimentLayout(owner.namespace, owner.name)

    def plan(self, spec: ExperimentSpec) -> Plan:
        """The plan for a spec; CannotRunError if an input cannot be used, WaitingError while one is looked at."""
        pin = pin_key(spec, self._owner.uid)
        plan = self._memory.plan or self._stored()
        if plan is None or plan.resolved_for != pin:
            plan = _make_plan(spec, self._owner, self._resolve(spec, pin), pin)
            self._store.put(self._layout.plan, plan.to_bytes())
        self._memory.plan = plan
        return plan

    def _stored(self) -> Plan | None:
        try:
            return Plan.model_validate_json(self._store.get(self._layout.plan))
        except NotFoundError:
            return None
        except ValidationError:
            logger.warning("the plan of another version is made anew", extra={"experiment": self._layout.root})
            return None

    def _resolve(self, spec: ExperimentSpec, pin: str) -> ResolvedInputs:
        volumes = volume_uris(spec)
        sources = Sources(
            open_uri=self._connection.open,
            http=self._http,
            results=self._store,
            volumes=volumes,
            key=resolution_key(self._layout.root, pin, volumes),
        )
        try:
            return resolve_inputs(spec, sources)
        except InvalidInputError as error:
            raise CannotRunError(error.problems, Reason.INPUT_NOT_FOUND, retry=True) from error
        except NeedsPodError as error:
            raise self._look_by_pod(error) from error
        except NotYetError as error:
            raise WaitingError(Reason.RESOLVING_INPUTS, str(error)) from error

    def _look_by_pod(self, need: NeedsPodError) -> CannotRunError | WaitingError:
        name = manifests.resolve_job_name(self._owner, need.key)
        job = next((job for job in self._observer.jobs() if job.name == name), None)
        if job is None:
            self._actor.create_resolve_job(name=name, uris=need.uris, key=need.key)
            return WaitingError(Reason.RESOLVING_INPUTS, f"{need}.")
        pods = [pod for pod in self._observer.pods() if pod.job == name]
        blocked = next((pod for pod in pods if pod.blocked and not pod.ended), None)
        if blocked is not None:
            why = f"pod {blocked.name} cannot start: {blocked.blocked}: {blocked.blocked_message}"
            return WaitingError(Reason.BLOCKED, f"{need}: {why}")
        if job.failed_for is None:
            return WaitingError(Reason.RESOLVING_INPUTS, f"{need}.")
        why = next((pod.failure_message for pod in pods if pod.failure_message), job.failed_for)
        problem = Problem("spec", f"{need}, which failed: {why}. Set execution.retryToken to try again")
        return CannotRunError((problem,), Reason.INPUT_NOT_FOUND, retry=True)


def volume_uris(spec: ExperimentSpec) -> tuple[str, ...]:
    """The pvc:// URIs of a spec."""
    uris = {spec.model.uri, spec.data.uri if spec.data else ""}
    uris |= {task.data.uri or "" for task in task_specs(spec) if task.data}
    return tuple(sorted(uri for uri in uris if uri.startswith("pvc://")))


def claims(spec: ExperimentSpec) -> tuple[str, ...]:
    """The persistent volume claims that a spec's pods mount."""
    return tuple(sorted({uri.removeprefix("pvc://").partition("/")[0] for uri in volume_uris(spec)}))


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
