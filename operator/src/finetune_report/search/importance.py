"""How much each hyperparameter matters: functional ANOVA over a random forest (https://proceedings.mlr.press/v32/hutter14.html)."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.importance import FanovaImportanceEvaluator, get_param_importances
from optuna.trial import create_trial

from finetune_core.api.search import Distribution, Space
from finetune_core.results.search.trial import TrialResult, TrialState
from finetune_report import canvas
from finetune_report.canvas import Picture
from finetune_report.search.axes import is_number

MIN_TRIALS = 4
_NAME = "importance"


def importances(space: Space, trials: Sequence[TrialResult], *, more: bool) -> dict[str, float]:
    """Hyperparameter -> share of the variance that it explains, greatest first; empty where it cannot be said.

    Only completed trials count: the value of a stopped one is of another training length.
    """
    completed = [one for one in trials if one.state == TrialState.COMPLETED and one.value is not None]
    if len(completed) < MIN_TRIALS or len({one.value for one in completed}) < 2:
        return {}
    varied = {name: one for name, one in space.items() if len({_key(t.config.get(name)) for t in completed}) > 1}
    distributions = {name: _distribution(name, one, completed) for name, one in varied.items()}
    if not distributions:
        return {}
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction="maximize" if more else "minimize")
    for one in completed:
        params = {name: _value(one.config.get(name), kind) for name, kind in distributions.items()}
        study.add_trial(create_trial(params=params, distributions=dict(distributions), value=one.value))
    found = get_param_importances(study, evaluator=FanovaImportanceEvaluator(seed=0))
    return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))


def importance_picture(task: str, space: Space, trials: Sequence[TrialResult], *, metric: str, more: bool) -> Picture:
    """Bars, greatest first; a note where there are too few completed trials, or they do not differ."""
    found = importances(space, trials, more=more)
    if not found:
        count = sum(1 for one in trials if one.state == TrialState.COMPLETED and one.value is not None)
        note = (
            f"The importance of the hyperparameters of {task} cannot be said: that needs at least {MIN_TRIALS} "
            f"completed trials with different values and configurations (there are {count} completed trials)."
        )
        return Picture(_NAME, f"{task}-{_NAME}", note=note)
    return _bars(task, metric, found)


def _bars(task: str, metric: str, found: Mapping[str, float]) -> Picture:
    figure = canvas.figure_of(6.4, 0.45 * len(found) + 1.5)
    axes = figure.subplots()
    places = range(len(found))
    axes.barh(places, list(found.values()), color=canvas.BLUE, height=0.62)
    for place, share in zip(places, found.values(), strict=True):
        axes.text(share + 0.01, place, f"{share:.2f}", va="center")
    axes.set_yticks(places, [canvas.label_of(name) for name in found])
    axes.invert_yaxis()
    axes.set_xlim(0, 1.1)
    axes.grid(visible=False, axis="y")
    axes.set_xlabel(f"share of the variance of {metric} that it explains (fANOVA)")
    title = f"{task}: importance of hyperparameters"
    return replace(canvas.picture(_NAME, task, title, figure), shares=found)


def _distribution(name: str, distribution: Distribution, trials: Sequence[TrialResult]) -> BaseDistribution:
    values = [one.config.get(name) for one in trials]
    ends = distribution.log_uniform or distribution.log_int or distribution.uniform or distribution.int_
    if ends is None or not all(map(is_number, values)):
        # The order of choices decides how the forest splits them, so it must not come from the order of trials.
        return CategoricalDistribution(sorted({_key(value) for value in values}))
    numbers = [*ends, *(value for value in values if value is not None)]
    log = distribution.log_uniform is not None or distribution.log_int is not None
    if all(isinstance(number, int) for number in numbers):
        return IntDistribution(min(numbers), max(numbers), log=log)
    return FloatDistribution(min(numbers), max(numbers), log=log)


def _value(value: Any, kind: BaseDistribution) -> Any:
    return _key(value) if isinstance(kind, CategoricalDistribution) else value


def _key(value: Any) -> str:
    return json.dumps(float(value) if is_number(value) else value, sort_keys=True)
