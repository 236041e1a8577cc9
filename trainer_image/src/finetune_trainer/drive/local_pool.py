"""Workers on this machine: processes of their own, each at one piece of work at a time."""

import ctypes
import multiprocessing
import os
import signal
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import forkserver
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkServerContext, SpawnContext
from multiprocessing.process import BaseProcess
from pathlib import Path
from threading import Thread

from finetune_core.results.run import Failure
from finetune_trainer.drive.pool import SPENT, WORKER_DIED, Answer, WorkerDiedError
from finetune_trainer.drive.worker import Report, Station, Work
from finetune_trainer.hardware import HELD, usable_cores
from finetune_trainer.signals import StopFlag

Context = ForkServerContext | SpawnContext

_PR_SET_PDEATHSIG = 1
_LONGEST_TEMPORARY = 64
"""Characters of a temporary folder in which the socket of a warm parent has room: unix(7) gives its path 107."""


def visible_gpus() -> list[str]:
    """The GPUs of this machine as CUDA_VISIBLE_DEVICES names them; found without torch, which takes seconds."""
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    if chosen is not None:
        return [name for name in chosen.split(",") if name.strip() not in {"", "-1"}]
    return [str(place) for place, _ in enumerate(sorted(Path("/proc/driver/nvidia/gpus").glob("*")))]


def shares(workers: int, gpus: Sequence[str]) -> list[dict[str, str]]:
    """The environment of each worker: its part of the cores, and one GPU, of its own as long as there are enough."""
    held = f"{min(1.0, len(gpus) / workers):g}"
    return [
        {**threads_of(workers), **({"CUDA_VISIBLE_DEVICES": gpus[place % len(gpus)], HELD: held} if gpus else {})}
        for place in range(workers)
    ]


def threads_of(processes: int) -> dict[str, str]:
    """The environment of each of so many processes on this machine's cores."""
    return {"OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS") or str(max(1, usable_cores() // processes))}


@contextmanager
def local_pool(work: Work, workers: int, gpus: Sequence[str]) -> Iterator["LocalPool"]:
    """So many workers, which end with the context, and with the process that started this one."""
    end_with_parent()
    pool = LocalPool(work, shares(workers, gpus))
    try:
        yield pool
    finally:
        pool.close()


def end_with_parent() -> None:
    """Get SIGTERM when the process that started this one is gone: who is killed cannot tell.

    Work then saves its state, and the next driver goes on from there. prctl(2), PR_SET_PDEATHSIG; Linux only.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


@dataclass
class Member:
    """A worker's process, and what its driver hears of it."""

    process: BaseProcess
    connection: Connection
    environment: Mapping[str, str]
    name: str = ""

    def tell(self, what: str, *arguments: object) -> None:
        """Ask something of it."""
        try:
            self.connection.send((what, *arguments))
        except OSError:
            # It died while it was waiting: `wait` finds its connection closed.
            return


class LocalPool:
    """A process for each of `environments`, started when there is work for it and kept for the next piece.

    They are forked from one that has imported what all of them need, and does nothing else.
    """

    def __init__(self, work: Work, environments: Sequence[Mapping[str, str]]) -> None:
        self._work = work
        self._context = _warm_parent(work)
        self._free = list(reversed(environments))
        self._idle: list[Member] = []
        self._busy: list[Member] = []
        self._waiting: dict[str, Member] = {}

    def room(self, wanted: int) -> int:
        """How many pieces could begin now, of so many that are wanted."""
        return min(wanted, len(self._idle) + len(self._free))

    def start(self, name: str, order: object) -> None:
        """Have the process that was idle last do a piece, or a new one."""
        member = self._idle.pop() if self._idle else self._launch(self._free.pop())
        member.name = name
        self._ask(member, "begin", order)

    def wait(self, seconds: float) -> list[Answer]:
        """What came of the pieces; waits at most so long for the first answer."""
        ready = set(wait([member.connection for member in self._busy], timeout=seconds))
        answered = [member for member in self._busy if member.connection in ready]
        self._busy = [member for member in self._busy if member.connection not in ready]
        return [self._answer(member) for member in answered]

    def go_on(self, name: str) -> None:
        """Let a piece go on that has reported."""
        self._ask(self._waiting.pop(name), "go_on")

    def end(self, name: str) -> None:
        """End a piece that has reported."""
        member = self._waiting.pop(name)
        member.tell("end")
        self._idle.append(member)

    def dismiss(self, keep: int) -> None:
        """End idle workers but for so many: they have memory that others may need."""
        while len(self._idle) > keep:
            self._part_from(self._idle.pop(0))

    def stop(self) -> None:
        """Ask all workers to save the state of their work and to give it back."""
        for member in (*self._busy, *self._waiting.values()):
            member.process.terminate()

    @property
    def connections(self) -> list[Connection]:
        """What can be waited for: one of them is ready when `wait` has an answer."""
        return [member.connection for member in self._busy]

    def kill(self) -> None:
        """End the processes at once, whatever they are at."""
        for member in (*self._idle, *self._busy, *self._waiting.values()):
            member.process.kill()
            self._part_from(member)
        self._idle, self._busy, self._waiting = [], [], {}

    def close(self) -> None:
        """End the processes; one that still has work, since the driver failed, saves its state first."""
        self.stop()
        members = [*self._idle, *self._busy, *self._waiting.values()]
        for member in members:
            member.connection.close()
        for member in members:
            member.process.join()

    def _launch(self, environment: Mapping[str, str]) -> Member:
        ours, theirs = self._context.Pipe()
        # The parent of all may have begun with another environment.
        whole = {**os.environ, **environment}
        process = self._context.Process(target=_serve, args=(theirs, self._work, whole), daemon=True)
        process.start()
        theirs.close()
        return Member(process, ours, environment)

    def _ask(self, member: Member, what: str, *arguments: object) -> None:
        member.tell(what, *arguments)
        self._busy.append(member)

    def _answer(self, member: Member) -> Answer:
        try:
            outcome: Report | Failure | None = member.connection.recv()
        except (EOFError, OSError):
            self._part_from(member)
            return Answer(member.name, WorkerDiedError(f"{WORKER_DIED} (exit code {member.process.exitcode})"))
        if isinstance(outcome, Report):
            self._waiting[member.name] = member
        elif outcome is not None and outcome.exit_code in SPENT:
            self._part_from(member)
        else:
            self._idle.append(member)
        return Answer(member.name, outcome)

    def _part_from(self, member: Member) -> None:
        member.connection.close()
        member.process.join()
        self._free.append(member.environment)


def _warm_parent(work: Work) -> Context:
    """What starts workers. Elsewhere than on Linux, what libraries start when they are imported may not survive a fork.

    https://docs.python.org/3/library/multiprocessing.html#contexts-and-start-methods
    """
    if sys.platform != "linux" or len(tempfile.gettempdir()) > _LONGEST_TEMPORARY:
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["__main__", __name__, *work.modules])
    # It imports while its driver looks what there is to do.
    forkserver.ensure_running()
    return context


def _end_with_driver() -> None:
    """Get SIGTERM when the driver is gone, of whom this process need not be a child: see `end_with_parent`."""
    driver = multiprocessing.parent_process()
    assert driver is not None, "started by a pool"
    wait([driver.sentinel])
    os.kill(os.getpid(), signal.SIGTERM)


def _serve(connection: Connection, work: Work, environment: dict[str, str]) -> None:
    """What a worker's process does: what it is asked, until its driver closes the connection or is gone."""
    stop = StopFlag()
    stop.install()
    Thread(target=_end_with_driver, daemon=True).start()
    os.environ.clear()
    os.environ.update(environment)
    station = Station(work, stop)
    while True:
        try:
            what, *arguments = connection.recv()
            answer = getattr(station, what)(*arguments)
            if what != "end":
                connection.send(answer)
        except (EOFError, ConnectionError):
            station.leave()
            return
