"""Exit codes of all commands; see docs/cli.md."""

from enum import IntEnum


class Exit(IntEnum):
    """What an exit code means."""

    OK = 0
    PROBLEMS = 1
    """A manifest or zip has problems, or what was waited for ended badly."""
    USAGE = 2
    """The command line itself is wrong."""
    NOT_FOUND = 3
    """What was named is not there, or not there yet."""
    REFUSED = 4
    """Cluster or store say no: permissions, a conflict, a rule."""
    UNREACHABLE = 5
    """Cluster or store cannot be reached; trying again may help."""
    INTERRUPTED = 130
    """Ctrl-C."""
