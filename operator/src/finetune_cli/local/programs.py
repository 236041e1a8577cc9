"""The trainer and the report as processes of this machine."""

import importlib.util
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from finetune_client.errors import ClientError
from finetune_store import local_folder

_POLL_SECONDS = 0.5
_NOTHING = 1 << 20
"""Bytes: with less than this left, nothing can be written."""


def require_trainer() -> None:
    """ClientError where the trainer is not installed beside this command."""
    if importlib.util.find_spec("torch") is None:
        raise ClientError(
            "the trainer is not installed here", "install it, in a clone of the project: pip install '.[cli,trainer]'"
        )


@dataclass(frozen=True)
class Programs:
    """Runs `finetune-trainer` and `finetune-report` on a store, with what they say in a file.

    `lock` is a file descriptor that they inherit: as long as one of them lives, no other command begins. `environment`
    is what they get besides the user's own.
    """

    store: str
    log: Path
    lock: int
    environment: Mapping[str, str] = field(default_factory=dict)

    def run(self, *arguments: str, watch: Callable[[], None] = lambda: None) -> int:
        """Run a program to its end, calling `watch` twice a second; its exit code.

        Ctrl-C and SIGTERM are passed on: the trainer then saves the state of its runs and ends with 143; a second
        Ctrl-C does not wait for that.
        """
        program, *rest = arguments
        command = [str(Path(sys.executable).with_name(program)), *rest]
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as out:
            # In a session of its own Ctrl-C reaches it through this process alone.
            process = subprocess.Popen(
                command,
                env={**os.environ, "FINETUNE_STORE": self.store, **self.environment},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                pass_fds=(self.lock,),
                start_new_session=True,
            )
        previous = signal.signal(signal.SIGTERM, lambda *_: process.terminate())
        try:
            return _wait(process, watch)
        finally:
            signal.signal(signal.SIGTERM, previous)

    def must(self, *arguments: str) -> None:
        """Run a program that is expected to end well; ClientError where it does not."""
        code = self.run(*arguments)
        if code:
            raise self.failure(" ".join(arguments[:2]), code)

    def failure(self, what: str, code: int) -> ClientError:
        """The error for a program that ended badly; where its disk is full, the log does not say so."""
        if shutil.disk_usage(self.log.parent).free < _NOTHING:
            remedy = "free space, or name another folder with --store; the same command goes on from here"
            return ClientError(f"no space is left for {self.log.parent}, so {what} ended with exit code {code}", remedy)
        return ClientError(f"{what} ended with exit code {code}", f"see {self.log}")


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


def log_file(uri: str, root: str) -> Path:
    """Where the programs log to: beside the results, or in the user's cache where these are in a bucket."""
    if uri.startswith("file://"):
        return local_folder(uri) / root / "local" / "run.log"
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "finetune" / root / "run.log"
