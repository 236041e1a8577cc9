"""What can go wrong with a report, by name.

FinetuneError
├── ReportError        what lies in the store cannot be used; only a person can change that
└── OvertakenError     the world moved on meanwhile; trying again helps
"""

from finetune_core.problems import FinetuneError


class ReportError(FinetuneError):
    """The store holds something that cannot be reported on."""


class OvertakenError(FinetuneError):
    """Results or reports were written by others while this report was made."""
