"""How plots look, and how they become the same bytes every time."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text

from finetune_core.planning.arguments import ARGUMENTS
from finetune_core.tables import figures

BLUE, ORANGE, RED, GREEN, GREY = "#0072B2", "#E69F00", "#D55E00", "#009E73", "#666666"
"""Told apart with any colour vision: https://jfly.uni-koeln.de/color/"""

_LABELS = {argument.api_name: argument.shown for argument in ARGUMENTS.values()}

_STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",  # ships with matplotlib, so every machine draws alike
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#dddddd",
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "svg.hashsalt": "finetune",
    "axes.unicode_minus": False,
}
_DPI = 130


@dataclass(frozen=True)
class Picture:
    """A plot as PNG and SVG; or a note that says why there is none. `file` is its name without suffix."""

    name: str
    file: str
    title: str = ""
    png: bytes = b""
    svg: bytes = b""
    note: str | None = None


@contextmanager
def style() -> Iterator[None]:
    """The look of all plots; figures have to be made and drawn within."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(_STYLE)
        yield


def picture(name: str, task: str, title: str, figure: Figure) -> Picture:
    """Draw a figure, to be called within `style`. No dates and no versions go in: the same figure, the same bytes."""
    _take_literally(figure)
    png, svg = io.BytesIO(), io.BytesIO()
    figure.savefig(png, format="png", dpi=_DPI, metadata={"Software": None})
    figure.savefig(svg, format="svg", metadata={"Date": None, "Creator": None})
    return Picture(name=name, file=f"{task}-{name}", title=title, png=png.getvalue(), svg=svg.getvalue())


def _take_literally(figure: Figure) -> None:
    """Texts may hold dollars, which begin formulas for matplotlib; its own labels of logarithmic axes are formulas."""
    scales = [axis for axes in figure.axes for axis in (axes.xaxis, axes.yaxis) if axis.get_scale() == "log"]
    own = {id(text) for axis in scales for text in axis.findobj(Text) if text is not axis.label}
    for text in figure.findobj(Text):
        if id(text) not in own:
            text.set_parse_math(False)


def label_of(hyperparameter: str) -> str:
    """A hyperparameter with its unit."""
    return _LABELS.get(hyperparameter, hyperparameter)


def objective_label(metric: str) -> str:
    """The objective with its unit, as the tables have it."""
    return f"{metric} on the dev set{figures.unit(metric)}"


def legend_below(figure: Figure, axes: Axes) -> None:
    """One legend for all panels, below them, where it hides no point."""
    handles: dict[str, Any] = {}
    for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
        handles.setdefault(label, handle)
    figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=max(1, len(handles)))
