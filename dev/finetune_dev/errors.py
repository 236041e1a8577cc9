"""What can go wrong here: each message says what failed, where, and what to do.

DevError
├── CommandError      a program ended with an error
├── TimedOutError     something that was waited for did not come
└── DaemonError       a program that should keep running ended
"""

from collections.abc import Sequence


class DevError(Exception):
    """The base of all; its text is meant for the person at the terminal."""


class CommandError(DevError):
    """A program ended with an error; carries the end of what it printed."""

    def __init__(self, command: Sequence[str], code: int, output: str) -> None:
        self.code = code
        self.output = output
        super().__init__(f"`{' '.join(command)}` ended with exit code {code}:\n{last_lines(output)}")


class TimedOutError(DevError):
    """Something that was waited for did not come in time."""


class DaemonError(DevError):
    """A program that should keep running ended; carries the end of its log."""


def last_lines(text: str, count: int = 25) -> str:
    """The last `count` lines of a text, indented for a message."""
    return "\n".join(f"    {line}" for line in text.strip().splitlines()[-count:]) or "    (it printed nothing)"
