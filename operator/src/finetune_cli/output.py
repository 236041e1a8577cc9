"""What commands print: tables for people, JSON and YAML for programs; colours only on a terminal."""

import json
import sys
from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import Annotated, Any

import typer
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from finetune_core.plain import visible
from finetune_core.results.hyperparameter_files import to_yaml
from finetune_core.tables.figures import NOTHING


class Output(StrEnum):
    """Formats of --output."""

    TABLE = "table"
    JSON = "json"
    YAML = "yaml"


OutputOption = Annotated[Output, typer.Option("--output", "-o", help="For people (table) or for programs.")]

_PLAIN_WIDTH = 200


class _PlainConsole(Console):
    """Texts are those of others: they are no markup, and their control characters are shown, not followed."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        for segment in super().render(renderable, options):
            yield segment if segment.control else segment._replace(text=visible(segment.text))


def console() -> Console:
    """Standard output; where no person looks, lines are not broken to fit a screen."""
    width = None if sys.stdout.isatty() else _PLAIN_WIDTH
    return _PlainConsole(width=width, highlight=False, soft_wrap=False, markup=False)


def error_console() -> Console:
    """Standard error."""
    return _PlainConsole(stderr=True, highlight=False, soft_wrap=True, markup=False)


def note(text: str) -> None:
    """Something to know beside the output, on standard error."""
    error_console().print(text, markup=False, style="dim")


def write(text: str) -> None:
    """A text that is ready, to standard output: to a program as it is, to a person without control characters."""
    sys.stdout.write(visible(text) if sys.stdout.isatty() else text)


def emit(data: Any, output: Output) -> None:
    """Data for programs: JSON or YAML."""
    write(json.dumps(data, indent=2, ensure_ascii=False) + "\n" if output == Output.JSON else to_yaml(data))


def table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, title: str | None = None) -> Table:
    """A table as kubectl has them; columns whose head ends in `>` are aligned to the right. None shows as a dash.

    A Text keeps its style.
    """
    made = Table(title=title, box=None, pad_edge=False, title_justify="left", header_style="bold", padding=(0, 2, 0, 0))
    for column in columns:
        right = column.endswith(">")
        made.add_column(column.rstrip(">"), justify="right" if right else "left", overflow="fold")
    for row in rows:
        made.add_row(*(_cell(cell) for cell in row))
    return made


def _cell(cell: object) -> str | Text:
    if isinstance(cell, Text):
        return cell
    return NOTHING if cell is None else str(cell)
