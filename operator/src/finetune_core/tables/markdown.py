"""Tables and texts for Markdown."""

import re
from collections.abc import Iterable

from finetune_core.plain import one_line

_SPECIAL = re.compile(r"[\\`*<&]|\](?=[(\[:])")
"""What begins markup within a line: https://spec.commonmark.org/0.31.2/#inlines."""


def markdown_text(text: str) -> str:
    """Any text as Markdown shows it as it is, on one line: no links, pictures, HTML or emphasis."""
    return _SPECIAL.sub(r"\\\g<0>", one_line(text))


def markdown_line(cells: Iterable[str]) -> str:
    """A row of a table, of cells that are Markdown already."""
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def markdown_table(header: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table of plain texts."""
    titles = tuple(header)
    lines = (map(markdown_text, cells) for cells in (titles, *rows))
    head, *body = map(markdown_line, lines)
    return "\n".join((head, markdown_line(("---",) * len(titles)), *body))
