"""Tree-structured Parzen estimator (https://papers.nips.cc/paper/4443): Optuna's, told everything that the store has.

A study is made anew for each proposal, so it makes no difference which driver asks, or when it was started.
"""

import warnings
from collections.abc import Callable
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial

from finetune_core.api.search import Distribution
from finetune_core.planning.identity import derive_seed
from finetune_core.planning.search.plan import SearchPlan
from finetune_core.planning.settings import Config
from finetune_core.results.search.trial import TrialResult
from finetune_core.results.search.trial import TrialState as State

_STARTUP = 10
_TRIES = 20
_SEED_SHIFT = 1_000_000
"""Keeps the sampler's seeds away from those of runs, which are derived with small numbers."""


class Tpe:
    """Proposes configurations for one task."""

    def __init__(self, plan: SearchPlan, task: str) -> None:
        self._plan = plan
        self._task = task
        self._searched = plan.tasks[task]
        self._space = {name: _Dimension(one) for name, one in self._searched.space.items()}
        optuna.logging.set_verbosity(optuna.logging.WARNING)

    def propose(
        self, index: int, results: list[TrialResult], running: list[Config], tried: Callable[[Config], bool]
    ) -> Config:
        """A configuration that was not tried yet, as far as one is found in a few attempts.

        Running trials count as bad ones (constant liar), so that drivers do not all try the same.
        """
        study = self._study(index)
        for result in results:
            if result.duplicate_of is None and self._fits(result.config):
                study.add_trial(self._ended(result))
        for config in filter(self._fits, running):
            study.add_trial(self._trial(config, TrialState.RUNNING))
        distributions = {name: one.distribution for name, one in self._space.items()}
        for _ in range(_TRIES):
            asked = study.ask(distributions)
            config = {name: one.value(asked.params[name]) for name, one in self._space.items()}
            if not tried(config):
                break
            study.tell(asked, state=TrialState.PRUNED)
        return config

    def _fits(self, config: Config) -> bool:
        """Whether it is of this space: a search may have been given another one since."""
        try:
            self._trial(config, TrialState.RUNNING)
        except ValueError:
            return False
        return config.keys() == self._space.keys()

    def _study(self, index: int) -> optuna.Study:
        seed = derive_seed("search", self._plan.seed, self._task, _SEED_SHIFT + index)
        startup = min(_STARTUP, max(1, self._searched.trials // 3))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            sampler = optuna.samplers.TPESampler(
                seed=seed, n_startup_trials=startup, multivariate=True, constant_liar=True
            )
        more = optuna.study.StudyDirection.MAXIMIZE
        direction = more if self._searched.greater_is_better else optuna.study.StudyDirection.MINIMIZE
        return optuna.create_study(sampler=sampler, direction=direction)

    def _ended(self, result: TrialResult) -> FrozenTrial:
        if result.state == State.COMPLETED and result.value is not None:
            return self._trial(result.config, TrialState.COMPLETE, value=result.value)
        # Stopped early: ranked by how far it came, then by its value there; without any value it is the worst.
        history = () if result.diverged else result.history
        reached = {round(100 * one.progress): one.metrics.get(result.metric) for one in history}
        finite = {step: value for step, value in reached.items() if value is not None}
        return self._trial(result.config, TrialState.PRUNED, intermediate_values=finite)

    def _trial(self, config: Config, state: TrialState, **outcome: Any) -> FrozenTrial:
        known = {name: one for name, one in self._space.items() if name in config}
        return create_trial(
            state=state,
            params={name: one.parameter(config[name]) for name, one in known.items()},
            distributions={name: one.distribution for name, one in known.items()},
            **outcome,
        )


class _Dimension:
    """A hyperparameter for Optuna; choices by their place in the list: their values may be anything."""

    def __init__(self, one: Distribution) -> None:
        self._choices: tuple[Any, ...] | None = one.choice or one.grid
        self.distribution: BaseDistribution = _distribution(one)

    def value(self, parameter: Any) -> Any:
        return self._choices[parameter] if self._choices is not None else parameter

    def parameter(self, value: Any) -> Any:
        return self._choices.index(value) if self._choices is not None else value


def _distribution(one: Distribution) -> BaseDistribution:
    if one.uniform is not None:
        return FloatDistribution(one.uniform[0], one.uniform[1])
    if one.log_uniform is not None:
        return FloatDistribution(one.log_uniform[0], one.log_uniform[1], log=True)
    if one.int_ is not None:
        return IntDistribution(one.int_[0], one.int_[1])
    if one.log_int is not None:
        return IntDistribution(one.log_int[0], one.log_int[1], log=True)
    return CategoricalDistribution(list(range(len(one.choice or one.grid or ()))))
