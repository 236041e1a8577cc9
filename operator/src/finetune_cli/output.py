"""What commands print: tables for people, JSON and YAML for programs; colours only on a terminal."""

import json
import sys
from collections.abc import Iterable
from enum import StrEnum
from typing import Annotated, Any

import typer
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from finetune_core.plain import visible


class Output(StrEnum):
    """Formats of --output."""

    TABLE = "table"
    WIDE = "wide"
    JSON = "json"
    YAML = "yaml"

    @property
    def for_people(self) -> bool:
        """Whether it is a table."""
        return self in {Output.TABLE, Output.WIDE}


OutputOption = Annotated[
    Output, typer.Option("--output", "-o", help="For people (table; wide has all columns) or for programs.")
]

_PLAIN_WIDTH = 10_000


class _PlainConsole(Console):
    """Texts are those of others: they are no markup, and their control characters are shown, not followed."""

    def print(self, *objects: Any, **options: Any) -> None:
        # A table is as wide as it has to be: what is cut off is lost.
        super().print(*objects, **{"crop": False, **options})

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
    if output == Output.JSON:
        write(json.dumps(data, indent=2, ensure_ascii=False) + "\n")
        return
    from finetune_core.results.search.hyperparameter_files import to_yaml  # noqa: PLC0415  help does not wait for pydantic

    write(to_yaml(data))
