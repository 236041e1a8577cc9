"""Figures for plotly.js as plain JSON values; colours of text and grid are the page's. Pure.

https://plotly.com/javascript/reference/ says what the keys mean.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from finetune_core.planning.plan import Plan
from finetune_core.planning.search_plan import SearchPlan
from finetune_core.results.schema import ResultsDocument, TaskRow
from finetune_core.results.summarise import SearchFindings, by_finish
from finetune_core.results.trial import TrialResult, TrialState
from finetune_core.stored import number
from finetune_core.tables import figures
from finetune_report.records import RunRecord

_BEST = "#d55e00"
_OTHER = "#0072b2"
_STATES = {TrialState.COMPLETED: "#0072b2", TrialState.STOPPED: "#e69f00", TrialState.FAILED: "#999999"}


@dataclass(frozen=True)
class Chart:
    """A figure with the id of its place on the page; `title` is also what it is called for those who do not see it."""

    id: str
    title: str
    data: tuple[Mapping[str, Any], ...]
    layout: Mapping[str, Any]

    def figure(self) -> dict[str, Any]:
        """As the page's script wants it."""
        return {"id": self.id, "data": self.data, "layout": self.layout}


def learning_curves(plan: Plan, document: ResultsDocument, records: Iterable[RunRecord]) -> list[Chart]:
    """For each task that has evaluations: the metric that decides against steps, the best run's curve marked."""
    found = list(records)
    charts = (
        _curves(plan, task, [record for record in found if record.run.task == task.task]) for task in document.tasks
    )
    return [chart for chart in charts if chart.data]


def _curves(plan: Plan, task: TaskRow, records: Sequence[RunRecord]) -> Chart:
    metric = plan.tasks[task.task].settings.metric_for_best_model
    best = task.best.run_id if task.best else None
    # The best one last, so that it lies on top.
    ordered = sorted(records, key=lambda record: record.run.run_id == best)
    lines = [
        trace for record in ordered if (trace := _curve(record, metric, best=record.run.run_id == best)) is not None
    ]
    if task.best and lines:
        lines.append(
            {
                "x": [task.best.step],
                "y": [figures.in_unit(metric, task.best.value)],
                "mode": "markers",
                "marker": {"color": _BEST, "size": 12, "symbol": "star"},
                "name": f"best: run {task.best.run}",
                "hovertemplate": f"best: {_number(metric)} at step %{{x}}<extra></extra>",
            }
        )
    return Chart(
        id=f"curves-{task.task}",
        title=f"{task.task}: {metric}",
        data=tuple(lines),
        layout={
            "xaxis": {"title": {"text": "step"}},
            "yaxis": _axis(metric),
            "showlegend": False,
        },
    )


def _curve(record: RunRecord, metric: str, *, best: bool) -> dict[str, Any] | None:
    points = [(evaluation.step, evaluation.metrics.get(metric)) for evaluation in record.evaluations]
    if not points:
        return None
    name = f"run {record.run.run}"
    return {
        "x": [step for step, _ in points],
        "y": _in_unit(metric, (value for _, value in points)),
        "mode": "lines+markers",
        "name": name,
        "line": {"color": _BEST if best else _OTHER, "width": 3 if best else 1.5},
        "opacity": 1 if best else 0.55,
        "marker": {"size": 4},
        "hovertemplate": f"{name} ({record.state.value.lower()}): {_number(metric)} at step %{{x}}<extra></extra>",
    }


def spread(document: ResultsDocument) -> list[Chart]:
    """The scores (x100) of each task's succeeded runs as boxes; none where no task has two."""
    scores = {
        task.task: [run.score for run in document.runs if run.task == task.task and run.score is not None]
        for task in document.tasks
    }
    if all(len(values) < 2 for values in scores.values()):
        return []
    boxes = tuple(
        {"type": "box", "name": task, "y": values, "boxpoints": "all", "jitter": 0.3, "marker": {"color": _OTHER}}
        for task, values in scores.items()
        if values
    )
    return [
        Chart(
            "spread", "Scores of all runs", boxes, {"yaxis": {"title": {"text": "score (× 100)"}}, "showlegend": False}
        )
    ]


def trial_charts(plan: SearchPlan, findings: SearchFindings) -> list[Chart]:
    """For each task with trials that have a value: the best so far, and the objective against each number searched."""
    charts = []
    for task in plan.order:
        ended = by_finish(findings.trials.get(task, ()))
        if any(trial.value is not None for trial in ended):
            charts += [_progress(plan, task, ended), *_against(plan, task, ended)]
    return charts


def _progress(plan: SearchPlan, task: str, ended: Sequence[TrialResult]) -> Chart:
    metric, more = plan.tasks[task].settings.metric_for_best_model, plan.tasks[task].greater_is_better
    best: list[float | None] = []
    for trial in ended:
        known = [value for value in (*best[-1:], trial.value) if value is not None]
        best.append((max(known) if more else min(known)) if known else None)
    numbers = list(range(1, len(ended) + 1))
    line = {"x": numbers, "y": _in_unit(metric, best), "mode": "lines",
            "line": {"shape": "hv", "color": _BEST}, "name": "best so far",
            "hovertemplate": f"best so far: {_number(metric)}<extra></extra>"}  # fmt: skip
    return Chart(
        id=f"progress-{task}",
        title=f"{task}: best so far",
        data=(*_by_state(metric, ended, numbers), line),
        layout={
            "xaxis": {"title": {"text": "trials ended"}},
            "yaxis": _axis(metric),
            "legend": {"orientation": "h", "y": -0.35},
        },
    )


def _against(plan: SearchPlan, task: str, ended: Sequence[TrialResult]) -> Iterable[Chart]:
    metric = plan.tasks[task].settings.metric_for_best_model
    for name, distribution in plan.tasks[task].space.items():
        values = [trial.config.get(name) for trial in ended]
        axis: dict[str, Any] = {"title": {"text": name}}
        if distribution.log_uniform or distribution.log_int:
            axis["type"] = "log"
            values = list(map(number, values))
        elif any(number(value) is None for value in values):
            axis["type"] = "category"
            values = [escape(figures.setting(value)) for value in values]
        yield Chart(
            id=f"{name}-{task}",
            title=f"{task}: {metric} against {name}",
            data=tuple(_by_state(metric, ended, values)),
            layout={
                "xaxis": axis,
                "yaxis": _axis(metric),
                "legend": {"orientation": "h", "y": -0.35},
            },
        )


def _by_state(metric: str, ended: Sequence[TrialResult], across: Sequence[Any]) -> Iterable[dict[str, Any]]:
    for state, colour in _STATES.items():
        points = [(x, trial) for x, trial in zip(across, ended, strict=True) if trial.state == state]
        if points:
            yield {
                "x": [x for x, _ in points],
                "y": _in_unit(metric, (trial.value for _, trial in points)),
                "text": [f"trial {trial.index}" for _, trial in points],
                "mode": "markers",
                "name": state.value.lower(),
                "marker": {"color": colour, "size": 8},
                "hovertemplate": f"%{{text}}: {_number(metric)} at %{{x}}<extra>{state.value.lower()}</extra>",
            }


def _axis(metric: str) -> dict[str, Any]:
    return {"title": {"text": metric + figures.unit(metric)}}


def _in_unit(metric: str, values: Iterable[float | None]) -> list[float | None]:
    return [None if value is None else figures.in_unit(metric, value) for value in values]


def _number(metric: str) -> str:
    """How plotly writes the value below the pointer: as `figures.metric` does."""
    return "%{y:.2f}" if figures.unit(metric) else "%{y:.4g}"
