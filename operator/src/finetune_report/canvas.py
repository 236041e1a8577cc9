"""How plots look, and how they become the same bytes every time."""

import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from enum import StrEnum
from math import nan
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text

from finetune_core.planning.arguments.table import ARGUMENTS
from finetune_core.results.intervals import Mean
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
    "pdf.fonttype": 42,  # TrueType, embedded: what conferences ask for, and editable
}
_COLUMN, _PAGE = 3.3, 6.8
"""Widths in inches of one column and of both, in the templates of ACL, ICML, IEEE and others."""
_SLIDE_SCALE = 0.66
_WIDE = 7.0
"""A figure of a report that is wider has panels side by side, and takes both columns of a paper."""


_GOLDEN = (5**0.5 - 1) / 2


class Look(StrEnum):
    """What plots are for. REPORT: a screen; PAPER: as wide as a column, no title; SLIDES: all of it larger."""

    REPORT = "report"
    PAPER = "paper"
    SLIDES = "slides"


@dataclass(frozen=True)
class _Way:
    """How a look is drawn: file formats, dots an inch of PNGs, size of fonts in points, whether with titles."""

    formats: tuple[str, ...]
    dpi: int
    font: float
    titled: bool = True


_WAYS = {
    Look.REPORT: _Way(("png", "svg"), 130, 9),
    Look.PAPER: _Way(("pdf", "svg", "png"), 300, 7, titled=False),
    Look.SLIDES: _Way(("png", "svg", "pdf"), 300, 9),
}
# No dates and no versions.
_METADATA: dict[str, dict[str, None]] = {
    "png": {"Software": None},
    "svg": {"Date": None, "Creator": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}
_look: ContextVar[Look] = ContextVar("look", default=Look.REPORT)


@dataclass(frozen=True)
class Picture:
    """A plot by formats (`files`: png, svg, pdf); or a note that says why there is none. `file` is its name without
    suffix.

    `shares` are the numbers that it shows, of a plot whose report tells them too.
    """

    name: str
    file: str
    title: str = ""
    files: Mapping[str, bytes] = field(default_factory=dict)
    note: str | None = None
    shares: Mapping[str, float] = field(default_factory=dict)

    @property
    def svg(self) -> bytes:
        """What pages embed."""
        return self.files["svg"]


@contextmanager
def looking(look: Look) -> Iterator[None]:
    """All plots that are made within have this look; else that of reports."""
    token = _look.set(look)
    try:
        yield
    finally:
        _look.reset(token)


@contextmanager
def style() -> Iterator[None]:
    """The look of all plots; figures have to be made and drawn within."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update({**_STYLE, "font.size": _WAYS[_look.get()].font})
        yield


def figure_of(width: float, height: float) -> Figure:
    """A figure of that size in inches; in papers as wide as a column or two, on slides with larger parts."""
    scale = 1.0
    if _look.get() == Look.SLIDES:
        scale = _SLIDE_SCALE
    elif _look.get() == Look.PAPER:
        scale = (_PAGE if width > _WIDE else _COLUMN) / width
    return Figure(figsize=(width * scale, height * scale), layout="constrained")


def picture(name: str, task: str, title: str, figure: Figure) -> Picture:
    """Draw a figure, to be called within `style`. The same figure, the same bytes."""
    way = _WAYS[_look.get()]
    if way.titled:
        figure.suptitle(title)
    _take_literally(figure)
    files = {}
    for suffix in way.formats:
        content = io.BytesIO()
        figure.savefig(content, format=suffix, dpi=way.dpi, metadata=_METADATA[suffix])
        files[suffix] = content.getvalue()
    return Picture(name=name, file=f"{task}-{name}", title=title, files=files)


def end_at(axes: Axes, metric: str) -> None:
    """The y axis shows nothing beyond the range of a metric, whatever room is left around what is drawn."""
    ends_within(axes, *figures.ends(metric))


def means(axes: Axes, places: Sequence[float], marked: Sequence[Mean | None], **look: Any) -> None:
    """A mark for each mean, with a bar for its interval where it has one; `look` is that of `Axes.errorbar`."""
    there = [(place, mean, mean.error or (nan, nan)) for place, mean in zip(places, marked, strict=True) if mean]
    below, above = [error[0] for _, _, error in there], [error[1] for _, _, error in there]
    axes.errorbar([x for x, _, _ in there], [one.value for _, one, _ in there], yerr=[below, above], fmt="_", **look)


def runs(axes: Axes, place: float, values: Sequence[float], *, width: float, **look: Any) -> None:
    """A dot for each run, beside each other within `width`; `look` is that of `Axes.scatter`."""
    # Multiples of the golden ratio spread evenly, however many there are.
    places = [place + width * ((number * _GOLDEN + 0.5) % 1 - 0.5) for number in range(len(values))]
    axes.scatter(places, values, clip_on=False, **look)


def ends_within(axes: Axes, low: float | None, high: float | None) -> None:
    """The y axis ends at these, if it goes beyond."""
    bottom, top = axes.get_ylim()
    axes.set_ylim(bottom if low is None else max(bottom, low), top if high is None else min(top, high))


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
    legend_of(figure, handles, len(handles))


def legend_of(figure: Figure, handles: Mapping[str, Any], most: int, title: str | None = None) -> None:
    """By labels, below the plot, in `most` columns or as many as fit beside each other."""
    for columns in range(max(1, most), 0, -1):
        legend = figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=columns, title=title)
        if columns == 1 or legend.get_window_extent().width <= figure.bbox.width:
            return
        legend.remove()
