"""The trainer and the report as processes of this machine."""

import importlib.util
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from finetune_cli.errors import CliError

_POLL_SECONDS = 0.5


def require_trainer() -> None:
    """CliError where the trainer is not installed beside this command."""
    if importlib.util.find_spec("torch") is None:
        raise CliError("the trainer is not installed here", "install it: pip install 'finetune-operator[cli,trainer]'")


def run_program(arguments: Sequence[str], *, store: str, log: Path, lock: int, watch: Callable[[], None]) -> int:
    """Run `finetune-trainer` or `finetune-report` to its end, calling `watch` twice a second; its exit code.

    Ctrl-C and SIGTERM are passed on once: the trainer then saves the state of its runs and ends with 143. The lock's
    descriptor is inherited: as long as the program lives, no other command begins.
    """
    program, *rest = arguments
    command = [str(Path(sys.executable).with_name(program)), *rest]
    environment = {**os.environ, "FINETUNE_STORE": store}
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as out:
        # A session of its own: Ctrl-C reaches it through this process alone.
        process = subprocess.Popen(
            command, env=environment, stdout=out, stderr=out, stdin=subprocess.DEVNULL, pass_fds=(lock,),
            start_new_session=True,
        )  # fmt: skip
        previous = signal.signal(signal.SIGTERM, lambda *_: process.terminate())
        try:
            return _wait(process, watch)
        finally:
            signal.signal(signal.SIGTERM, previous)


def _wait(process: subprocess.Popen[bytes], watch: Callable[[], None]) -> int:
    told = False
    while True:
        try:
            watch()
            return process.wait(timeout=_POLL_SECONDS)
        except subprocess.TimeoutExpired:
            continue
        except KeyboardInterrupt:
            if told:
                process.kill()
            told = True
            process.terminate()
