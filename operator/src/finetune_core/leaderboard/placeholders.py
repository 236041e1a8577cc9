"""What stands in for a leaderboard file that no run has predicted: one and the same prediction in every row."""

import statistics
from collections import Counter
from collections.abc import Iterable
from types import MappingProxyType

from finetune_core.leaderboard.checks import HEADER
from finetune_core.stored import finite
from finetune_core.tasks.registry import REGRESSION_RANGE, SubmissionFile

PLACEHOLDER_CONSTANTS = MappingProxyType(
    {
        "CoLA.tsv": "1",
        "SST-2.tsv": "1",
        "MRPC.tsv": "1",
        "STS-B.tsv": "2.500",
        "QQP.tsv": "0",
        "MNLI-m.tsv": "entailment",
        "MNLI-mm.tsv": "entailment",
        "AX.tsv": "entailment",
        "QNLI.tsv": "entailment",
        "RTE.tsv": "entailment",
        "WNLI.tsv": "0",
    }
)
"""What stands in for a task whose training labels are not at hand: GLUE's majority label (entailment where the labels
are balanced), the middle of the scale in STS-B."""


def placeholder(file: SubmissionFile, constant: str) -> bytes:
    """A prediction file that holds the same prediction in every row."""
    return HEADER + b"\n" + b"".join(f"{index}\t{constant}\n".encode() for index in range(file.rows))


def majority(file: SubmissionFile, labels: Iterable[str]) -> str | None:
    """What a placeholder best holds, given the labels of the training set as the file writes them.

    The most frequent label (ties: the one that the task lists first); in STS-B the mean score. Labels that the file
    does not know count for nothing; None if no other is left.
    """
    if not file.written:
        scores = [score for text in labels if (score := _number(text)) is not None]
        low, high = REGRESSION_RANGE
        return f"{min(max(statistics.fmean(scores), low), high):.3f}" if scores else None
    words = list(dict.fromkeys(file.written.values()))
    counts = Counter(label for label in labels if label in words)
    return max(words, key=lambda word: counts[word]) if counts else None


def _number(text: str) -> float | None:
    try:
        return finite(float(text))
    except ValueError:
        return None
