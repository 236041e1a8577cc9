"""Tables as kubectl has them, as wide as the screen: no id and no figure is broken over lines."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, JustifyMethod, RenderResult
from rich.table import Table
from rich.text import Text

from finetune_core.tables.figures import NOTHING

_GAP = 2
_FOLDED = 16
"""Columns of words are at least as wide as this, or as their words are."""


def table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, wide: bool = False) -> "FittedTable":
    """A table; None shows as a dash, a Text keeps its style. What stands behind a column's title:

    `>` aligns to the right. `?`: left out, from the right, where the screen is too narrow; never with `wide`. `~`: of
    words, which may go on in the next line.
    """
    made = tuple(map(_Column.of, columns))
    return FittedTable(made, [[_cell(cell) for cell in row] for row in rows], wide)


@dataclass(frozen=True)
class _Column:
    title: str
    right: bool
    optional: bool
    words: bool

    @staticmethod
    def of(text: str) -> "_Column":
        title = text.rstrip(">?~")
        marks = text[len(title) :]
        return _Column(title, ">" in marks, "?" in marks, "~" in marks)


class FittedTable:
    """What does not fit beside the first column stands in a second table below."""

    def __init__(self, columns: tuple[_Column, ...], rows: list[list[Text]], wide: bool) -> None:
        self._columns = columns
        self._rows = rows
        self._wide = wide
        self._widths = [self._natural(index) for index in range(len(columns))]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        blocks = [list(range(len(self._columns)))] if self._wide else self._blocks(options.max_width)
        for number, block in enumerate(blocks):
            yield from [Text("")] if number else []
            yield self._table(block, options.max_width)

    def _blocks(self, width: int) -> Iterator[list[int]]:
        block: list[int] = []
        for index in self._fitting(width):
            if len(block) > 1 and self._width([*block, index]) > width:
                yield block
                block = block[:1]
            block = [*block, index]
        yield block

    def _fitting(self, width: int) -> list[int]:
        shown = list(range(len(self._columns)))
        for index in reversed(shown.copy()):
            if self._columns[index].optional and self._width(shown) > width:
                shown.remove(index)
        return shown

    def _width(self, shown: list[int]) -> int:
        return sum(self._widths[index] for index in shown) + _GAP * (len(shown) - 1)

    def _natural(self, index: int) -> int:
        column = self._columns[index]
        cells = [column.title, *(row[index].plain for row in self._rows)]
        lines = [cell_len(line) for cell in cells for line in cell.split("\n")]
        if not column.words or self._wide:
            return max(lines)
        return max(min(max(lines), _FOLDED), *(cell_len(word) for cell in cells for word in cell.split()), 1)

    def _table(self, shown: list[int], most: int) -> Table:
        least = self._width(shown)
        # What is wider than the screen is not to be squeezed into it.
        width = least if least > most else None
        made = Table(box=None, pad_edge=False, header_style="bold", padding=(0, _GAP, 0, 0), width=width)
        for index in shown:
            column = self._columns[index]
            justify: JustifyMethod = "right" if column.right else "left"
            made.add_column(
                column.title,
                justify=justify,
                no_wrap=not column.words or self._wide,
                min_width=self._widths[index],
            )
        for row in self._rows:
            made.add_row(*(row[index] for index in shown))
        return made


def _cell(cell: object) -> Text:
    if isinstance(cell, Text):
        return cell
    return Text(NOTHING if cell is None else str(cell))
