"""Parallel coordinates: every trial a line across the axes of all hyperparameters, coloured by its value."""

from collections.abc import Sequence

from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize

from finetune_core.results.search.best_trial import ranked
from finetune_core.results.search.trial import TrialResult
from finetune_core.tables import figures
from finetune_report import canvas
from finetune_report.canvas import Picture
from finetune_report.search.axes import Scale

_NAME = "parallel"
_ROOM = {"facecolor": "white", "edgecolor": "none", "alpha": 0.75, "pad": 0.8}


def parallel_picture(
    task: str, metric: str, scales: Sequence[Scale], trials: Sequence[TrialResult], *, more: bool
) -> Picture:
    """Better trials are drawn over worse ones. A note where fewer than two trials have a value."""
    valued = ranked(trials)
    if len(valued) < 2:
        note = f"There are no parallel coordinates of {task}: they need at least 2 trials with a value."
        return Picture(_NAME, f"{task}-{_NAME}", note=note)
    values = [figures.in_unit(metric, trial.value or 0.0) for trial in valued]
    low, high = min(values), max(values)
    # The better, the brighter, so that the best lines stand out whichever direction is better.
    colours = colormaps["viridis" if more else "viridis_r"]
    norm = Normalize(low, high if high > low else low + 1)
    figure = canvas.figure_of(max(6.4, 1.9 * (len(scales) + 1) + 1.2), 4.2)
    axes = figure.subplots()
    for trial, value in reversed(list(zip(valued, values, strict=True))):
        shares = [scale.share(trial.config) for scale in scales]
        line = [(x, y) for x, y in enumerate([*shares, norm(value) if high > low else 0.5]) if y is not None]
        best = trial is valued[0]
        width, alpha = (2.4, 1.0) if best else (1.0, 0.7)
        axes.plot([x for x, _ in line], [y for _, y in line], color=colours(norm(value)), lw=width, alpha=alpha)
    _upright_axes(axes, scales, metric)
    _objective_ticks(axes, len(scales), low, high)
    colourbar = figure.colorbar(ScalarMappable(norm, colours), ax=axes, pad=0.02)
    colourbar.set_label(canvas.objective_label(metric))
    title = f"{task}: trials with a value across hyperparameters (the best one is bold)"
    return canvas.picture(_NAME, task, title, figure)


def _upright_axes(axes: Axes, scales: Sequence[Scale], metric: str) -> None:
    names = [*(canvas.label_of(scale.name) for scale in scales), canvas.objective_label(metric)]
    axes.set_xticks(range(len(names)), [_wrapped(name) for name in names])
    axes.set_yticks([])
    axes.set_ylim(-0.05, 1.05)
    axes.set_xlim(-0.25, len(scales) + 0.45)
    axes.grid(visible=False)
    axes.spines[["left", "bottom"]].set_visible(False)
    for x, scale in enumerate(scales):
        axes.axvline(x, color="black", lw=0.8)
        for share, label in scale.ticks():
            _tick(axes, x, share, label)


def _objective_ticks(axes: Axes, x: int, low: float, high: float) -> None:
    axes.axvline(x, color="black", lw=0.8)
    for share in (0, 0.25, 0.5, 0.75, 1) if high > low else (0.5,):
        _tick(axes, x, share, f"{low + share * (high - low):.4g}")


def _tick(axes: Axes, x: float, y: float, label: str) -> None:
    axes.plot([x, x + 0.03], [y, y], color="black", lw=0.8)
    axes.text(x + 0.05, y, label, va="center", fontsize=8, bbox=_ROOM, zorder=5)


def _wrapped(label: str) -> str:
    head, bracket, unit = label.partition(" (")
    return f"{head}\n({unit}" if bracket else label
