"""CSV for programs and spreadsheets: floats read back as the same floats, and no text is taken for a formula."""

import csv
import io
import re
from collections.abc import Iterable, Sequence

Value = str | int | float | None
"""What a cell may hold."""

_FORMULA = re.compile("'*(?:[\t\r\n]|\\s*[=+@＝＋－＠-])")
"""https://owasp.org/www-community/attacks/CSV_Injection; apostrophes before it, so that `csv_text` can undo it."""


def csv_table(columns: Sequence[str], rows: Iterable[Sequence[Value]]) -> bytes:
    """UTF-8 with a header line; floats read back as the same floats, None is empty, texts are `csv_cell`s."""
    return "".join(_line(row) for row in (columns, *rows)).encode()


def csv_cell(value: Value) -> str | int | float:
    """A cell; a text that a spreadsheet would take for a formula has an apostrophe before it, as OWASP says."""
    if value is None:
        return ""
    return f"'{value}" if isinstance(value, str) and _FORMULA.match(value) else value


def csv_text(cell: str) -> str:
    """The text that `csv_cell` made this of."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell


def _line(cells: Iterable[Value]) -> str:
    text = io.StringIO()
    # What is in the line terminator is quoted in cells, and nothing else: with "\n" a lone "\r" would begin a row.
    csv.writer(text, lineterminator="\r\n").writerow(map(csv_cell, cells))
    return text.getvalue().removesuffix("\r\n") + "\n"
