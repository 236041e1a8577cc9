"""Two experiments compared, for the terminal and as files. Pure."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from rich.console import Group, RenderableType
from rich.text import Text

from finetune_cli.fitted import table
from finetune_core.results.comparison.schema import Comparison, Verdict
from finetune_core.tables.comparison_formats import (
    comparison_csv,
    comparison_html,
    comparison_latex,
    comparison_markdown,
)
from finetune_core.tables.comparison_text import COLUMNS, FIGURES, told

WRITERS: Mapping[str, Callable[[Comparison], bytes]] = MappingProxyType(
    {"csv": comparison_csv, "md": comparison_markdown, "latex": comparison_latex, "html": comparison_html}
)
"""By the value of --output."""

_STYLES = MappingProxyType(
    {
        Verdict.BETTER: "bold green",
        Verdict.WORSE: "bold red",
        Verdict.NOT_TESTED: "yellow",
        Verdict.NOT_COMPARED: "yellow",
    }
)
_MARKS = MappingProxyType({"Metric": "?", "Best": "?", "p (Holm)": "?", "t test": "?", "Verdict": "~"})
_DIM_NOTES = 2
"""The first notes say how to read any comparison."""


def comparison_page(comparison: Comparison, *, wide: bool = False) -> RenderableType:
    """A line a task; verdicts coloured where the terminal can, the overall mean and notes below."""
    text = told(comparison)
    rows = [
        [*row[:-1], Text(row[-1], style=_STYLES.get(verdict, ""))]
        for row, verdict in zip(text.rows, text.verdicts, strict=True)
    ]
    columns = [title.upper() + (">" if title in FIGURES else "") + _MARKS.get(title, "") for title in COLUMNS]
    notes = [Text(note, style="dim" if index < _DIM_NOTES else "") for index, note in enumerate(text.notes)]
    whose = (Text(line) for line in text.whose)
    return Group(
        *whose, Text(""), table(columns, rows, wide=wide), Text(""), Text(text.overall, style="bold"), Text(""), *notes
    )
