"""The results table as a page that needs nothing beside it, for screens and paper."""

from collections.abc import Iterable
from html import escape

from finetune_core.results_table import ResultsTable
from finetune_core.results_table_text import IDENTITY, NOTHING, Cell, shown

_STYLE = """\
:root { color-scheme: light; }
body { font: 16px/1.5 system-ui, sans-serif; color: #1a1a1a; background: #fff; margin: 0 auto; padding: 1rem; }
h1 { font-size: 1.4rem; line-height: 1.2; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: 0.9rem; font-variant-numeric: tabular-nums; }
th, td { padding: 0.3rem 0.7rem; text-align: right; vertical-align: top; }
.whose { text-align: left; overflow-wrap: anywhere; min-width: 6rem; }
.one { white-space: nowrap; }
thead th { border-top: 2px solid #333; border-bottom: 1px solid #333; vertical-align: bottom; }
thead small { font-weight: normal; color: #444; }
tbody tr:nth-child(even) { background: #f4f4f4; }
tbody tr:last-child td { border-bottom: 2px solid #333; }
p { margin: 0.5rem 0; max-width: 60rem; overflow-wrap: anywhere; }
@page { size: landscape; }
@media print {
  body { padding: 0; font-size: 9pt; }
  .scroll { overflow: visible; }
  table { font-size: 6.5pt; }
  th, td { padding: 0.1rem 0.2rem; }
  .whose { min-width: 3rem; }
  thead { display: table-header-group; }
  tr { break-inside: avoid; }
}"""


def table_html(table: ResultsTable, title: str) -> bytes:
    """One self-contained page: the wide table, its notes below."""
    text = shown(table)
    head = [
        *(_element("th", escape(one), 'class="whose" scope="col"') for one in IDENTITY),
        *(_element("th", _head(title_, metrics), 'scope="col"') for title_, metrics in text.header),
    ]
    rows = [
        [*(_element("td", escape(one), 'class="whose"') for one in identity), *(_cell(cell) for cell in cells)]
        for identity, cells in text.rows
    ]
    lines = [
        "<!DOCTYPE html>",
        '<html lang="en">',
        "<head>",
        '<meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        _element("title", escape(title)),
        f"<style>\n{_STYLE}\n</style>",
        "</head>",
        "<body>",
        _element("h1", escape(title)),
        '<div class="scroll"><table>',
        f"<thead>{_row(head)}</thead>",
        "<tbody>",
        *map(_row, rows),
        "</tbody>",
        "</table></div>",
        *(_element("p", escape(note)) for note in text.notes),
        "</body>",
        "</html>",
    ]
    return ("\n".join(lines) + "\n").encode()


def _head(title: str, metrics: str) -> str:
    return f"{escape(title)}<br><small>{escape(metrics).replace('/', '/<wbr>')}</small>" if metrics else escape(title)


def _cell(cell: Cell) -> str:
    """Lines break between figures, never within: eleven columns are to fit on paper."""
    if not cell.figures:
        return _element("td", NOTHING)
    marked = [_element("strong", escape(one.text)) if one.best else escape(one.text) for one in cell.figures]
    figures = [_element("span", one, 'class="one"') for one in marked]
    return _element("td", f"{escape(cell.separator)}<wbr>".join(figures) + escape(cell.tail))


def _row(cells: Iterable[str]) -> str:
    return _element("tr", "".join(cells))


def _element(name: str, content: str, attributes: str = "") -> str:
    opening = f"{name} {attributes}".rstrip()
    return f"<{opening}>{content}</{name}>"
