"""The plan in force of one object, and what keeps it from being made, in the operator's terms."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from finetune_core.api import ExperimentSpec, HPSearchSpec
from finetune_core.api.status import Reason
from finetune_core.layout import ExperimentLayout
from finetune_core.planning.plan import Plan, pin_key
from finetune_core.planning.plan_size import size_problems
from finetune_core.planning.search.build import search_pin_key
from finetune_core.planning.search.plan import SearchPlan
from finetune_core.problems import InvalidInputError
from finetune_core.search_layout import SearchLayout
from finetune_operator import manifests
from finetune_operator.inputs.resolver import Resolver
from finetune_operator.memory import Memory, SearchMemory
from finetune_operator.problems import CannotRunError, WaitingError
from finetune_store import Store
from finetune_work.plans import ChangeRefusedError, experiment_plan, search_plan
from finetune_work.tuned import TunedNotYetError, TunedReader


@dataclass(frozen=True)
class Planner:
    """Finds or makes the plan of one experiment or search."""

    owner: manifests.Owner
    store: Store
    resolver: Resolver

    def experiment(self, spec: ExperimentSpec, memory: Memory, tuned: TunedReader) -> Plan:
        """The plan for a spec; CannotRunError if an input cannot be used, WaitingError while one is looked at."""
        pin = pin_key(spec, self.owner.uid)
        layout = ExperimentLayout(self.owner.namespace, self.owner.name)
        with _in_operators_terms(), self.resolver.sources(spec, pin) as sources:
            memory.plan = experiment_plan(
                spec, layout, self.store, pin=pin, sources=sources, read_tuned=tuned.read, known=memory.plan
            )
        _check_size(memory.plan)
        return memory.plan

    def search(self, spec: HPSearchSpec, memory: SearchMemory) -> SearchPlan:
        """The plan for a spec; CannotRunError if it cannot be used, WaitingError while inputs are looked at."""
        pin = search_pin_key(spec, self.owner.uid)
        layout = SearchLayout(self.owner.namespace, self.owner.name)
        with _in_operators_terms(), self.resolver.sources(spec, pin) as sources:
            plan = search_plan(spec, layout, self.store, pin=pin, sources=sources, known=memory.plan)
        _check_size(plan)
        if plan is not memory.plan:
            # A new plan lets tasks go on that had ended: their ends are listed again.
            memory.plan, memory.ends, memory.listed = plan, {}, None
        return plan


def _check_size(plan: Plan | SearchPlan) -> None:
    problems = size_problems(plan)
    if problems:
        raise CannotRunError(problems, Reason.INVALID_SPEC, retry=False)


@contextmanager
def _in_operators_terms() -> Iterator[None]:
    try:
        yield
    except CannotRunError:
        raise
    except ChangeRefusedError as error:
        raise CannotRunError(error.problems, Reason.SEARCH_CHANGED, retry=True) from error
    except InvalidInputError as error:
        raise CannotRunError(error.problems, Reason.INPUT_NOT_FOUND, retry=True) from error
    except TunedNotYetError as error:
        raise WaitingError(Reason.WAITING_FOR_HYPERPARAMETERS, str(error)) from error
