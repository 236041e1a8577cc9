"""The plan in force of an experiment or a search: found in the store, or made where the spec asks for another."""

from collections.abc import Callable, Mapping

from finetune_core.api import ExperimentSpec, HPSearchSpec, HyperparametersFrom
from finetune_core.layout import ExperimentLayout
from finetune_core.planning.experiment import check_tuned, plan_experiment
from finetune_core.planning.inputs import FolderSource, resolve_inputs
from finetune_core.planning.plan import Plan
from finetune_core.planning.search.build import make_search_plan
from finetune_core.planning.search.changes import refused_changes, reopened_tasks
from finetune_core.planning.search.plan import SearchPlan
from finetune_core.planning.tuned import TunedTasks
from finetune_core.problems import InvalidInputError
from finetune_core.search_layout import SearchLayout, TrialKind
from finetune_core.seeds.growth import with_runs
from finetune_store import Store
from finetune_store.documents import find_or_warn

ReadTuned = Callable[[HyperparametersFrom], TunedTasks]


class ChangeRefusedError(InvalidInputError):
    """The trials of the changed search could not be compared with those that there are."""


def experiment_plan(
    spec: ExperimentSpec,
    layout: ExperimentLayout,
    store: Store,
    *,
    pin: str,
    sources: FolderSource,
    read_tuned: ReadTuned,
    known: Plan | None = None,
) -> Plan:
    """The plan of a spec, kept in the store; `pin` says what its inputs are looked at once for (see `pin_key`).

    `known` is the plan that the caller remembers, which saves a read. Raises InvalidInputError with every input that
    cannot be used, NotYetError while one is not there, StoreError.
    """
    # One that cannot be read is made anew.
    plan = known or find_or_warn(store, layout.plan, Plan, layout.root)
    if plan is not None and plan.resolved_for == pin:
        return plan
    tuned = _tuned(spec, plan, read_tuned)
    inputs = resolve_inputs(spec, sources)
    problems = check_tuned(spec, tuned, inputs)
    if problems:
        raise InvalidInputError(problems)
    plan = plan_experiment(
        spec, inputs, namespace=layout.namespace, name=layout.experiment, resolved_for=pin, tuned=tuned, before=plan
    )
    store.put(layout.plan, plan.to_bytes())
    return plan


def add_runs(spec: ExperimentSpec, plan: Plan, runs: Mapping[str, int], store: Store) -> Plan:
    """The plan of a spec where tasks have at least so many runs, kept in the store in place of the old one. StoreError.

    Inputs are not looked at: they are those of the plan.
    """
    grown = with_runs(plan, spec, runs)
    store.put(ExperimentLayout(plan.namespace, plan.experiment).plan, grown.to_bytes())
    return grown


def search_plan(
    spec: HPSearchSpec,
    layout: SearchLayout,
    store: Store,
    *,
    pin: str,
    sources: FolderSource,
    known: SearchPlan | None = None,
) -> SearchPlan:
    """The plan of a search, kept in the store; see `experiment_plan`.

    Raises ChangeRefusedError where the spec's trials could not be compared with those that there are,
    InvalidInputError, NotYetError, StoreError.
    """
    old = known or find_or_warn(store, layout.plan, SearchPlan, layout.root)
    if old is not None and old.resolved_for == pin:
        return old
    inputs = resolve_inputs(spec, sources)
    names = {"namespace": layout.namespace, "name": layout.search}
    plan = make_search_plan(spec, **names, model=inputs.model, data=inputs.data, resolved_for=pin)
    if old is not None:
        _reopen(old, plan, layout, store)
    store.put(layout.plan, plan.to_bytes())
    return plan


def _tuned(spec: ExperimentSpec, old: Plan | None, read: ReadTuned) -> TunedTasks | None:
    """Pinned when first read: the same source gives the same values, across changes of the spec and deletion."""
    source = spec.hyperparameters_from
    if source is None:
        return None
    if old is not None and old.tuned is not None and old.tuned.source == source:
        return old.tuned
    return read(source)


def _reopen(old: SearchPlan, new: SearchPlan, layout: SearchLayout, store: Store) -> None:
    """Let tasks that have ended go on where the new plan has more trials for them."""
    begun = frozenset(task for task in old.order if any(store.list(layout.trials(TrialKind.TRIALS, task))))
    problems = refused_changes(old, new, begun)
    if problems:
        raise ChangeRefusedError(problems)
    for task in reopened_tasks(old, new):
        # Before the plan is written: a look that was cut off in between does it again.
        store.delete(layout.end(task))
