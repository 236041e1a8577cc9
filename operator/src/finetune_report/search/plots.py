"""The plots of a searched task."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from finetune_core.planning.search.plan import SearchPlan
from finetune_core.results.search.best_trial import best_trial
from finetune_core.results.search.summarise import SearchFindings, by_finish, seconds_between, start_of
from finetune_core.results.search.trial import TrialResult, TrialState
from finetune_core.tables import figures
from finetune_report import canvas
from finetune_report.canvas import Picture
from finetune_report.search import marks
from finetune_report.search.axes import Scale, is_number, scale_of
from finetune_report.search.importance import importance_picture
from finetune_report.search.parallel import parallel_picture

_COLUMNS = 3
_GOLDEN = (5**0.5 - 1) / 2
_VALUED = (TrialState.COMPLETED, TrialState.STOPPED)


@dataclass(frozen=True)
class _Task:
    name: str
    metric: str
    more: bool
    trials: Sequence[TrialResult]  # each configuration once, in the order in which they ended
    scales: Sequence[Scale]
    start: str | None

    def valued(self, state: TrialState) -> list[TrialResult]:
        return [trial for trial in self.trials if trial.state == state and trial.value is not None]

    @property
    def without_value(self) -> list[TrialResult]:
        return [trial for trial in self.trials if trial.state == TrialState.FAILED or trial.value is None]

    def value(self, trial: TrialResult) -> float:
        return figures.in_unit(self.metric, trial.value if trial.value is not None else float("nan"))


def plot_task(plan: SearchPlan, findings: SearchFindings, task: str) -> list[Picture]:
    """All plots of a task, or notes that say why one is missing."""
    searched = plan.tasks[task]
    trials = by_finish(findings.trials.get(task, ()))
    if best_trial(trials) is None:
        return [Picture("none", f"{task}-none", note="There are no plots: no trial has a value.")]
    names = sorted(searched.space, key=lambda name: (name != "learningRate", name))
    seen = _Task(
        name=task,
        metric=searched.settings.metric_for_best_model,
        more=searched.greater_is_better,
        trials=trials,
        scales=[scale_of(name, searched.space[name], trials) for name in names],
        start=start_of(findings, task),
    )
    with canvas.style():
        return [
            _hyperparameters(seen),
            _progress(seen),
            parallel_picture(task, seen.metric, seen.scales, trials, more=seen.more),
            importance_picture(task, searched.space, trials, metric=seen.metric, more=seen.more),
        ]


def _hyperparameters(task: _Task) -> Picture:
    """The objective against every hyperparameter, a panel each."""
    count = len(task.scales)
    columns = min(_COLUMNS, count)
    rows = -(-count // columns)
    tall = 4.3 if any(_upright(_broken(scale)) for scale in task.scales if scale.categories is not None) else 3.1
    figure = canvas.figure_of(max(3.6 * columns, 5.2), tall * rows + 0.7)
    panels = figure.subplots(rows, columns, squeeze=False, sharey=True).flatten()
    panels[0].margins(y=0.08)  # room for the ring around the best
    for number, (axes, scale) in enumerate(zip(panels, task.scales, strict=False)):
        _against(axes, task, scale)
        if number % columns == 0:
            axes.set_ylabel(canvas.objective_label(task.metric))
    for axes in panels[count:]:
        axes.set_visible(False)
    canvas.end_at(panels[0], task.metric)
    title = f"{task.name}: objective against hyperparameters"
    canvas.legend_below(figure, panels[0])
    return canvas.picture("hyperparameters", task.name, title, figure)


def _against(axes: Axes, task: _Task, scale: Scale) -> None:
    for state in _VALUED:
        placed = [(x, task.value(trial)) for trial in task.valued(state) if (x := _place(scale, trial)) is not None]
        if placed:
            axes.scatter(
                [x for x, _ in placed], [y for _, y in placed], s=26, alpha=0.75, zorder=3, **marks.MARKS[state]
            )
    best = best_trial(task.trials)
    if best is not None and (x := _place(scale, best)) is not None:
        ring: dict[str, Any] = {"s": 130, "facecolors": "none", "edgecolors": "black", "linewidths": 1.2, "zorder": 4}
        axes.scatter([x], [task.value(best)], label="best", **ring)
    if lost := [x for trial in task.without_value if (x := _place(scale, trial)) is not None]:
        marks.failed_marks(axes, lost)
    axes.set_xlabel(canvas.label_of(scale.name))
    _finish_axis(axes, scale)


def _place(scale: Scale, trial: TrialResult) -> float | None:
    """Trials of one category are spread over its width, always the same way, or they would hide each other.

    Numbers stay where they are, those of a list too: beside its place a point would be of another number.
    """
    place = scale.place(trial.config)
    if place is None or scale.categories is None or all(map(is_number, scale.categories)):
        return place
    # Multiples of the golden ratio spread evenly, however many there are.
    return place + 0.4 * (trial.index * _GOLDEN % 1 - 0.5)


def _finish_axis(axes: Axes, scale: Scale) -> None:
    low, high = scale.limits
    if scale.categories is not None:
        labels = [label for _, label in scale.ticks()]
        upright = _upright(_broken(scale))
        axes.set_xticks(range(len(labels)), labels if upright else _broken(scale), rotation=90 if upright else 0)
        axes.set_xlim(-0.5, high + 0.5)
    elif scale.log:
        axes.set_xscale("log")
        # The usual labels of less than two decades (2 × 10⁻⁵, 3 × 10⁻⁵, ...) run into each other.
        if high / low < 100:
            axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.4g}"))
            axes.xaxis.set_minor_formatter(NullFormatter())
        room = (high / low) ** 0.05 if high > low else 1.5
        axes.set_xlim(low / room, high * room)
    else:
        room = (high - low) * 0.05 or 0.5
        axes.set_xlim(low - room, high + room)


def _broken(scale: Scale) -> list[str]:
    """Names of categories; those as long as `constant_with_warmup` on several lines."""
    return [label.replace("_", "_\n") if len(label) > 10 else label for _, label in scale.ticks()]


def _upright(labels: list[str]) -> bool:
    """Whether they are too wide to stand side by side below one panel."""
    return len(labels) * max(len(line) for label in labels for line in label.split("\n")) > 36


def _progress(task: _Task) -> Picture:
    """The best value so far against trials, and against wall time."""
    figure = canvas.figure_of(8.4, 3.8)
    left, right = figure.subplots(1, 2, sharey=True)
    numbered = [(float(number), trial) for number, trial in enumerate(task.trials, start=1)]
    timed = [
        (seconds, trial)
        for trial in task.trials
        if (seconds := seconds_between(task.start, trial.finished_at)) is not None
    ]
    unit, length = _time_unit(max((seconds for seconds, _ in timed), default=0.0))
    _so_far(left, task, numbered)
    _so_far(right, task, [(seconds / length, trial) for seconds, trial in timed])
    left.set_xlabel("trials ended")
    left.xaxis.set_major_locator(MaxNLocator(integer=True))
    left.set_xlim(0, 1.03 * len(task.trials) + 0.5)
    left.set_ylabel(canvas.objective_label(task.metric))
    right.set_xlabel(f"wall time since the search began ({unit})")
    right.set_xlim(left=0)
    canvas.end_at(left, task.metric)
    title = f"{task.name}: best value so far"
    canvas.legend_below(figure, left)
    return canvas.picture("progress", task.name, title, figure)


def _so_far(axes: Axes, task: _Task, trials: list[tuple[float, TrialResult]]) -> None:
    for state in _VALUED:
        points = [(x, task.value(trial)) for x, trial in trials if trial.state == state and trial.value is not None]
        if points:
            mark = marks.MARKS[state]
            axes.scatter([x for x, _ in points], [y for _, y in points], s=18, alpha=0.75, zorder=2, **mark)
    if lost := [x for x, trial in trials if trial in task.without_value]:
        marks.failed_marks(axes, lost)
    line: list[tuple[float, float]] = []
    for x, trial in trials:
        if trial.value is not None and trial.state != TrialState.FAILED:
            value = task.value(trial)
            line.append((x, (max if task.more else min)(value, line[-1][1]) if line else value))
    if line:
        line.append((trials[-1][0], line[-1][1]))
        axes.step(
            [x for x, _ in line], [y for _, y in line], where="post", color="black", label="best so far", zorder=3
        )


def _time_unit(seconds: float) -> tuple[str, float]:
    if seconds >= 3 * 3600:
        return "hours", 3600.0
    return ("minutes", 60.0) if seconds >= 180 else ("seconds", 1.0)
