"""A table as a page that needs nothing beside it, for screens and paper."""

from collections.abc import Iterable
from html import escape

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


def html_page(title: str, head: Iterable[str], rows: Iterable[Iterable[str]], notes: Iterable[str]) -> bytes:
    """One self-contained page: the table of these cells (elements already), its notes (plain text) below."""
    lines = [
        "<!DOCTYPE html>",
        '<html lang="en">',
        "<head>",
        '<meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        element("title", escape(title)),
        f"<style>\n{_STYLE}\n</style>",
        "</head>",
        "<body>",
        element("h1", escape(title)),
        '<div class="scroll"><table>',
        f"<thead>{_row(head)}</thead>",
        "<tbody>",
        *map(_row, rows),
        "</tbody>",
        "</table></div>",
        *(element("p", escape(note)) for note in notes),
        "</body>",
        "</html>",
    ]
    return ("\n".join(lines) + "\n").encode()


def element(name: str, content: str, attributes: str = "") -> str:
    """An element over content that is HTML already."""
    opening = f"{name} {attributes}".rstrip()
    return f"<{opening}>{content}</{name}>"


def _row(cells: Iterable[str]) -> str:
    return element("tr", "".join(cells))
