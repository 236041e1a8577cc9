"""Figures for plotly.js as plain JSON values; colours of text and grid are the page's. Pure.

https://plotly.com/javascript/reference/ says what the keys mean.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from finetune_core.results.intervals import within
from finetune_core.stored import finite
from finetune_core.tables import figures

BEST = "#d55e00"
OTHER = "#0072b2"
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7f6bb3", "#8a8a8a")
"""Told apart with any colour vision (https://jfly.uni-koeln.de/color/), on light and dark ground."""

_ROOM = 0.06


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


def axis(metric: str, shown: Iterable[float | None] | None = None) -> dict[str, Any]:
    """The y axis of a metric, which ends where the metric does.

    With the values that are `shown`, in its unit, it has a range of its own: for charts that are to be compared.
    """
    ends = figures.ends(metric)
    made: dict[str, Any] = {"title": {"text": metric + figures.unit(metric)}, **clipped(*ends)}
    known = [value for value in shown or () if value is not None]
    if known:
        room = _ROOM * (max(known) - min(known)) or _ROOM * abs(max(known)) or 1.0
        low, high = finite(within(min(known) - room, ends)), finite(within(max(known) + room, ends))
        made |= {"range": [low, high]} if low is not None and high is not None else {}
    return made


def clipped(low: float | None, high: float | None) -> dict[str, Any]:
    """The part of an axis that says where it ends, whatever room is left around what is drawn."""
    ends = {name: end for name, end in (("clipmin", low), ("clipmax", high)) if end is not None}
    return {"autorangeoptions": ends} if ends else {}


def in_unit(metric: str, values: Iterable[float | None]) -> list[float | None]:
    """As people read them, in no more digits than a picture shows; None too for what is beyond the range of floats."""
    return [None if value is None else finite(float(f"{figures.in_unit(metric, value):.6g}")) for value in values]


def number(metric: str) -> str:
    """How plotly writes the value below the pointer: as `figures.metric` does."""
    return "%{y:.2f}" if figures.unit(metric) else "%{y:.4g}"


def see_through(colour: str, share: float) -> str:
    """`#0072b2` at 0.2 -> `rgba(0,114,178,0.2)`."""
    red, green, blue = (int(colour[place : place + 2], 16) for place in (1, 3, 5))
    return f"rgba({red},{green},{blue},{share})"
