"""What can go wrong with a report, by name.

FinetuneError
├── ReportError          what lies in the store cannot be used; only a person can change that
├── OvertakenError       the world moved on meanwhile; trying again helps
└── ResultsChangedError  the results are not those that were counted; whoever ordered the report has to look again
"""

from collections.abc import Iterator
from contextlib import contextmanager

from finetune_core.problems import FinetuneError
from finetune_store import UnreadableError


class ReportError(FinetuneError):
    """The store holds something that cannot be reported on."""


class OvertakenError(FinetuneError):
    """Results or reports were written by others while this report was made."""


class ResultsChangedError(FinetuneError):
    """A result is gone, unreadable or another one since the report was ordered."""


@contextmanager
def reported() -> Iterator[None]:
    """ReportError for a document that cannot be read."""
    try:
        yield
    except UnreadableError as error:
        raise ReportError(str(error)) from error
