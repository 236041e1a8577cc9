"""How trials are drawn."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes

from finetune_core.results.search.trial import TrialState
from finetune_report.canvas import BLUE, ORANGE, RED

MARKS: Mapping[TrialState, Mapping[str, Any]] = {
    TrialState.COMPLETED: {"marker": "o", "color": BLUE, "label": "completed"},
    TrialState.STOPPED: {"marker": "v", "color": ORANGE, "facecolors": "none", "label": "stopped early"},
    TrialState.FAILED: {"marker": "x", "color": RED, "label": "failed (no value)"},
}


def failed_marks(axes: Axes, xs: Sequence[float]) -> None:
    """Crosses along the lower edge: failed trials have no value, only a place."""
    axes.scatter(
        xs, [0.015] * len(xs), transform=axes.get_xaxis_transform(), s=26, zorder=3, **MARKS[TrialState.FAILED]
    )
