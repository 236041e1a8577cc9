"""Workers on this machine: processes of their own, one a GPU, each at one run at a time."""

import ctypes
import multiprocessing
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path

from finetune_trainer.drive.pool import WORKER_DIED, Ended, WorkerDiedError
from finetune_trainer.drive.worker import Work, Worker
from finetune_trainer.hardware import usable_cores
from finetune_trainer.signals import StopFlag

_PR_SET_PDEATHSIG = 1


def visible_gpus() -> list[str]:
    """The GPUs of this machine as CUDA_VISIBLE_DEVICES names them; found without torch, which takes seconds."""
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    if chosen is not None:
        return [name for name in chosen.split(",") if name.strip() not in {"", "-1"}]
    return [str(place) for place, _ in enumerate(sorted(Path("/proc/driver/nvidia/gpus").glob("*")))]


def shares(workers: int, gpus: Sequence[str]) -> list[dict[str, str]]:
    """The environment of each worker: its GPU, in turn, and its part of the cores."""
    threads = os.environ.get("OMP_NUM_THREADS") or str(max(1, usable_cores() // workers))
    return [
        {"OMP_NUM_THREADS": threads, **({"CUDA_VISIBLE_DEVICES": gpus[place % len(gpus)]} if gpus else {})}
        for place in range(workers)
    ]


def end_with_parent() -> None:
    """Get SIGTERM when the process that started this one is gone: who is killed cannot tell.

    Runs then save their state, and the next driver goes on from there. prctl(2), PR_SET_PDEATHSIG; Linux only.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


@dataclass
class _Member:
    process: SpawnProcess
    connection: Connection
    run: str = ""


class LocalPool:
    """A process for each of `environments`, started when there is a run for it and kept for the next ones."""

    def __init__(self, work: Work, environments: Sequence[Mapping[str, str]]) -> None:
        self._work = work
        self._free = list(reversed(environments))
        self._idle: list[_Member] = []
        self._busy: list[_Member] = []
        self._shares: dict[int, Mapping[str, str]] = {}

    def room(self, wanted: int) -> int:
        """How many runs could begin now, of so many that are wanted."""
        while self._free and len(self._idle) < wanted:
            self._idle.append(self._launch(self._free.pop()))
        return len(self._idle)

    def start(self, run: str) -> None:
        """Have the process that was idle last do a run."""
        member = self._idle.pop()
        member.run = run
        self._busy.append(member)
        try:
            member.connection.send(run)
        except OSError:
            # It died while it was idle: `wait` finds its connection closed.
            return

    def wait(self, seconds: float) -> list[Ended]:
        """Runs that ended; waits at most so long for the first."""
        ready = set(wait([member.connection for member in self._busy], timeout=seconds))
        finished = [member for member in self._busy if member.connection in ready]
        self._busy = [member for member in self._busy if member.connection not in ready]
        return [self._ended(member) for member in finished]

    def stop(self) -> None:
        """Ask all workers to save the state of their runs and to give them back."""
        for member in self._busy:
            member.process.terminate()

    def close(self) -> None:
        """End the processes, which are idle."""
        for member in self._idle:
            member.connection.close()
        for member in self._idle:
            member.process.join()

    def _launch(self, environment: Mapping[str, str]) -> _Member:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=_serve, args=(theirs, self._work, dict(environment), os.getpid()), daemon=True)
        process.start()
        theirs.close()
        self._shares[id(process)] = environment
        return _Member(process, ours)

    def _ended(self, member: _Member) -> Ended:
        run = member.run
        try:
            outcome = member.connection.recv()
        except (EOFError, OSError):
            member.process.join()
            self._free.append(self._shares.pop(id(member.process)))
            return Ended(run, WorkerDiedError(f"{WORKER_DIED} (exit code {member.process.exitcode})"))
        self._idle.append(member)
        return Ended(run, outcome)


def _serve(connection: Connection, work: Work, environment: dict[str, str], parent: int) -> None:
    """What a worker's process does: one run after another, until its driver closes the connection or is gone."""
    stop = StopFlag()
    stop.install()
    end_with_parent()
    if os.getppid() != parent:
        return
    os.environ.update(environment)
    worker = Worker(work, stop)
    while True:
        try:
            connection.send(worker.do(connection.recv()))
        except (EOFError, BrokenPipeError):
            worker.leave()
            return
