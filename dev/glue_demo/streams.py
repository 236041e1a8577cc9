"""Endless rows of every task and split: the same for a seed, train, dev and test apart, any size a prefix."""

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice

from finetune_core.tasks.registry import AX_FOLDER, GLUE_TASKS, SUBMISSION_FILES, TaskDefinition
from glue_demo import inference, similarity, single
from glue_demo.draw import Draw
from glue_demo.quirks import with_quirk
from glue_demo.row import Row

AX = "ax"
TASKS = (*GLUE_TASKS, AX)
"""The nine tasks and the diagnostic set, which has a test split only."""

_BUCKETS = 8
_BUCKETS_OF = {"train": range(3), "dev": range(3, 4), "test": range(4, 8)}


@dataclass(frozen=True)
class Split:
    """One file of a task: its name on the Hugging Face hub, and whether it is train, dev or test data."""

    task: str
    name: str
    part: str

    @property
    def definition(self) -> TaskDefinition:
        """Columns and labels; AX has MNLI's."""
        return GLUE_TASKS["mnli" if self.task == AX else self.task]

    @property
    def folder(self) -> str:
        """The task's folder in the official layout."""
        return AX_FOLDER if self.task == AX else str(self.definition.folder)

    @property
    def official_rows(self) -> int:
        """Rows of the real test split: what the leaderboard's checker asks for."""
        name = AX if self.task == AX else self.name
        return next(file.rows for file in SUBMISSION_FILES if file.split == name and file in self.definition.submission)


def splits_of(task: str) -> tuple[Split, ...]:
    """The splits that the task has, train first."""
    if task == AX:
        return (Split(AX, "test", "test"),)
    definition = GLUE_TASKS[task]
    return (
        Split(task, "train", "train"),
        *(Split(task, name, "dev") for name in definition.evaluation_splits.values()),
        *(Split(task, name, "test") for name in definition.test_splits),
    )


@dataclass(frozen=True)
class _Grammar:
    make: Callable[[Draw, int], Row]
    strata: int = 2
    label_of_nothing: float = 0


_GRAMMARS = {
    "cola": _Grammar(single.cola),
    "sst2": _Grammar(single.sst2),
    "mrpc": _Grammar(similarity.mrpc),
    "stsb": _Grammar(similarity.stsb, similarity.STSB_STRATA),
    "qqp": _Grammar(similarity.qqp),
    "qnli": _Grammar(inference.qnli, label_of_nothing=1),
    "rte": _Grammar(inference.rte, label_of_nothing=1),
    "wnli": _Grammar(inference.wnli),
}


def _grammar(split: Split) -> _Grammar:
    if split.task in _GRAMMARS:
        return _GRAMMARS[split.task]
    genres = inference.MATCHED
    if split.task == AX:
        genres = inference.MATCHED | inference.MISMATCHED
    elif split.name.endswith("_mismatched"):
        genres = inference.MISMATCHED
    return _Grammar(inference.nli(genres), 3, inference.NEUTRAL)


def rows(split: Split, count: int, seed: int) -> Iterator[Row]:
    """The first `count` rows of the split, with their true labels, one at a time."""
    return islice(_endless(split, seed), count)


def _endless(split: Split, seed: int) -> Iterator[Row]:
    draw, grammar = Draw(seed, split.task, split.name), _grammar(split)
    for index, stratum in enumerate(draw.strata(grammar.strata)):
        row = _within(split.part, draw, grammar, stratum)
        yield with_quirk(draw, index, row, grammar.label_of_nothing)


def _within(part: str, draw: Draw, grammar: _Grammar, stratum: int) -> Row:
    """A row whose first text belongs to this part of the data, so that no two parts share one."""
    while True:
        row = grammar.make(draw, stratum)
        if zlib.crc32(row.texts[0].encode()) % _BUCKETS in _BUCKETS_OF[part]:
            return row
