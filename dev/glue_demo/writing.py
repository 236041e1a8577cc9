"""Rows into files: one pass over the streams, a bounded number of rows in memory, both layouts from the same rows."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Final, Literal, Protocol, Self

from glue_demo.hub import HubWriter
from glue_demo.official import OfficialWriter
from glue_demo.row import Row
from glue_demo.streams import TASKS, Split, rows, splits_of

Layout = Literal["tsv", "parquet", "both"]
OFFICIAL: Final = "official"


class _Writer(Protocol):
    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None: ...

    def write(self, rows: Sequence[Row], /) -> None: ...


_WRITERS: dict[str, Callable[[Path, Split], _Writer]] = {"tsv": OfficialWriter, "parquet": HubWriter}
_CHUNK = 8192
TRAIN_ROWS = 512
"""Of the demos."""


class DemoDataError(ValueError):
    """The demo data cannot be made as asked."""


def write(
    out: Path,
    *,
    layout: Layout = "tsv",
    train_rows: int = 512,
    dev_rows: int = 128,
    test_rows: int | Literal["official"] = 64,
    tasks: Sequence[str] = TASKS,
    seed: int = 0,
) -> dict[str, Path]:
    """Write demo data for the tasks and give the data folder of each layout written.

    `layout` "tsv" and "parquet" write below `out` itself, "both" below `out/tsv` and `out/parquet`. `test_rows`
    "official" makes test splits (and AX) as long as the leaderboard asks: 425,000 rows for all tasks. Files that
    are there are written anew. Raises `DemoDataError` on an unknown layout or task and on row counts below 1.
    """
    folders = _folders(out, layout)
    _check(tasks, train_rows, dev_rows, test_rows)
    for task in tasks:
        for split in splits_of(task):
            count = {"train": train_rows, "dev": dev_rows, "test": test_rows}[split.part]
            _write_split(folders, split, split.official_rows if count == OFFICIAL else int(count), seed)
    return folders


def _folders(out: Path, layout: str) -> dict[str, Path]:
    if layout == "both":
        return {name: out / name for name in _WRITERS}
    if layout not in _WRITERS:
        raise DemoDataError(f"layout {layout!r} is unknown: use one of {', '.join(_WRITERS)}, both")
    return {layout: out}


def _check(tasks: Sequence[str], train_rows: int, dev_rows: int, test_rows: int | str) -> None:
    if unknown := sorted(set(tasks) - set(TASKS)):
        raise DemoDataError(f"tasks {', '.join(unknown)} are unknown: use some of {', '.join(TASKS)}")
    for name, count in (("train_rows", train_rows), ("dev_rows", dev_rows), ("test_rows", test_rows)):
        if count == OFFICIAL and name == "test_rows":
            continue
        if not isinstance(count, int) or count < 1:
            raise DemoDataError(f"{name} is {count!r}: give a number of rows, 1 or more")


def _write_split(folders: dict[str, Path], split: Split, count: int, seed: int) -> None:
    with ExitStack() as stack:
        writers = [stack.enter_context(_WRITERS[layout](root, split)) for layout, root in folders.items()]
        for chunk in _chunks(rows(split, count, seed)):
            for writer in writers:
                writer.write(chunk)


def _chunks(stream: Iterator[Row]) -> Iterator[list[Row]]:
    while chunk := list(islice(stream, _CHUNK)):
        yield chunk
