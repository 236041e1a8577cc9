"""Charts of a search: the same as in its report. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from finetune_core.planning.search.plan import SearchPlan
from finetune_core.results.search.best_trial import ranked
from finetune_core.results.search.summarise import SearchFindings, by_finish
from finetune_core.results.search.summary import TaskSummary
from finetune_core.results.search.trial import TrialResult, TrialState
from finetune_core.stored import finite
from finetune_core.stored import number as as_number
from finetune_core.tables import figures
from finetune_report.search.axes import Scale, scale_of
from finetune_ui.drawing.figure import BEST, OTHER, Chart, axis, in_unit, number

_STATES = {TrialState.COMPLETED: "#0072b2", TrialState.STOPPED: "#e69f00", TrialState.FAILED: "#999999"}
_SHADES = ("#440154", "#414487", "#2a788e", "#22a884", "#7ad151", "#fde725")
"""Viridis, from the worst to the best."""

_Valued = tuple[TrialResult, float]
"""A trial with its value, in the unit of its metric."""


def trial_charts(plan: SearchPlan, findings: SearchFindings, told: Mapping[str, TaskSummary]) -> list[Chart]:
    """For each task with trials that have a value: the best so far, the objective against each hyperparameter, which
    of them matter (where the report of the task, `told`, says so), and all of them at once.
    """
    charts = []
    for task in plan.order:
        ended = by_finish(findings.trials.get(task, ()))
        if any(trial.value is not None for trial in ended):
            charts += [_progress(plan, task, ended), *_against(plan, task, ended)]
            charts += [*_importance(told.get(task)), *_parallel(plan, task, ended)]
    return charts


def _progress(plan: SearchPlan, task: str, ended: Sequence[TrialResult]) -> Chart:
    metric, more = plan.tasks[task].settings.metric_for_best_model, plan.tasks[task].greater_is_better
    best: list[float | None] = []
    for trial in ended:
        known = [value for value in (*best[-1:], trial.value) if value is not None]
        best.append((max(known) if more else min(known)) if known else None)
    numbers = list(range(1, len(ended) + 1))
    line = {"x": numbers, "y": in_unit(metric, best), "mode": "lines",
            "line": {"shape": "hv", "color": BEST}, "name": "best so far",
            "hovertemplate": f"best so far: {number(metric)}<extra></extra>"}  # fmt: skip
    return Chart(
        id=f"progress-{task}",
        title=f"{task}: best so far",
        data=(*_by_state(metric, ended, numbers), line),
        layout={
            "xaxis": {"title": {"text": "trials ended"}},
            "yaxis": axis(metric, _values(metric, ended)),
            "legend": {"orientation": "h", "y": -0.35},
        },
    )


def _against(plan: SearchPlan, task: str, ended: Sequence[TrialResult]) -> Iterable[Chart]:
    metric = plan.tasks[task].settings.metric_for_best_model
    for name, distribution in plan.tasks[task].space.items():
        values = [trial.config.get(name) for trial in ended]
        across: dict[str, Any] = {"title": {"text": name}}
        if distribution.log_uniform or distribution.log_int:
            across["type"] = "log"
            values = list(map(as_number, values))
        elif any(as_number(value) is None for value in values):
            across["type"] = "category"
            values = [escape(figures.setting(value)) for value in values]
        yield Chart(
            id=f"{name}-{task}",
            title=f"{task}: {metric} against {name}",
            data=tuple(_by_state(metric, ended, values)),
            layout={
                "xaxis": across,
                "yaxis": axis(metric, _values(metric, ended)),
                "legend": {"orientation": "h", "y": -0.35},
            },
        )


def _by_state(metric: str, ended: Sequence[TrialResult], across: Sequence[Any]) -> Iterable[dict[str, Any]]:
    for state, colour in _STATES.items():
        points = [(x, trial) for x, trial in zip(across, ended, strict=True) if trial.state == state]
        if points:
            yield {
                "x": [x for x, _ in points],
                "y": in_unit(metric, (trial.value for _, trial in points)),
                "text": [f"trial {trial.index}" for _, trial in points],
                "mode": "markers",
                "name": state.value.lower(),
                "marker": {"color": colour, "size": 8},
                "hovertemplate": f"%{{text}}: {number(metric)} at %{{x}}<extra>{state.value.lower()}</extra>",
            }


def _values(metric: str, ended: Sequence[TrialResult]) -> list[float | None]:
    return in_unit(metric, (trial.value for trial in ended))


def _importance(told: TaskSummary | None) -> Iterable[Chart]:
    """As the report found it: this process has no forest to grow."""
    if told is None or not told.importance:
        return
    shares = [finite(share) for share in told.importance.values()]
    bars = {"type": "bar", "orientation": "h", "y": list(told.importance), "x": shares,
            "marker": {"color": OTHER},
            "texttemplate": "%{x:.2f}", "hovertemplate": "%{y}: %{x:.2f}<extra></extra>"}  # fmt: skip
    yield Chart(
        id=f"importance-{told.task}",
        title=f"{told.task}: share of the variance of {told.metric} that it explains",
        data=(bars,),
        layout={
            "xaxis": {"title": {"text": "importance (fANOVA)"}, "range": [0, 1]},
            "yaxis": {"autorange": "reversed"},
        },
    )


def _parallel(plan: SearchPlan, task: str, ended: Sequence[TrialResult]) -> Iterable[Chart]:
    """Every trial with a value as a line across all hyperparameters: the better, the brighter, the best on top."""
    metric = plan.tasks[task].settings.metric_for_best_model
    told = [(trial, value) for trial in ranked(ended) for value in in_unit(metric, [trial.value]) if value is not None]
    if len(told) < 2:
        return
    scales = [scale_of(name, distribution, ended) for name, distribution in plan.tasks[task].space.items()]
    ends = min(value for _, value in told), max(value for _, value in told)
    best, *others = told
    lines = [
        _crossing(metric, scales, trials, ends, {"color": shade, "width": 1.2})
        for shade, trials in _shaded(others[::-1]).items()
    ]
    yield Chart(
        id=f"parallel-{task}",
        title=f"{task}: trials across hyperparameters, the best one bold",
        data=(*lines, _crossing(metric, scales, [best], ends, {"color": BEST, "width": 3})),
        layout=_upright(scales, metric, ends),
    )


def _shaded(worst_first: Sequence[_Valued]) -> dict[str, list[_Valued]]:
    """The trials by colour: some have to share one, for a colour is one trace."""
    shades: dict[str, list[_Valued]] = {}
    for place, one in enumerate(worst_first):
        shades.setdefault(_SHADES[place * len(_SHADES) // len(worst_first)], []).append(one)
    return shades


def _upright(scales: Sequence[Scale], metric: str, ends: tuple[float, float]) -> dict[str, Any]:
    names = [*(scale.name for scale in scales), metric + figures.unit(metric)]
    objective = [(_height(end, ends), f"{end:.4g}") for end in dict.fromkeys(ends)]
    ticks = [tick for x, scale in enumerate(scales) for tick in _ticks(x, scale.ticks())]
    return {
        "xaxis": {"tickvals": list(range(len(names))), "ticktext": names, "range": [-0.2, len(names) - 0.5]},
        "yaxis": {"visible": False, "range": [-0.06, 1.06]},
        "showlegend": False,
        "annotations": [*ticks, *_ticks(len(scales), objective)],
    }


def _height(value: float, ends: tuple[float, float]) -> float:
    """Between both ends as 0 to 1; in the middle where they are one."""
    span = finite(ends[1] - ends[0])
    return (value - ends[0]) / span if span else 0.5


def _crossing(
    metric: str, scales: Sequence[Scale], trials: Sequence[_Valued], ends: tuple[float, float], line: Mapping[str, Any]
) -> dict[str, Any]:
    """The lines of one colour as one trace with gaps."""
    x: list[int | None] = []
    y: list[float | None] = []
    text: list[str] = []
    for trial, value in trials:
        shares = [as_number(scale.share(trial.config)) for scale in scales]
        x += [*range(len(scales) + 1), None]
        y += [*shares, _height(value, ends), None]
        told = escape(f"trial {trial.index}: {metric} {value:.4g}, {figures.settings(trial.config)}")
        text += [told] * (len(scales) + 2)
    return {"x": x, "y": y, "text": text, "mode": "lines", "line": line, "hovertemplate": "%{text}<extra></extra>"}


def _ticks(x: int, places: Iterable[tuple[float, str]]) -> Iterable[dict[str, Any]]:
    return (
        {"x": x, "y": place, "text": escape(label), "showarrow": False, "xanchor": "left", "xshift": 4,
         "font": {"size": 10}}
        for place, label in places
    )  # fmt: skip
