"""From a search's manifest to its plan in the store, as the operator would make it."""

from dataclasses import dataclass

from pydantic import ValidationError

from finetune_cli.local.inputs import LocalSources
from finetune_cli.local.planning import HERE, Manifest
from finetune_core.decide import execution_limits
from finetune_core.inputs import resolve_inputs
from finetune_core.parse import AnySpec
from finetune_core.plan import ExecutionLimits
from finetune_core.problems import InvalidInputError
from finetune_core.search.changes import refused_changes, reopened_tasks
from finetune_core.search.layout import SearchLayout, TrialKind
from finetune_core.search.parse import check_search, parse_search, search_warnings
from finetune_core.search.plan import SearchJobPlan, SearchPlan
from finetune_core.search.planning import make_search_plan, search_pin_key
from finetune_core.spec import HPSearchSpec
from finetune_store import NotFoundError, S3Connection, Store


@dataclass(frozen=True)
class PlannedSearch:
    """A search's plan, the limits of its runs, and what is probably not meant."""

    plan: SearchPlan
    limits: ExecutionLimits
    warnings: tuple[str, ...]

    def job(self, task: str, trials: int) -> SearchJobPlan:
        """What a driver does that searches on one task, with so many trials at a time."""
        return SearchJobPlan(plan=self.plan, units=((task, 0),), limits=self.limits, concurrent_trials=trials)


def plan_search_locally(manifest: Manifest, store: Store, connection: S3Connection) -> PlannedSearch:
    """Pin the inputs, write the plan. InvalidInputError lists all that cannot be used; StoreError.

    A changed spec is refused where its trials could not be compared with those there are, as in a cluster.
    """
    spec = parse_search(manifest.spec)
    problems = check_search(spec, in_cluster=False)
    if problems:
        raise InvalidInputError(problems)
    layout = SearchLayout(manifest.namespace, manifest.name)
    pin, plan = search_pin_key(spec, HERE), _stored(store, layout)
    if plan is None or plan.resolved_for != pin:
        plan = _replaced(store, layout, plan, _made(spec, manifest, connection, pin))
    return PlannedSearch(plan, execution_limits(spec.execution), search_warnings(spec))


def _made(spec: HPSearchSpec, manifest: Manifest, connection: S3Connection, pin: str) -> SearchPlan:
    shared: AnySpec = spec
    inputs = resolve_inputs(shared, LocalSources(connection))
    names = {"namespace": manifest.namespace, "name": manifest.name}
    return make_search_plan(spec, **names, model=inputs.model, data=inputs.data, resolved_for=pin)


def _replaced(store: Store, layout: SearchLayout, old: SearchPlan | None, new: SearchPlan) -> SearchPlan:
    if old is not None:
        begun = frozenset(task for task in old.order if any(store.list(layout.trials(TrialKind.TRIALS, task))))
        problems = refused_changes(old, new, begun)
        if problems:
            raise InvalidInputError(problems)
        for task in reopened_tasks(old, new):
            store.delete(layout.end(task))
    store.put(layout.plan, new.to_bytes())
    return new


def _stored(store: Store, layout: SearchLayout) -> SearchPlan | None:
    try:
        return SearchPlan.read(store.get(layout.plan), layout.root)
    except (NotFoundError, ValidationError):
        return None
