"""Programs that keep running after the command that started them: start, recognise, stop.

A record of each (its process id, when that process began, what it was started with) tells a running program from
another one that got its id after a restart of the machine, and from one that was started with other settings.
"""

import hashlib
import json
import os
import select
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from finetune_dev.errors import DaemonError, TimedOutError, last_lines
from finetune_dev.shell import say, wait_for

_STOP_SECONDS = 5
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True)
class Daemon:
    """A program to keep running; it is started anew when its command or one of its configuration files changes."""

    name: str
    command: tuple[str, ...]
    files: tuple[Path, ...] = ()

    def fingerprint(self) -> str:
        """Digest of everything that it is started with."""
        contents = [path.read_text() for path in self.files]
        return hashlib.sha256("\0".join([*self.command, *contents]).encode()).hexdigest()


@dataclass(frozen=True)
class Record:
    """What is kept of a started program; `began` is in clock ticks since the boot `boot`."""

    pid: int
    began: int
    boot: str
    fingerprint: str

    def is_running(self) -> bool:
        """Whether that very process runs (a zombie does not)."""
        return self.boot == boot_id() and _began(self.pid) == self.began


class Daemons:
    """The programs whose records are in one folder and whose logs are in another."""

    def __init__(self, records: Path, logs: Path) -> None:
        self._records = records
        self._logs = logs

    def log(self, name: str) -> Path:
        """The log of a program; each start begins it anew, keeping the one before as `<name>.log.1`."""
        return self._logs / f"{name}.log"

    def names(self) -> list[str]:
        """The programs that were started, in that order."""
        found = sorted(self._records.glob("*.json"), key=lambda path: path.stat().st_mtime_ns)
        return [path.stem for path in found]

    def is_running(self, name: str) -> bool:
        """Whether a program was started and still runs."""
        record = self._read(name)
        return record is not None and record.is_running()

    def ensure(self, daemon: Daemon) -> None:
        """Have a program running with just these settings; one that already does is left alone."""
        fingerprint = daemon.fingerprint()
        record = self._read(daemon.name)
        if record and record.is_running():
            if record.fingerprint == fingerprint:
                return
            self.stop(daemon.name)
        say(f"starting {daemon.name} (log: {self.log(daemon.name)})")
        self._start(daemon, fingerprint)

    def signal(self, name: str, number: signal.Signals) -> None:
        """Send a signal to a program; DaemonError where it does not run."""
        record = self._read(name)
        if record is None or not record.is_running():
            raise DaemonError(f"{name} does not run, so it gets no {number.name}: python -m finetune_dev status")
        os.kill(record.pid, number)

    def stop(self, name: str) -> None:
        """End a program and forget it: asks first, and kills after a while."""
        record = self._read(name)
        if record and record.is_running():
            _end(record)
        self._path(name).unlink(missing_ok=True)

    def wait(self, name: str, what: str, condition: Callable[[], bool], *, seconds: float) -> None:
        """Wait until `condition()` holds; raises `DaemonError` as soon as the program on which it depends ends."""

        def holds() -> bool:
            if not self.is_running(name):
                raise DaemonError(f"{name} ended while waiting for {what}; {self._ending(name)}")
            return condition()

        wait_for(what, holds, seconds=seconds, hint=lambda: self._ending(name).capitalize())

    def _ending(self, name: str) -> str:
        log = self.log(name)
        return f"the log of {name} ({log}) ends:\n{last_lines(log.read_text(errors='replace'))}"

    def _start(self, daemon: Daemon, fingerprint: str) -> None:
        self._records.mkdir(parents=True, exist_ok=True)
        self._logs.mkdir(parents=True, exist_ok=True)
        log = self.log(daemon.name)
        if log.exists():
            log.replace(log.with_name(f"{log.name}.1"))
        pid = _spawn(daemon.command, log)
        record = Record(pid, _began(pid) or 0, boot_id(), fingerprint)
        self._path(daemon.name).write_text(json.dumps(vars(record)))

    def _read(self, name: str) -> Record | None:
        path = self._path(name)
        return Record(**json.loads(path.read_text())) if path.exists() else None

    def _path(self, name: str) -> Path:
        return self._records / f"{name}.json"


def boot_id() -> str:
    """What names this run of the kernel."""
    return _BOOT_ID.read_text().strip()


def began_of(stat: str) -> int | None:
    """When a process began, in clock ticks since boot (text of /proc/<pid>/stat, see proc(5)); None for a zombie."""
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else int(fields[19])


def _spawn(command: tuple[str, ...], log: Path) -> int:
    """Start a program in a session of its own, so that it outlives this process and its terminal."""
    actions = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, str(log), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644),
        (os.POSIX_SPAWN_DUP2, 1, 2),
    ]
    try:
        return os.posix_spawnp(command[0], command, os.environ, file_actions=actions, setsid=True)
    except FileNotFoundError as error:
        raise DaemonError(f"`{command[0]}` is not installed: {error}") from error


def _began(pid: int) -> int | None:
    try:
        return began_of(Path(f"/proc/{pid}/stat").read_text())
    except (FileNotFoundError, ProcessLookupError):
        return None


def _end(record: Record) -> None:
    try:
        handle = os.pidfd_open(record.pid)
    except ProcessLookupError:
        return
    try:
        for number in (signal.SIGTERM, signal.SIGKILL):
            # The handle could be of a successor that got the id just now; the record tells.
            if not record.is_running():
                return
            signal.pidfd_send_signal(handle, number)
            if select.select([handle], [], [], _STOP_SECONDS)[0]:
                return
    except ProcessLookupError:
        return
    finally:
        os.close(handle)
    raise TimedOutError(f"process {record.pid} did not end within {_STOP_SECONDS} s of being killed")
