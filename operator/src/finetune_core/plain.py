"""Text of others where a control character would be an instruction: terminals, log lines, tables of text.

Control characters are those of Unicode's categories Cc, Zl and Zp, and the ones that turn the direction of what follows
(https://www.unicode.org/reports/tr9/#Directional_Formatting_Characters, https://trojansource.codes).
"""

import re

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_ACROSS_LINES = re.compile("(?![\t\n])" + _CONTROL.pattern)


def is_printable(text: str) -> bool:
    """Whether it holds no control character."""
    return _CONTROL.search(text) is None


def one_line(text: str) -> str:
    """Any text as one line: white space is one space, control characters are written as Python writes them: `\\x1b`."""
    return escaped(" ".join(text.split()))


def escaped(text: str) -> str:
    """The text with every control character, line breaks too, written as Python writes it: `\\n`."""
    return _CONTROL.sub(_written, text)


def visible(text: str) -> str:
    """The text with its lines and tabs; other control characters are written as Python writes them: `\\x1b`."""
    return _ACROSS_LINES.sub(_written, text)


def _written(match: re.Match[str]) -> str:
    return ascii(match[0])[1:-1]
