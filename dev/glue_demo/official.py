"""The official TSV layout (https://gluebenchmark.com/tasks), with the oddities of each file.

Line ends are line feeds, nothing is ever quoted. Columns that no reader needs are filled with something of the
right kind (parses with a dash, ids with numbers).
"""

from collections.abc import Callable, Iterable
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from glue_demo.row import Row
from glue_demo.streams import AX, Split

_BOM = "\N{ZERO WIDTH NO-BREAK SPACE}"
_MRPC = ("#1 ID", "#2 ID", "#1 String", "#2 String")
_STSB = (
    *("index", "genre", "filename", "year", "old_index", "source1", "source2"),
    *("sentence1", "sentence2"),
)
_MNLI = (
    *("index", "promptID", "pairID", "genre", "sentence1_binary_parse", "sentence2_binary_parse"),
    *("sentence1_parse", "sentence2_parse", "sentence1", "sentence2"),
)
_NO_FINAL_NEWLINE = {("cola", "validation"), ("sst2", "test"), ("qqp", "train"), ("mnli", "test_matched")}

Fields = Callable[[int, Row, str], tuple[object, ...]]


def tsv_name(split: Split) -> str:
    """The file of a split inside its task's folder: `dev_matched.tsv` for `validation_matched`."""
    return "diagnostic.tsv" if split.task == AX else split.name.replace("validation", "dev") + ".tsv"


def _indexed(index: int, row: Row, _label: str) -> tuple[object, ...]:
    return (index, *row.texts)


def _indexed_labelled(index: int, row: Row, label: str) -> tuple[object, ...]:
    return (index, *row.texts, label)


def _stsb(index: int, row: Row, _label: str) -> tuple[object, ...]:
    return (index, "main-demo", "demo", "2024", f"{index:04d}", "none", "none", *row.texts)


def _mnli(index: int, row: Row, _label: str) -> tuple[object, ...]:
    prompt = 10_000 + index
    return (index, prompt, f"{prompt}n", row.genre, "-", "-", "-", "-", *row.texts)


def _mrpc_ids(index: int) -> tuple[int, int]:
    return 700_000 + 2 * index, 700_001 + 2 * index


class _Format(NamedTuple):
    """The header (None: no header line) and what a line holds."""

    header: tuple[str, ...] | None
    fields: Fields


def _mnli_format(annotators: int) -> _Format:
    """One annotator's label in train, five in dev; the gold label is always the last column."""
    header = (*_MNLI, *(f"label{number + 1}" for number in range(annotators)), "gold_label")
    return _Format(header, lambda index, row, label: (*_mnli(index, row, label), *[label] * (annotators + 1)))


def _pair(first: str, second: str) -> tuple[_Format, _Format]:
    """The plain layout of a pair task: labelled, and as a test file."""
    header = ("index", first, second)
    return _Format((*header, "label"), _indexed_labelled), _Format(header, _indexed)


_FORMATS = {
    # task: (train and dev, test)
    "cola": (
        _Format(None, lambda _, row, label: ("gd01", label, "" if label == "1" else "*", *row.texts)),
        _Format(("index", "sentence"), _indexed),
    ),
    "sst2": (
        _Format(("sentence", "label"), lambda _, row, label: (*row.texts, label)),
        _Format(("index", "sentence"), _indexed),
    ),
    "mrpc": (
        _Format((_BOM + "Quality", *_MRPC), lambda i, row, label: (label, *_mrpc_ids(i), *row.texts)),
        _Format(("index", *_MRPC), lambda i, row, _: (i, *_mrpc_ids(i), *row.texts)),
    ),
    "stsb": (
        _Format((*_STSB, "score"), lambda i, row, label: (*_stsb(i, row, label), label)),
        _Format(_STSB, _stsb),
    ),
    "qqp": (
        _Format(
            ("id", "qid1", "qid2", "question1", "question2", "is_duplicate"),
            lambda i, row, label: (100_000 + i, 2 * i + 1, 2 * i + 2, *row.texts, label),
        ),
        _Format(("id", "question1", "question2"), _indexed),
    ),
    "qnli": _pair("question", "sentence"),
    "rte": _pair("sentence1", "sentence2"),
    "wnli": _pair("sentence1", "sentence2"),
    AX: _pair("sentence1", "sentence2"),
}
_MNLI_FORMATS = {"train": _mnli_format(1), "dev": _mnli_format(5), "test": _Format(_MNLI, _mnli)}


def _format(split: Split) -> _Format:
    if split.task == "mnli":
        return _MNLI_FORMATS[split.part]
    labelled, test = _FORMATS[split.task]
    return test if split.part == "test" else labelled


def label_text(split: Split, label: float) -> str:
    """How the official files write a label: names in MNLI, QNLI and RTE, 0 and 1 elsewhere, scores in STS-B."""
    if not split.definition.labels:
        return f"{label:.3f}"
    if split.definition.name in {"mnli", "qnli", "rte"}:
        return split.definition.labels[int(label)]
    return str(int(label))


class OfficialWriter:
    """Writes one split, rows in the order given; a context manager."""

    def __init__(self, root: Path, split: Split) -> None:
        self._split = split
        header, self._fields = _format(split)
        path = root / split.folder / tsv_name(split)
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("w", encoding="utf-8", newline="\n")
        self._index = 0
        # Written before each line but the first, so that a file can end without one.
        self._newline = ""
        if header:
            self._line(header)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if (self._split.task, self._split.name) not in _NO_FINAL_NEWLINE:
            self._file.write("\n")
        self._file.close()

    def write(self, rows: Iterable[Row]) -> None:
        """Append rows."""
        for row in rows:
            self._line(self._fields(self._index, row, label_text(self._split, row.label)))
            self._index += 1

    def _line(self, fields: Iterable[object]) -> None:
        self._file.write(self._newline + "\t".join(map(str, fields)))
        self._newline = "\n"
