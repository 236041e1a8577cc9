"""Whether a prediction file, or a whole zip of anyone's, is what the GLUE leaderboard takes.

The rules are those of https://gluebenchmark.com/faq and of the server's behaviour: exactly eleven files at the top of
the zip, a header, indexes from 0 in order, as many rows as the test set, and the words that the task wants. What the
server reads without complaint (a missing final newline, another number format in STS-B) is no problem here either.
"""

import errno
import lzma
import re
import struct
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import BinaryIO

from finetune_core.problems import Problem
from finetune_core.tasks.registry import REGRESSION_RANGE, SUBMISSION_FILES, SubmissionFile

HEADER = b"index\tprediction"
MAX_PROBLEMS_PER_FILE = 5
MAX_FILE_BYTES = 64 * 1024 * 1024
"""Ten times the largest file (QQP.tsv); what unpacks to more is not read."""

_DAMAGE = (zipfile.BadZipFile, EOFError, ValueError, OverflowError, OSError, struct.error, zlib.error, lzma.LZMAError)
"""What zipfile and its decompressors raise for bytes that are not as they were."""

_BOM = b"\xef\xbb\xbf"
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_INDEX = re.compile(r"0|[1-9]\d{0,8}", re.ASCII)
_FILES = {file.name: file for file in SUBMISSION_FILES}


@dataclass
class _Check:
    """One pass over a file: what was found so far, which indexes were seen, which is due."""

    file: SubmissionFile
    found: list[str] = field(default_factory=list)
    omitted: int = 0
    rows: int = 0
    due: int = 0
    carriage_return: bool = False

    def __post_init__(self) -> None:
        self.seen = bytearray(self.file.rows)
        self.words = {word.encode() for word in self.file.written.values()}

    def note(self, message: str) -> None:
        if len(self.found) < MAX_PROBLEMS_PER_FILE:
            self.found.append(message)
        else:
            self.omitted += 1

    def row(self, number: int, line: bytes) -> None:
        """Check a row; `number` is its line number, counted from 1."""
        self.rows += 1
        columns = line.split(b"\t")
        if len(columns) != 2:
            self.note(f"line {number}: {_shown(line)} has {len(columns)} columns, not index<TAB>prediction")
            self.due += 1
            return
        self._index(number, columns[0])
        if columns[1] not in self.words:
            self._prediction(number, columns[1].decode(errors="replace"))

    def _index(self, number: int, raw: bytes) -> None:
        text = raw.decode(errors="replace")
        if not _INDEX.fullmatch(text):
            self.note(f"line {number}: index {_shown(raw)} is not a whole number")
            self.due += 1
            return
        index = int(text)
        if index >= self.file.rows:
            self.note(f"line {number}: index {index} is too large, the last one is {self.file.rows - 1}")
        elif self.seen[index]:
            self.note(f"line {number}: index {index} is there twice")
        elif index != self.due:
            self.note(f"line {number}: index {index} where {self.due} is due")
        if index < self.file.rows:
            self.seen[index] = 1
        self.due = index + 1

    def _prediction(self, number: int, text: str) -> None:
        if self.file.written:
            wanted = _either(self.file.written.values())
            hint = " (the name of a label)" if text in self.file.written else ""
            self.note(f"line {number}: prediction {_shown(text.encode())}{hint}; this file wants {wanted}")
            return
        low, high = REGRESSION_RANGE
        if not _NUMBER.fullmatch(text):
            self.note(f"line {number}: prediction {_shown(text.encode())} is not a number")
        elif not low <= float(text) <= high:
            self.note(f"line {number}: prediction {text[:40]} is not within {low:g} and {high:g}")

    def messages(self) -> Iterator[str]:
        yield from self.found
        if self.omitted:
            yield f"{self.omitted} more lines are wrong"
        if self.carriage_return:
            yield "lines end in CR LF (Windows); they must end in LF"
        if self.rows != self.file.rows:
            yield f"{self.rows} rows; the test set has {self.file.rows}"


def check_file(file: SubmissionFile, lines: Iterable[bytes]) -> tuple[Problem, ...]:
    """Everything wrong with a prediction file, given as its raw lines (an open binary file is such)."""
    check = _Check(file)
    raw = iter(lines)
    first = next(raw, b"")
    bom = first.startswith(_BOM)
    header = first.removeprefix(_BOM).rstrip(b"\r\n")
    if header != HEADER:
        check.note(f"line 1: {_shown(header)} is not the header index<TAB>prediction")
    # A file without header: its first line is a row already.
    rows = chain([header + b"\n"], raw) if re.match(rb"\d+\t", header) else raw
    check.carriage_return = first.endswith(b"\r\n")
    for number, line in enumerate(rows, start=1 if rows is not raw else 2):
        if line.endswith(b"\r\n"):
            check.carriage_return = True
        check.row(number, line.rstrip(b"\r\n"))
    messages = chain(["starts with a byte order mark (BOM); save it as plain UTF-8"] if bom else [], check.messages())
    return tuple(Problem(file.name, message) for message in messages)


def validate_zip(source: BinaryIO) -> tuple[Problem, ...]:
    """Everything that the leaderboard would refuse in a zip, which `source` is open on; empty for a good one."""
    try:
        with zipfile.ZipFile(source) as archive:
            return tuple(_zip_problems(archive))
    except NotImplementedError as error:
        return (Problem("zip", f"cannot be read as a zip file: is damaged, or of a kind that few write ({error})"),)
    except _DAMAGE as error:
        _raise_if_of_the_disk(error)
        return (Problem("zip", f"cannot be read as a zip file: it is none, or is damaged: {error}"),)


def constant_files(source: BinaryIO) -> dict[str, str]:
    """File -> the one prediction in all of its rows, in a zip without problems: a placeholder, or nothing learned."""
    with zipfile.ZipFile(source) as archive:
        found = {name: _predictions(archive, name) for name in _FILES}
    return {name: next(iter(values)) for name, values in found.items() if len(values) == 1}


def _predictions(archive: zipfile.ZipFile, name: str) -> set[str]:
    with archive.open(name) as lines:
        next(lines)
        return {line.split(b"\t")[1].strip().decode() for line in lines}


def _zip_problems(archive: zipfile.ZipFile) -> Iterator[Problem]:
    entries: dict[str, zipfile.ZipInfo] = {}
    for entry in archive.infolist():
        if entry.filename in entries:
            yield Problem(entry.filename, "is in the zip twice")
        elif entry.filename not in _FILES:
            yield _misnamed(entry.filename)
        entries[entry.filename] = entry
    for name, file in _FILES.items():
        if name in entries:
            yield from _entry_problems(archive, entries[name], file)
        else:
            yield Problem(name, "is missing")


def _misnamed(name: str) -> Problem:
    top, _, base = name.rpartition("/")
    if not base:
        return Problem(name, "is a folder; the files must lie at the top of the zip")
    if top and base in _FILES:
        return Problem(name, f"lies in a folder; {base} must lie at the top of the zip")
    right = next((one for one in _FILES if one.lower() == base.lower()), None)
    if right:
        return Problem(name, f"is misspelt; it must be {right}")
    return Problem(name, "does not belong into the zip")


def _entry_problems(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, file: SubmissionFile) -> Iterator[Problem]:
    if entry.flag_bits & 0x1:
        yield Problem(file.name, "is encrypted")
    elif entry.file_size > MAX_FILE_BYTES:
        yield Problem(file.name, f"unpacks to {entry.file_size} bytes, far too many for {file.rows} rows")
    else:
        try:
            with archive.open(entry) as lines:
                yield from check_file(file, lines)
        except NotImplementedError as error:
            yield Problem(file.name, f"is compressed in a way that few programs read ({error}); use deflate")
        except _DAMAGE as error:
            _raise_if_of_the_disk(error)
            yield Problem(file.name, f"is damaged: {error}")


def _raise_if_of_the_disk(error: Exception) -> None:
    # Places that cannot be, which damage leads to, are EINVAL; streams that cannot be unpacked have no number.
    if isinstance(error, OSError) and error.errno not in {None, errno.EINVAL}:
        raise error


def _shown(raw: bytes) -> str:
    text = raw[:60].decode(errors="replace")
    return repr(text if len(raw) <= 40 else text[:40] + "…")


def _either(words: Iterable[str]) -> str:
    *others, last = words
    return f"{', '.join(others)} or {last}"
