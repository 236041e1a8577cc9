"""From what was named on the command line to texts."""

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from finetune_cli.manifest.check import check_text
from finetune_cli.manifest.findings import Finding, Place

STDIN = "-"
_SUFFIXES = {".yaml", ".yml", ".json"}


@dataclass(frozen=True)
class Source:
    """A file to look at; `named` is false where it was found in a folder."""

    name: str
    named: bool = True


def sources(names: Iterable[str]) -> Iterator[Source]:
    """The files named, and those of the folders named, sorted."""
    for name in names:
        if name != STDIN and Path(name).is_dir():
            found = sorted(path for path in Path(name).rglob("*") if path.suffix.lower() in _SUFFIXES)
            yield from (Source(str(path), named=False) for path in found if path.is_file())
        else:
            yield Source(name)


def check_source(source: Source) -> list[Finding]:
    """Everything wrong with a file, also that it cannot be read."""
    return checked(source)[1]


def checked(source: Source, *, in_cluster: bool = True) -> tuple[str, list[Finding]]:
    """A file's text, and everything wrong with it for a cluster, or for this machine."""
    text, problem = read_text(source.name)
    if problem:
        return text, [Finding(source.name, Place(1, 1), "", problem)]
    return text, check_text(source.name, text, any_kind=not source.named, in_cluster=in_cluster)


def read_text(name: str) -> tuple[str, str | None]:
    """A file's text (`-`: standard input) and, where there is none, why."""
    try:
        content = sys.stdin.buffer.read() if name == STDIN else Path(name).read_bytes()
        return content.decode("utf-8"), None
    except OSError as error:
        return "", f"cannot be read ({error.strerror}): check the path and its permissions"
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        return "", f"line {line} is not UTF-8: save the file as UTF-8"
