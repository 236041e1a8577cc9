"""Words that were probably meant."""

from collections.abc import Iterable
from difflib import get_close_matches


def near(word: str, known: Iterable[str]) -> str | None:
    """The known word that was probably meant, whatever its case, dashes and underscores; None if none is like it."""
    by_plain = {plain(known_word): known_word for known_word in known}
    found = get_close_matches(plain(word), by_plain, n=1, cutoff=0.7)
    return by_plain[found[0]] if found else None


def plain(word: str) -> str:
    """The word without what people write differently: case, dashes, underscores."""
    return word.lower().replace("_", "").replace("-", "")
