"""The plan of a search in force: made anew when the spec changes, refused where its trials would not be comparable."""

import logging
from dataclasses import dataclass

from pydantic import ValidationError

from finetune_core.search.changes import refused_changes, reopened_tasks
from finetune_core.search.layout import SearchLayout, TrialKind
from finetune_core.search.plan import SearchPlan
from finetune_core.search.planning import make_search_plan, search_pin_key
from finetune_core.spec import HPSearchSpec
from finetune_core.status import Reason
from finetune_operator import manifests
from finetune_operator.memory import SearchMemory
from finetune_operator.problems import CannotRunError
from finetune_operator.resolving import Resolver
from finetune_store import NotFoundError, Store

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class SearchPlanner:
    """Finds or makes the plan of one search."""

    owner: manifests.Owner
    memory: SearchMemory
    store: Store
    resolver: Resolver

    def plan(self, spec: HPSearchSpec) -> SearchPlan:
        """The plan for a spec; CannotRunError if it cannot be used, WaitingError while inputs are looked at."""
        pin = search_pin_key(spec, self.owner.uid)
        plan = self.memory.plan or self._stored()
        if plan is None or plan.resolved_for != pin:
            plan = self._replace(plan, self._make(spec, pin))
        self.memory.plan = plan
        return plan

    @property
    def _layout(self) -> SearchLayout:
        return SearchLayout(self.owner.namespace, self.owner.name)

    def _make(self, spec: HPSearchSpec, pin: str) -> SearchPlan:
        inputs = self.resolver.resolve(spec, pin)
        return make_search_plan(
            spec,
            namespace=self.owner.namespace,
            name=self.owner.name,
            model=inputs.model,
            data=inputs.data,
            resolved_for=pin,
        )

    def _replace(self, old: SearchPlan | None, new: SearchPlan) -> SearchPlan:
        if old is not None:
            problems = refused_changes(old, new, self._begun(old))
            if problems:
                raise CannotRunError(problems, Reason.SEARCH_CHANGED, retry=True)
            for task in reopened_tasks(old, new):
                # Before the plan: a look that was cut off in between does it again.
                self.store.delete(self._layout.end(task))
                self.memory.ends.pop(task, None)
        self.store.put(self._layout.plan, new.to_bytes())
        return new

    def _begun(self, plan: SearchPlan) -> frozenset[str]:
        """Tasks of which a trial was taken."""
        layout = self._layout
        return frozenset(
            task
            for task in plan.order
            if next(iter(self.store.list(layout.trials(TrialKind.TRIALS, task))), None) is not None
        )

    def _stored(self) -> SearchPlan | None:
        try:
            return SearchPlan.read(self.store.get(self._layout.plan), self._layout.root)
        except NotFoundError:
            return None
        except ValidationError:
            logger.warning("a plan of another version or search is made anew", extra={"search": self._layout.root})
            return None
