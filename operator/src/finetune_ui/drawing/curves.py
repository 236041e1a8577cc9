"""Learning curves: of all runs of a task, of one run, of several experiments or runs on one pair of axes. Pure.

However many runs a task has, its chart has a handful of traces: curves of one colour are one line with gaps.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from finetune_core.planning.plan import Plan
from finetune_core.results.evaluation import Evaluation
from finetune_core.results.intervals import Mean, mean_curve
from finetune_core.results.schema import ResultsDocument, TaskRow
from finetune_core.tables import figures
from finetune_report.records import RunRecord
from finetune_ui.drawing.choice import LEARNING_RATE, TRAIN_LOSS, Choice
from finetune_ui.drawing.figure import BEST, OTHER, Chart, axis, in_unit, number, see_through

_MOST_MARKED = 40
"""Points of a line that are marked each; of more the line is enough, and quicker."""


@dataclass(frozen=True)
class Line:
    """The curve of a run: (step, value in the metric's unit), None where a value is not finite."""

    run: int
    points: tuple[tuple[int, float | None], ...]


def measured(records: Iterable[RunRecord]) -> Iterable[tuple[str, ...]]:
    """What the evaluations of each run have."""
    return (_names(evaluation) for record in records for evaluation in record.evaluations)


def _names(evaluation: Evaluation) -> tuple[str, ...]:
    beside = {TRAIN_LOSS: evaluation.train_loss, LEARNING_RATE: evaluation.learning_rate}
    return (*evaluation.metrics, *(name for name, value in beside.items() if value is not None))


def line_of(record: RunRecord, metric: str, choice: Choice) -> Line | None:
    """A run's curve, smoothed; None where it has not measured that."""
    found = [(one.step, _value(one, metric)) for one in record.evaluations if metric in _names(one)]
    if not found:
        return None
    values = choice.smooth(in_unit(metric, (value for _, value in found)))
    return Line(record.run.run, tuple(zip((step for step, _ in found), values, strict=True)))


def _value(evaluation: Evaluation, metric: str) -> float | None:
    if metric == TRAIN_LOSS:
        return evaluation.train_loss
    return evaluation.learning_rate if metric == LEARNING_RATE else evaluation.metrics.get(metric)


def learning_curves(plan: Plan, document: ResultsDocument, records: Iterable[RunRecord], choice: Choice) -> list[Chart]:
    """For each task that has measured what was chosen: all runs against steps, their mean, the best one marked."""
    found = list(records)
    charts = (
        _curves(plan, task, [record for record in found if record.run.task == task.task], choice)
        for task in document.tasks
    )
    return [chart for chart in charts if chart.data]


def _curves(plan: Plan, task: TaskRow, records: Sequence[RunRecord], choice: Choice) -> Chart:
    deciding = plan.tasks[task.task].settings.metric_for_best_model
    metric = choice.metric or deciding
    best = task.best.run_id if task.best else None
    others = _lines(metric, choice, (record for record in records if record.run.run_id != best))
    chosen = _lines(metric, choice, (record for record in records if record.run.run_id == best))
    return Chart(
        id=f"curves-{task.task}",
        title=f"{task.task}: {metric}",
        data=(
            *([together("other runs", metric, others, OTHER)] if others else ()),
            *mean_and_band("mean", metric, [*others, *chosen], OTHER),
            *([together("best run", metric, chosen, BEST, width=3)] if chosen else ()),
            *([_star(task, metric)] if task.best and metric == deciding and not choice.smoothing and chosen else ()),
        ),
        layout={"xaxis": {"title": {"text": "step"}}, "yaxis": axis(metric), "showlegend": False},
    )


def _lines(metric: str, choice: Choice, records: Iterable[RunRecord]) -> list[Line]:
    return [line for record in records if (line := line_of(record, metric, choice)) is not None]


def together(name: str, metric: str, lines: Sequence[Line], colour: str, *, width: float = 1.5) -> dict[str, Any]:
    """Curves of one colour, as one trace."""
    points = [(step, value, line.run) for line in lines for step, value in (*line.points, (None, None))][:-1]
    few = len(points) <= _MOST_MARKED * max(1, len(lines)) and len(points) <= 10 * _MOST_MARKED
    return {
        "x": [step for step, _, _ in points],
        "y": [value for _, value, _ in points],
        "customdata": [run for _, _, run in points],
        "mode": "lines+markers" if few else "lines",
        "name": name,
        "line": {
            "color": colour if width > 2 else see_through(colour, 0.55 if len(lines) < 20 else 0.25),
            "width": width,
        },
        "marker": {"size": 4, "color": colour},
        "cliponaxis": False,
        "hovertemplate": f"run %{{customdata}}: {number(metric)} at step %{{x}}<extra></extra>",
    }


def mean_and_band(name: str, metric: str, lines: Sequence[Line], colour: str) -> list[dict[str, Any]]:
    """The mean over runs where two of them, and half of them, have a value; the band is its 95 % interval."""
    told = mean_curve([line.points for line in lines], figures.ends(metric))
    if not told:
        return []
    banded = [(step, mean.interval) for step, mean in told if mean.interval]
    edge = [(step, one.high) for step, one in banded] + [(step, one.low) for step, one in reversed(banded)]
    band = {
        "x": [step for step, _ in edge], "y": [y for _, y in edge], "fill": "toself",
        "fillcolor": see_through(colour, 0.18), "line": {"width": 0}, "mode": "lines",
        "name": f"95 % interval of the {name}", "hoverinfo": "skip", "showlegend": False,
    }  # fmt: skip
    mean = {
        "x": [step for step, _ in told], "y": [mean.value for _, mean in told], "mode": "lines", "name": name,
        "line": {"color": colour, "width": 2, "dash": "dash"},
        "text": [_of_runs(mean) for _, mean in told],
        "hovertemplate": f"{name}: {number(metric)} (%{{text}}) at step %{{x}}<extra></extra>",
    }  # fmt: skip
    return [*([band] if banded else []), mean]


def _of_runs(mean: Mean) -> str:
    return f"± {mean.interval.half:.2g}, {mean.n} runs" if mean.interval else f"{mean.n} runs"


def _star(task: TaskRow, metric: str) -> dict[str, Any]:
    best = task.best
    return {} if best is None else {
        "x": [best.step],
        "y": in_unit(metric, [best.value]),
        "mode": "markers",
        "marker": {"color": BEST, "size": 12, "symbol": "star"},
        "name": f"best: run {best.run}",
        "cliponaxis": False,
        "hovertemplate": f"best: run {best.run}, {number(metric)} at step %{{x}}<extra></extra>",
    }  # fmt: skip


def run_curves(record: RunRecord, metric: str, choice: Choice) -> list[Chart]:
    """One run: the metric, and its losses on one pair of axes."""
    losses = {name: line for name in ("loss", TRAIN_LOSS) if (line := line_of(record, name, choice)) is not None}
    charts = [_plain("curve", metric, {metric: line})] if (line := line_of(record, metric, choice)) else []
    return charts + ([_plain("losses", "loss", losses)] if losses and metric not in losses else [])


def _plain(place: str, metric: str, lines: Mapping[str, Line]) -> Chart:
    colours = (OTHER, BEST)
    return Chart(
        id=place,
        title=" and ".join(lines),
        data=tuple(
            together(name, name, [line], colour, width=2.5)
            for (name, line), colour in zip(lines.items(), colours, strict=False)
        ),
        layout={
            "xaxis": {"title": {"text": "step"}},
            "yaxis": axis(metric),
            "showlegend": len(lines) > 1,
            "legend": {"orientation": "h", "y": -0.3},
        },
    )
