"""Whether a task has seeds enough, and why."""

from enum import StrEnum


class Enough(StrEnum):
    """What the rule of `narrow` says of a task, all of whose runs have ended."""

    NARROW = "Narrow"
    AT_MOST = "AtMost"
    """As many as it may have, and not narrow."""
    TOO_FEW_VALUES = "TooFewValues"
    """Fewer than two of its runs have a value: more of them would not help."""
    GOES_ON = "GoesOn"
