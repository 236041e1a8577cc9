"""The results table over experiments, for the terminal and as files. Pure."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from rich.console import Group, RenderableType
from rich.text import Text

from finetune_cli.fitted import table
from finetune_core.tables.figures import NOTHING
from finetune_core.tables.results import ResultsTable
from finetune_core.tables.results_formats import table_csv, table_latex, table_markdown
from finetune_core.tables.results_html import table_html
from finetune_core.tables.results_text import Cell, Shown, shown


def comparison_page(results: ResultsTable, *, wide: bool = False) -> RenderableType:
    """A line an experiment; its best figures bold where the terminal can, notes below."""
    text = shown(results)
    notes = [Text(note, style="dim" if index == 0 else "") for index, note in enumerate(text.notes)]
    return Group(table(_columns(text), _rows(text), wide=wide), Text(""), *notes)


def _html(results: ResultsTable) -> bytes:
    return table_html(results, f"Results of {', '.join(row.name for row in results.experiments)}")


WRITERS: Mapping[str, Callable[[ResultsTable], bytes]] = MappingProxyType(
    {"csv": table_csv, "md": table_markdown, "latex": table_latex, "html": _html}
)
"""By the value of --output."""


def _columns(text: Shown) -> list[str]:
    figures = (f"{title.upper()}\n{metrics}".rstrip() + ">" for title, metrics in text.header)
    return ["EXPERIMENT", "MODEL?", *figures]


def _rows(text: Shown) -> list[list[Text]]:
    return [[Text(name), Text(model), *map(_cell, cells)] for (model, name, _), cells in text.rows]


def _cell(cell: Cell) -> Text:
    if not cell.figures:
        return Text(NOTHING)
    figures = (Text(figure.text, style="bold" if figure.best else "") for figure in cell.figures)
    # Two means with their spreads side by side would be broken to fit the screen, anywhere.
    separator = cell.separator if cell.separator == "/" else "\n"
    return Text(separator).join(figures).append(cell.tail)
