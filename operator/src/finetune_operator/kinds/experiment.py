"""One experiment, one look: observe, decide, act, write status."""

import logging
from dataclasses import dataclass, replace

from pydantic import ValidationError

from finetune_core.api import ExperimentSpec, Tracking
from finetune_core.api.status import ExperimentStatus, Reason
from finetune_core.deciding.experiment.decision import Decision, decide
from finetune_core.deciding.experiment.status import build_status
from finetune_core.deciding.observation import Observation
from finetune_core.deciding.outcome import run_warnings
from finetune_core.json_types import Json
from finetune_core.layout import ExperimentLayout
from finetune_core.planning.experiment import plan_warnings
from finetune_core.planning.parse import check_spec, parse_spec
from finetune_core.planning.plan import Plan
from finetune_core.problems import FinetuneError, InvalidInputError, Problem
from finetune_core.publishing.told import with_published
from finetune_kube.kinds import EXPERIMENT
from finetune_operator import manifests
from finetune_operator.base_reconciler import BaseReconciler
from finetune_operator.cluster import Cluster
from finetune_operator.kinds.budgets import limits
from finetune_operator.kinds.experiment_observer import Observer
from finetune_operator.kinds.published import check_publish
from finetune_operator.kinds.queues import with_queue
from finetune_operator.kinds.reports import look_again_at_the_end
from finetune_operator.memory import Memory
from finetune_operator.problems import CannotRunError
from finetune_operator.subject import Subject
from finetune_store import StoreError
from finetune_work.plans import add_runs
from finetune_work.tuned import TunedReader

logger = logging.getLogger(__name__)

_NEWER_SECONDS = 300.0

ExperimentSubject = Subject[ExperimentStatus, Memory]


class Reconciler(BaseReconciler[ExperimentStatus, Memory]):
    """Reconciles experiments."""

    @property
    def _kind(self) -> str:
        return EXPERIMENT.kind

    def _get(self, namespace: str, name: str) -> Json | None:
        return self._cluster.get_experiment(namespace, name)

    def _patch_status(self, owner: manifests.Owner, patch: Json, version: str) -> None:
        self._cluster.patch_experiment_status(owner.namespace, owner.name, patch, version=version)

    def _owner(self, metadata: Json) -> manifests.Owner:
        return manifests.Owner(metadata["namespace"], metadata["name"], metadata["uid"], release=self._release)

    def _parse_status(self, raw: Json) -> ExperimentStatus:
        try:
            return ExperimentStatus.model_validate(raw)
        except ValidationError:
            # Written by another version: nothing in it is needed, it is worked out anew.
            logger.warning("the status of another version is replaced")
            return ExperimentStatus()

    def _new_memory(self) -> Memory:
        return Memory()

    def _advance(self, subject: ExperimentSubject, raw_spec: Json) -> tuple[ExperimentStatus, float | None]:
        spec = _valid_spec(raw_spec)
        if not self._is_accepted(subject):
            # Later, what is missing keeps a pod from starting, and the cluster says so.
            entries, image = spec.publish or (), self._config.operator_image
            check_publish(self._cluster, subject.owner.namespace, entries, subject.memory, image=image)
        settings, connection = self._connected(subject, spec)
        self._check_tracking(subject, spec.tracking)
        namespace = subject.owner.namespace
        ready = connection.ready(
            settings.storage.uri, namespace, prove=subject.memory.plan is None, seconds=self._resync_seconds()
        )
        store = ready.store
        executor = self._executors.of(spec.execution)
        now, every = self._monotonic(), self._resync_seconds()
        layout = ExperimentLayout(namespace, subject.owner.name)
        tools = self._tools(
            subject.owner, subject.memory, settings, connection, store, layout.root, now=now, every=every
        )
        observer = Observer(tools.children, subject.memory, owner_uid=subject.owner.uid)
        tuned = TunedReader(lambda: _Namespace(self._cluster, namespace), connection.open_input)
        plan = tools.planner.experiment(spec, subject.memory, tuned)
        template = executor.template(settings)

        def look() -> tuple[Observation, Decision]:
            allowed = limits(store, layout, subject.memory, spec.budget, subject.status.start_time, self._utc_now())
            asked, traits = spec.execution, executor.traits
            publish = spec.publish or ()
            seen = observer.observe(store, plan, asked, traits, template, now=now, limits=allowed, publish=publish)
            seen = replace(seen, stalled_report=tools.silent(seen.pods))
            return seen, with_queue(decide(seen), self._cluster, subject.memory, namespace, seen.jobs, now)

        seen, decision = look_again_at_the_end(subject.memory, look)
        subject.memory.gpu_seconds = seen.gpu_seconds()
        if decision.actions:
            # Before they are done: what is cut off in their midst has been done in part.
            subject.memory.held = None
        tools.actor.carry_out(decision, seen.jobs, store=store, plan=plan)
        if decision.added:
            subject.memory.plan = add_runs(spec, plan, decision.added, store)
        eta = observer.eta(store, seen, decision.current, now, every)
        newer = self._newer(subject.memory, plan, tuned)
        status = self._status(subject, spec, seen, decision, uri=store.uri(layout.root), eta=eta, newer=newer)
        return self._with_guarantees(subject, status, ready), self._next_look(
            subject.memory, acted=bool(decision.actions or decision.added), done=decision.done
        )

    def _check_tracking(self, subject: ExperimentSubject, tracking: Tracking | None) -> None:
        """CannotRunError where its Secret is missing; asked once for a block, since runs go on without a tracker."""
        if tracking is None or tracking.secret_ref is None or subject.memory.tracking_checked == tracking:
            return
        namespace, name = subject.owner.namespace, tracking.secret_ref.name
        if self._cluster.get_secret(namespace, name) is None:
            message = (
                f"Secret {name} is not in namespace {namespace}: create it with what the trackers read (WANDB_API_KEY, "
                "MLFLOW_TRACKING_URI), or remove secretRef"
            )
            problem = Problem("spec.tracking.secretRef", message)
            raise CannotRunError((problem,), Reason.SECRET_NOT_FOUND, retry=True)
        subject.memory.tracking_checked = tracking

    def _status(
        self,
        subject: ExperimentSubject,
        spec: ExperimentSpec,
        seen: Observation,
        decision: Decision,
        *,
        uri: str,
        eta: str | None,
        newer: bool,
    ) -> ExperimentStatus:
        now = self._now()
        status = build_status(
            seen,
            decision,
            subject.status,
            uri=uri,
            eta=eta,
            warnings=(*plan_warnings(spec, seen.plan), *run_warnings(seen.outcomes.values())),
            generation=subject.generation,
            now=now,
            newer=newer,
        )
        return with_published(status, subject.status, seen, decision, generation=subject.generation, now=now)

    def _newer(self, memory: Memory, plan: Plan, tuned: TunedReader) -> bool:
        """Whether tuned hyperparameters have changed since they were pinned; asked now and then."""
        now = self._monotonic()
        if plan.tuned is None or (memory.newer_asked is not None and now - memory.newer_asked < _NEWER_SECONDS):
            return memory.newer
        memory.newer_asked = now
        try:
            memory.newer = tuned.read(plan.tuned.source).digest != plan.tuned.digest
        except (FinetuneError, StoreError) as error:
            # Gone or not ready any more: what is pinned holds.
            logger.debug("hyperparameters are not read again: %s", error)
        return memory.newer


@dataclass(frozen=True)
class _Namespace:
    """Objects of one namespace, as finetune_work reads them."""

    cluster: Cluster
    namespace: str

    def search(self, name: str) -> Json | None:
        return self.cluster.get_search(self.namespace, name)

    def config_map(self, name: str) -> Json | None:
        return self.cluster.get_config_map(self.namespace, name)


def _valid_spec(raw: Json) -> ExperimentSpec:
    try:
        spec = parse_spec(raw)
    except InvalidInputError as error:
        raise CannotRunError(error.problems, Reason.INVALID_SPEC, retry=False) from error
    problems = check_spec(spec)
    if problems:
        raise CannotRunError(problems, Reason.INVALID_SPEC, retry=False)
    return spec
