"""The results table as a page that needs nothing beside it, for screens and paper."""

from html import escape

from finetune_core.tables.figures import NOTHING
from finetune_core.tables.html_page import element, html_page
from finetune_core.tables.results import ResultsTable
from finetune_core.tables.results_text import IDENTITY, Cell, shown


def table_html(table: ResultsTable, title: str) -> bytes:
    """One self-contained page: the wide table, its notes below."""
    text = shown(table)
    head = [
        *(element("th", escape(column), 'class="whose" scope="col"') for column in IDENTITY),
        *(element("th", _head(title_, metrics), 'scope="col"') for title_, metrics in text.header),
    ]
    rows = [
        [*(element("td", escape(part), 'class="whose"') for part in identity), *(_cell(cell) for cell in cells)]
        for identity, cells in text.rows
    ]
    return html_page(title, head, rows, text.notes)


def _head(title: str, metrics: str) -> str:
    return f"{escape(title)}<br><small>{escape(metrics).replace('/', '/<wbr>')}</small>" if metrics else escape(title)


def _cell(cell: Cell) -> str:
    """Lines break between figures, never within: eleven columns are to fit on paper."""
    if not cell.figures:
        return element("td", NOTHING)
    marked = [element("strong", escape(figure.text)) if figure.best else escape(figure.text) for figure in cell.figures]
    figures = [element("span", mark, 'class="one"') for mark in marked]
    return element("td", f"{escape(cell.separator)}<wbr>".join(figures) + escape(cell.tail))
