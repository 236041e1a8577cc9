"""What a label in a file means: a number, or the name of a class."""

import re
from collections.abc import Iterable
from decimal import Decimal

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?", re.ASCII)


def as_number(value: object) -> Decimal | None:
    """The number that a value is or spells, exactly: 1, 1.0, "1" and "01" are the same; None for everything else.

    Truth values, NaN and infinities are no numbers.
    """
    text = "" if isinstance(value, bool) else str(value).strip()
    return Decimal(text) if _NUMBER.fullmatch(text) else None


def are_numbers(names: Iterable[str]) -> bool:
    """Whether all names of classes are numbers: then a number in a file is a name, and never a class's id."""
    return all(as_number(name) is not None for name in names)
