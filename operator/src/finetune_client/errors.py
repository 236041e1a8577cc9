"""Errors that a command ends with: one line on what is wrong, one on what to do.

ClientError
├── NotFoundError      what was named is not there
├── RefusedError       the other side says no
└── UnreachableError   the other side does not answer
"""

from collections.abc import Iterator
from contextlib import contextmanager

from finetune_client.exits import Exit
from finetune_core.problems import FinetuneError


class ClientError(FinetuneError):
    """A command cannot go on; `remedy` says what to do about it."""

    code = Exit.PROBLEMS

    def __init__(self, message: str, remedy: str = "") -> None:
        self.message = message
        self.remedy = remedy
        super().__init__(f"{message}\n{remedy}" if remedy else message)


class UsageError(ClientError):
    """The command line makes no sense."""

    code = Exit.USAGE


class NotFoundError(ClientError):
    """What was named is not there, or not there yet."""

    code = Exit.NOT_FOUND


class RefusedError(ClientError):
    """Cluster or store refuse it."""

    code = Exit.REFUSED


class UnreachableError(ClientError):
    """Cluster or store cannot be reached."""

    code = Exit.UNREACHABLE


@contextmanager
def needing(what: str, extra: str) -> Iterator[None]:
    """ClientError, with the extra to install, where an import of the block is not here; `what` is as "plots need"."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise ClientError(
            f"{what} {error.name}, which is not installed here",
            f"Install it, in a clone of the project: pip install '.[cli,{extra}]'.",
        ) from error
