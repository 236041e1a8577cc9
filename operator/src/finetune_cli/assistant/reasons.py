"""Reasons of statuses, conditions and failures, in the words of the documentation's troubleshooting page.

The page lies beside this module, as docs/troubleshooting.md has it: a test holds them to be the same.
"""

import re
from collections.abc import Iterator
from functools import cache
from importlib.resources import files

from finetune_cli.assistant.answers import Explanation, Explanations
from finetune_core.near import near

_TITLE = re.compile(r"#+ (?P<title>.+)")
_LINK = re.compile(r"\[(?P<words>[^\]]+)\]\([^)]*\)")
_RULE = re.compile(r"[\s|:-]+")
_SENTENCE = re.compile(r"`[A-Z]\w+`")
"""A line of its own on a reason that needs no row."""

_TITLES = {"STATUS", "reason", "you see"}
"""Titles of the first column of the tables that are read."""


def explain(reason: str) -> Explanations:
    """The rows of a reason, whatever its case; names that may have been meant where there is none."""
    wanted = reason.strip().strip("`").lower()
    rows = tuple(row for row in _rows() if wanted in map(str.lower, _names(row.reason)))
    if rows:
        return Explanations(rows=rows, near=())
    known = sorted({name for row in _rows() for name in _names(row.reason)})
    meant = near(reason, known)
    within = [name for name in known if wanted and wanted in name.lower()]
    return Explanations(rows=(), near=tuple(dict.fromkeys([*([meant] if meant else []), *within])))


def _names(cell: str) -> list[str]:
    """The names in a row's first cell; the whole of it where it has none."""
    return re.findall(r"`([^`]+)`", cell) or [cell]


@cache
def _rows() -> tuple[Explanation, ...]:
    page = (files("finetune_cli.assistant") / "troubleshooting.md").read_text()
    return tuple(_tables(page))


def _tables(page: str) -> Iterator[Explanation]:
    where, reads = "", False
    for line in page.splitlines():
        if found := _TITLE.fullmatch(line):
            where = found["title"].replace("`", "")
        elif line.startswith("|"):
            # A cell may hold a bar of its own, with a backslash before it.
            cells = [_plain(cell.replace(r"\|", "|")) for cell in re.split(r"(?<!\\)\|", line.strip())[1:-1]]
            reads = reads or cells[0] in _TITLES
            if reads and cells[0] not in _TITLES and not _RULE.fullmatch(line):
                yield Explanation(reason=cells[0], where=where, cause=cells[1], what_to_do=cells[2])
            continue
        elif _SENTENCE.match(line):
            yield Explanation(reason=_plain(line), where=where, cause=_plain(line), what_to_do="")
        reads = False


def _plain(text: str) -> str:
    """Without the addresses of links."""
    return _LINK.sub(r"\g<words>", text).strip()
