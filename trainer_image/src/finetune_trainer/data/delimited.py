"""CSV and TSV with a header, with the lines that their rows begin in.

Quotes are those of RFC 4180: around a whole field, doubled inside. Many TSV files have none, and sentences that begin
with a lone quote; `Quoting` says which it is, or is found out by reading the file in both ways before it is used.
"""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from finetune_core.tasks.registry import Quoting
from finetune_trainer.data.lines import text_lines
from finetune_trainer.data.rows import PART, Columns, Tell, require_columns
from finetune_trainer.errors import UserError

_SET = "set the task's data.quoting"
_LARGEST_FIELD = 2**31 - 1


def read_delimited(
    path: Path, wanted: Sequence[str], delimiter: str, quoting: Quoting, tell: Tell
) -> Iterator[Columns]:
    """The wanted columns as they are written, in parts; UserError where a row does not fit the header."""
    csv.field_size_limit(_LARGEST_FIELD)
    table = _Table(path, delimiter)
    rows = table.rows(quoted=_settled(table, quoting, tell))
    head = next(rows, None)
    if head is None:
        return
    names = head.fields
    require_columns(path.name, wanted, names, hint=_other_delimiter(names, delimiter))
    columns = [names.index(name) for name in wanted]
    count, several = 0, None
    while part := list(islice(rows, PART)):
        count += len(part)
        several = several or next((row for row in part if row.last > row.line), None)
        yield Columns([row.line for row in part], [[row.fields[column] for row in part] for column in columns])
    if several and quoting == Quoting.AUTO and delimiter != "\t":
        bare = _try(table, quoted=False)
        if bare.problem is None:
            tell(_either(table, (several.line, several.last), count, bare.rows))


class _Row(NamedTuple):
    """The lines that a row begins and ends in, and its fields."""

    line: int
    last: int
    fields: list[str]


@dataclass(frozen=True)
class _Table:
    path: Path
    delimiter: str

    def rows(self, *, quoted: bool) -> Iterator[_Row]:
        """All rows, the header first; blank lines are no rows."""
        reader = csv.reader(
            text_lines(self.path, self.path.name),
            delimiter=self.delimiter,
            quoting=csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE,
            strict=True,
        )
        width = last = 0
        try:
            for fields in reader:
                line, last = last + 1, reader.line_num
                if not fields:
                    continue
                width = width or len(fields)
                if len(fields) == width:
                    yield _Row(line, last, fields)
                else:
                    raise UserError(
                        f"{self.path.name}, line {line}: {len(fields)} columns instead of {width}: correct the line"
                    )
        except csv.Error as error:
            raise UserError(self._malformed(last + 1, reader.line_num, error)) from error

    def _malformed(self, line: int, last: int, error: csv.Error) -> str:
        begins = f"{self.path.name}, line {line}"
        if "new-line" in str(error):
            return f"{begins}: a carriage return inside a text without quotes: remove it, or quote the text"
        if last > line:
            begins = f"{begins}: a quote opens in this row and is read on to line {last}"
        return f"{begins}: quotes do not fit ({error}): double the quotes inside a text, or {_SET}: None"


def _settled(table: _Table, asked: Quoting, tell: Tell) -> bool:
    """Whether quotes are around fields (else they are part of the texts); CSV files have them.

    UserError where neither reading fits a TSV file, or both do and a guess might be wrong.
    """
    if asked != Quoting.AUTO or table.delimiter != "\t":
        return asked != Quoting.NONE
    if not any('"' in line for line in text_lines(table.path, table.path.name)):
        return True
    quoted = _try(table, quoted=True)
    if quoted.problem is None and quoted.several_lines is None:
        return True
    bare = _try(table, quoted=False)
    if bare.problem is not None:
        if quoted.problem is not None:
            raise quoted.problem
        return True
    if quoted.problem is None:
        raise UserError(_either(table, quoted.several_lines or (0, 0), quoted.rows, bare.rows))
    tell(f"{table.path.name} is read with quotes as parts of the texts, {_SET} if they are not ({quoted.problem})")
    return False


def _either(table: _Table, lines: tuple[int, int], quoted: int, bare: int) -> str:
    return (
        f"{table.path.name}: a quote opens in line {lines[0]} and closes in line {lines[1]}, which is one text in "
        f"quotes ({quoted} rows in all) or several with lone quotes ({bare} rows): {_SET}: Minimal for the former, "
        "None for the latter"
    )


@dataclass
class _Reading:
    """How a file reads in one way: its rows, lines of the first row that has several, what is wrong."""

    rows: int = -1
    several_lines: tuple[int, int] | None = None
    problem: UserError | None = None


def _try(table: _Table, *, quoted: bool) -> _Reading:
    reading = _Reading()
    try:
        for line, last, _ in table.rows(quoted=quoted):
            reading.rows += 1
            if last > line and reading.several_lines is None:
                reading.several_lines = (line, last)
    except UserError as error:
        reading.problem = error
    return reading


def _other_delimiter(names: Sequence[str], delimiter: str) -> str:
    """What to do about a header that is one field, with other delimiters in it."""
    if len(names) > 1:
        return ""
    kinds = {",": "name it .csv", "\t": "name it .tsv", ";": "write it with commas, as .csv"}
    found = [remedy for other, remedy in kinds.items() if other != delimiter and other in names[0]]
    return f": its columns seem to be separated otherwise, {found[0]}" if found else ""
