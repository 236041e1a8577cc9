"""The rows that trip readers: lone double quotes, other scripts, texts longer than any limit, almost nothing."""

from glue_demo.draw import Draw
from glue_demo.row import Row
from glue_demo.scenes import active, draw_scene

_PERIOD = 61
_LAST = 512
"""Behind this row there are no more quirks: a set of official size is not made slow by them."""
_LONG_SENTENCES = 15
_LINE_SEPARATOR = "\u2028"  # str.splitlines() cuts here, a file's lines do not end here

# What careless readers take for a missing value, and (second texts only, as in the real QQP) no text at all.
_NOTHING_IN_PAIR = ("", ".", "null", "N/A")
_NOTHING_ALONE = ("null", ".", "N/A")


def with_quirk(draw: Draw, index: int, row: Row, label_of_nothing: float) -> Row:
    """The row as it is, or (the first time within eight rows, then one row in fifteen) made awkward.

    The label stays true: what is added to all texts of a row alike says nothing about it, and a text of almost
    nothing is given the label of "not the same", "does not follow" or "no statement".
    """
    if index >= _LAST:
        return row
    match index % _PERIOD:
        case 1:
            # A reader that knows quoting swallows the lines up to the next double quote.
            return row._replace(texts=('"' + row.texts[0], *row.texts[1:]))
        case 3:
            return _extended(row, f"« Zoë, Łukasz … 東京 🚲{_LINE_SEPARATOR}»")
        case 5:
            filler = (active(draw_scene(draw)) for _ in range(_LONG_SENTENCES))
            return _extended(row, " ".join(filler))
        case 7:
            options = _NOTHING_ALONE if len(row.texts) == 1 else _NOTHING_IN_PAIR
            nothing = options[index // _PERIOD % len(options)]
            return row._replace(texts=(*row.texts[:-1], nothing), label=label_of_nothing)
        case _:
            return row


def _extended(row: Row, tail: str) -> Row:
    return row._replace(texts=tuple(f"{text.strip()} {tail}" for text in row.texts))
