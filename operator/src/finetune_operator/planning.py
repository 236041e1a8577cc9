"""The plan in force: inputs and tuned values pinned once per spec and kept in the store."""

import logging
from dataclasses import dataclass

from pydantic import ValidationError

from finetune_core.hyperparameters import TunedTasks
from finetune_core.layout import ExperimentLayout
from finetune_core.plan import Plan, pin_key
from finetune_core.planning import check_tuned, plan_experiment
from finetune_core.spec import ExperimentSpec
from finetune_core.status import Reason
from finetune_operator import manifests
from finetune_operator.memory import Memory
from finetune_operator.problems import CannotRunError
from finetune_operator.resolving import Resolver
from finetune_operator.tuning import TuningReader
from finetune_store import NotFoundError, Store

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Planner:
    """Finds or makes the plan of one experiment."""

    owner: manifests.Owner
    memory: Memory
    store: Store
    resolver: Resolver
    tuning: TuningReader

    def plan(self, spec: ExperimentSpec) -> Plan:
        """The plan for a spec; CannotRunError if an input cannot be used, WaitingError while one is looked at."""
        pin = pin_key(spec, self.owner.uid)
        plan = self.memory.plan or self._stored()
        if plan is None or plan.resolved_for != pin:
            tuned = self._tuned(spec, plan)
            inputs = self.resolver.resolve(spec, pin)
            problems = check_tuned(spec, tuned, inputs)
            if problems:
                raise CannotRunError(problems, Reason.INPUT_NOT_FOUND, retry=True)
            where = {"namespace": self.owner.namespace, "name": self.owner.name}
            plan = plan_experiment(spec, inputs, **where, resolved_for=pin, tuned=tuned)
            self.store.put(self._layout.plan, plan.to_bytes())
        self.memory.plan = plan
        return plan

    @property
    def _layout(self) -> ExperimentLayout:
        return ExperimentLayout(self.owner.namespace, self.owner.name)

    def _stored(self) -> Plan | None:
        layout = self._layout
        try:
            return Plan.read(self.store.get(layout.plan), layout.root)
        except NotFoundError:
            return None
        except ValidationError:
            logger.warning("a plan of another version or experiment is made anew", extra={"experiment": layout.root})
            return None

    def _tuned(self, spec: ExperimentSpec, old: Plan | None) -> TunedTasks | None:
        """Pinned when first read: the same source gives the same values, across changes of the spec and deletion."""
        source = spec.hyperparameters_from
        if source is None:
            return None
        if old is not None and old.tuned is not None and old.tuned.source == source:
            return old.tuned
        return self.tuning.read(source)
