"""Running programs, waiting for conditions, and saying so."""

import fcntl
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from finetune_dev.errors import CommandError, DevError, TimedOutError

_POLL_SECONDS = 0.1


def say(text: str) -> None:
    """Tell the person at the terminal what happens; standard output stays free for results."""
    print(f"· {text}", file=sys.stderr, flush=True)


@contextmanager
def step(text: str) -> Iterator[None]:
    """Announce work that takes a while, and how long it took once it is done."""
    say(f"{text} ...")
    started = time.monotonic()
    yield
    say(f"{text}: done in {time.monotonic() - started:.1f} s")


@contextmanager
def one_at_a_time(folder: Path) -> Iterator[None]:
    """Builds into a folder: a second process waits, then finds what it wants built."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def run(
    *command: str | Path,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
    stdin: str | None = None,
) -> str:
    """Run a program to its end and return its standard output.

    `environment` is added to this process's own. Raises `CommandError` with the end of the output where the program
    fails, `DevError` where it is not installed.
    """
    words = [str(word) for word in command]
    try:
        done = subprocess.run(
            words,
            env={**os.environ, **(environment or {})},
            cwd=folder,
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError as error:
        raise DevError(f"`{words[0]}` is not installed (or {folder} is not there): {error}") from error
    if done.returncode:
        raise CommandError(words, done.returncode, done.stdout + done.stderr)
    return done.stdout


def succeeds(*command: str | Path, environment: Mapping[str, str] | None = None) -> bool:
    """Whether a program is installed and ends without an error."""
    try:
        run(*command, environment=environment)
    except DevError:
        return False
    return True


def wait_for(
    what: str,
    condition: Callable[[], bool],
    *,
    seconds: float,
    hint: Callable[[], str] = str,
    every: float = _POLL_SECONDS,
) -> None:
    """Wait until `condition()` holds, looking at it `every` so many seconds.

    Raises `TimedOutError` with `hint()` after `seconds`; whatever `condition` raises goes through, so that it can
    stop the waiting where there is nothing left to wait for.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimedOutError(f"waited {seconds:.0f} s for {what}, in vain. {hint()}".rstrip())
        time.sleep(every)
