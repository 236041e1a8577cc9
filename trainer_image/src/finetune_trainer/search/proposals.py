"""The configuration of a fresh trial: a pure function of its index, or what TPE makes of the results so far."""

from collections.abc import Callable, Sequence

from finetune_core.api.search import Algorithm
from finetune_core.planning.search.plan import SearchPlan
from finetune_core.planning.search.space import configuration
from finetune_core.planning.settings import Config
from finetune_core.results.search.trial import TrialResult
from finetune_trainer.search.phase import Propose


def proposer(plan: SearchPlan, task: str) -> Propose:
    """How the trials of a task get their configurations."""
    if plan.algorithm == Algorithm.TPE:
        from finetune_trainer.search.tpe import Tpe  # noqa: PLC0415 - only TPE needs optuna

        return Tpe(plan, task).propose
    space, algorithm, seed = plan.tasks[task].space, plan.algorithm, plan.seed
    return lambda index, *_: configuration(space, algorithm=algorithm, seed=seed, task=task, index=index)


def given(configs: Sequence[Config]) -> Propose:
    """Index i gets configuration i: finalists."""

    def propose(
        index: int, results: list[TrialResult], running: list[Config], tried: Callable[[Config], bool]
    ) -> Config:
        return dict(configs[index])

    return propose
