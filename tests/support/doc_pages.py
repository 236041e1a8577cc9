"""What the documentation says: its commands, its YAML and its inline code, each with file and line."""

import re
import shlex
from collections.abc import Container, Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
SHELL = frozenset({"", "bash", "console", "sh"})

_FENCE = re.compile(
    r"^(?P<indent> *)(?P<mark>```+|~~~+)(?P<language>\w*)[^\n]*\n(?P<text>.*?)^(?P=indent)(?P=mark)", re.M | re.S
)
_SPAN = re.compile(r"`([^`\n]+)`")
_INNER = re.compile(r"\$\(([^()]*)\)")
_ASSIGNMENT = re.compile(r"[A-Z_]+=")
_OPERATORS = "|;&>"
# Between columns: a bar that is not within a code span.
_CELL = re.compile(r"\|(?=(?:[^`]*`[^`]*`)*[^`]*$)")
_TEST = re.compile(r"`(?P<file>\w+(?:/\w+)*\.py)(?:::(?P<name>\w+)|\[(?P<case>[^\]]+)\])`")


@dataclass(frozen=True)
class Said:
    """A text of a page; `line` is where it begins, from 1."""

    file: str
    line: int
    text: str
    language: str = ""

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.text}"


def pages(*names: str) -> list[Path]:
    """README.md, all of docs/, and more files by name."""
    return [
        REPOSITORY / "README.md",
        *sorted((REPOSITORY / "docs").rglob("*.md")),
        *(REPOSITORY / one for one in names),
    ]


def tables(path: Path) -> Iterator[list[dict[str, str]]]:
    """Each table of a page as rows by column."""
    header: list[str] | None = None
    rows: list[dict[str, str]] = []
    for line in [*path.read_text(encoding="utf-8").splitlines(), ""]:
        if not line.startswith("|"):
            if rows:
                yield rows
            header, rows = None, []
        elif header is None:
            header = _cells(line)
        elif not set(line) <= set("|-"):
            rows.append(dict(zip(header, _cells(line), strict=True)))


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in _CELL.split(line)[1:-1]]


def rows_with_tests(path: Path) -> list[dict[str, str]]:
    """The rows of all tables that have a column `test`."""
    return [row for table in tables(path) for row in table if "test" in row]


def problems_of_tests(cell: str) -> list[str]:
    """What is wrong with the tests that a cell names: each is `file.py::name` or `file.py[case]` below tests/."""
    named = list(_TEST.finditer(cell))
    return [problem for match in named if (problem := _missing(match))] if named else [f"no test: {cell}"]


def _missing(match: re.Match[str]) -> str | None:
    path = REPOSITORY / "tests" / match["file"]
    if not path.is_file():
        return f"no file: {path}"
    said = f"def {match['name']}(" if match["name"] else f'"{match["case"]}"'
    return None if said in path.read_text(encoding="utf-8") else f"no test: {match[0]}"


def blocks(path: Path) -> Iterator[Said]:
    """The fenced blocks of a page."""
    text = path.read_text(encoding="utf-8")
    for match in _FENCE.finditer(text):
        line = text.count("\n", 0, match.start("text")) + 1
        yield Said(_name(path), line, match["text"], match["language"])


def spans(path: Path) -> Iterator[Said]:
    """The inline code of a page."""
    text = path.read_text(encoding="utf-8")
    prose = _FENCE.sub(lambda match: "\n" * match[0].count("\n"), text)
    for match in _SPAN.finditer(prose):
        yield Said(_name(path), prose.count("\n", 0, match.start()) + 1, match[1].replace("\\|", "|"))


@dataclass(frozen=True)
class Command:
    """A simple command of a shell block; `to` is the file that its output is redirected into."""

    said: Said
    words: tuple[str, ...]
    to: str | None = None

    def __str__(self) -> str:
        return " ".join(self.words)


def shown_commands(block: Said) -> Iterator[Command]:
    """The simple commands of a shell block, in the order in which a shell runs them, without assignments before them.

    Where lines begin with `$ `, the others are output.
    """
    prompted = is_prompted(block)
    for line, text in _lines(block):
        if prompted and not text.startswith("$ "):
            continue
        said = Said(block.file, line, text.removeprefix("$ "))
        for part in (*_INNER.findall(said.text), said.text):
            yield from (Command(said, tuple(words), to) for words, to in _simple(part))


def is_prompted(block: Said) -> bool:
    """Whether the block shows output too."""
    return bool(re.search(r"^\$ ", block.text, re.M))


def commands(block: Said, known: Container[str]) -> Iterator[tuple[Said, list[str]]]:
    """The commands of a shell block as words, without assignments before them and redirections after them.

    A block without a language may be a drawing: of it, only lines that begin with a known program are commands.
    """
    certain = bool(block.language) or is_prompted(block)
    for one in shown_commands(block):
        if certain or one.said.text.split(maxsplit=1)[0] in known:
            yield one.said, list(one.words)


def _lines(block: Said) -> Iterator[tuple[int, str]]:
    """Lines that are not empty, those that end with a backslash together with the next."""
    whole, begin = "", block.line
    for number, line in enumerate(block.text.splitlines(), block.line):
        begin = begin if whole else number
        whole += line.removesuffix("\\")
        if not line.endswith("\\"):
            if whole.strip():
                yield begin, whole.strip()
            whole = ""


def _simple(command: str) -> Iterator[tuple[list[str], str | None]]:
    """The simple commands of a line, each with the file that its output goes to."""
    lexer = shlex.shlex(command, posix=True, punctuation_chars=_OPERATORS)
    lexer.whitespace_split = True
    groups = [list(group) for _, group in groupby(lexer, key=lambda word: not word.strip(_OPERATORS))]
    # Words and operators take turns.
    targets = {index: groups[index + 2][0] for index in range(0, len(groups) - 2, 2) if ">" in groups[index + 1][0]}
    for index in range(0, len(groups), 2):
        words = groups[index][1:] if index - 2 in targets else groups[index]
        while words and _ASSIGNMENT.match(words[0]):
            words = words[1:]
        if words:
            yield words, targets.get(index)


def _name(path: Path) -> str:
    return str(path.relative_to(REPOSITORY)) if path.is_relative_to(REPOSITORY) else path.name
