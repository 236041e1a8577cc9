"""Crews: processes of this machine that do one run together, one for each GPU (torch's DistributedDataParallel).

    this process ── asks, tells to stop, ends them ──> first process of a run ── decides, writes to the store
                                               └─────> others ── train, evaluate, predict their share

As torchrun does, a crew sets the environment that torch.distributed knows its processes by, and ends all of them when
one fails. Unlike torchrun (docs/decisions/0037) it lets the first process take its time to save a checkpoint when told
to stop, says with which exit code a run ended, and keeps its processes for the pod's next run.
"""

import logging
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from multiprocessing.connection import wait
from pathlib import Path

from finetune_core.planning.devices import PROCESSES
from finetune_core.results.run import ExitCode, Failure
from finetune_trainer.drive.local_pool import LocalPool, Member, end_with_parent, threads_of
from finetune_trainer.drive.pool import Answer, WorkerDiedError
from finetune_trainer.drive.worker import Work
from finetune_trainer.errors import UserError

logger = logging.getLogger(__name__)

_FIRST = "0"
_SETTLING_SECONDS = 3.0
"""After the first bad answer: one that fails because another has died may be heard before it."""


def processes_per_run() -> int:
    """What this process' environment says; 1 where it says nothing."""
    return int(os.environ.get(PROCESSES, "1"))


@contextmanager
def crew_pool(work: Work, crews: int, processes: int, gpus: Sequence[str]) -> Iterator["CrewPool"]:
    """So many crews of so many processes, which end with the context. UserError if there are GPUs, but too few."""
    if 0 < len(gpus) < crews * processes:
        raise UserError(
            f"{crews} run(s) at a time by {processes} processes each need {crews * processes} GPUs, and {len(gpus)} "
            "can be seen: set execution.processesPerRun (or --workers) so that they suffice"
        )
    end_with_parent()
    pool = CrewPool(work, environments(crews, processes, gpus))
    try:
        yield pool
    finally:
        pool.close()


def environments(crews: int, processes: int, gpus: Sequence[str]) -> list[list[dict[str, str]]]:
    """Of each process of each crew: its part of the cores, the crew's GPUs, and who it is, as torchrun says it."""
    common = {**threads_of(crews * processes), "WORLD_SIZE": str(processes), "LOCAL_WORLD_SIZE": str(processes)}
    if sys.platform == "linux" and "GLOO_SOCKET_IFNAME" not in os.environ:
        # They are on one machine, whatever name and network it has.
        common["GLOO_SOCKET_IFNAME"] = "lo"
    return [
        [
            {**common, **_visible(gpus, crew, processes), "RANK": str(rank), "LOCAL_RANK": str(rank)}
            for rank in range(processes)
        ]
        for crew in range(crews)
    ]


def _visible(gpus: Sequence[str], crew: int, each: int) -> dict[str, str]:
    # All of a crew's in each process, which takes the one of its rank: as NCCL and accelerate expect it.
    return {"CUDA_VISIBLE_DEVICES": ",".join(gpus[crew * each : (crew + 1) * each])} if gpus else {}


class _Processes(LocalPool):
    """Workers whose names are their ranks."""

    def start(self, name: str, order: object) -> None:
        # Of idle workers the pool takes the last.
        self._idle.sort(key=lambda member: member.environment["RANK"] == name)
        super().start(name, order)

    def _part_from(self, member: Member) -> None:
        # It has said all that it has to say, and may wait for others for ever.
        member.process.kill()
        super()._part_from(member)


class _Crew:
    """The processes of one run after another; what came of a run is None, a failure, or a death."""

    def __init__(self, work: Work, members: Sequence[Mapping[str, str]]) -> None:
        self._work = work
        self._members = members
        self._pool: _Processes | None = None
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._answers: dict[str, Answer] = {}
        self._bad_since: float | None = None
        self.name = ""

    @property
    def processes(self) -> "_Processes":
        """They are started with the first run, and again after one that ended badly."""
        if self._pool is None:
            self._folder = tempfile.TemporaryDirectory(prefix="finetune-crew-")
            meeting = {"FINETUNE_RENDEZVOUS": str(Path(self._folder.name) / "meeting")}
            self._pool = _Processes(self._work, [{**member, **meeting} for member in self._members])
        return self._pool

    def start(self, name: str, order: object) -> None:
        self.name, self._answers, self._bad_since = name, {}, None
        for place, _ in enumerate(self._members):
            self.processes.start(str(place), order)

    def look(self, now: float) -> Answer | None:
        """What came of the run, once that is known; `now` is monotonic seconds."""
        for answer in self.processes.wait(0):
            self._answers[answer.name] = answer
        bad = [answer for answer in self._answers.values() if self._ends_all(answer)]
        if bad and self._bad_since is None:
            self._bad_since = now
        settled = self._bad_since is not None and now - self._bad_since >= _SETTLING_SECONDS
        if len(self._answers) < len(self._members) and not settled:
            return None
        if len(self._answers) < len(self._members) or any(answer.outcome for answer in self._answers.values()):
            self.kill()
        return Answer(self.name, self._outcome(bad))

    def _ends_all(self, answer: Answer) -> bool:
        """All but success, and that another stops as the first has told it: that one may still be saving."""
        outcome = answer.outcome
        follows = answer.name != _FIRST and isinstance(outcome, Failure) and outcome.exit_code == ExitCode.INTERRUPTED
        return outcome is not None and not follows

    def _outcome(self, bad: Sequence[Answer]) -> Failure | WorkerDiedError | None:
        """A death before all that it may have caused; else the first thing that went wrong."""
        for answer in bad:
            if isinstance(answer.outcome, WorkerDiedError):
                return WorkerDiedError(f"process {int(answer.name) + 1} of {len(self._members)}: {answer.outcome}")
        for answer in bad:
            assert isinstance(answer.outcome, Failure), "runs make no reports"
            return answer.outcome
        return None

    def stop(self) -> None:
        self.processes.stop()

    def kill(self) -> None:
        if self._pool is not None:
            self._pool.kill()
        self._leave()

    def close(self) -> None:
        """End them; those that still have work save their state first."""
        if self._pool is not None:
            self._pool.stop()
            while self.look(time.monotonic()) is None:
                wait(self._pool.connections, timeout=_SETTLING_SECONDS)
        if self._pool is not None:
            self._pool.close()
        self._leave()

    def _leave(self) -> None:
        self._pool = None
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None


class CrewPool:
    """A pool whose workers are crews; runs alone are their work, since those make no reports."""

    def __init__(self, work: Work, crews: Sequence[Sequence[Mapping[str, str]]]) -> None:
        self._idle = [_Crew(work, members) for members in reversed(crews)]
        self._busy: list[_Crew] = []

    def room(self, wanted: int) -> int:
        """How many runs could begin now, of so many that are wanted."""
        return min(wanted, len(self._idle))

    def start(self, name: str, order: object) -> None:
        """Have the crew that was idle last do a run."""
        crew = self._idle.pop()
        crew.start(name, order)
        self._busy.append(crew)

    def wait(self, seconds: float) -> list[Answer]:
        """What came of the runs; waits at most so long for something to look at."""
        wait([one for crew in self._busy for one in crew.processes.connections], timeout=seconds)
        now = time.monotonic()
        answers = {crew: crew.look(now) for crew in self._busy}
        self._idle += [crew for crew, answer in answers.items() if answer is not None]
        self._busy = [crew for crew, answer in answers.items() if answer is None]
        return [answer for answer in answers.values() if answer is not None]

    def go_on(self, name: str) -> None:
        """Never asked."""
        raise NotImplementedError(f"{name}: runs do not report")

    def end(self, name: str) -> None:
        """Never asked."""
        raise NotImplementedError(f"{name}: runs do not report")

    def dismiss(self, keep: int) -> None:
        """No crew is ended for others: each has GPUs of its own."""

    def stop(self) -> None:
        """Have all runs save their state and give them back."""
        for crew in self._busy:
            crew.stop()

    def close(self) -> None:
        """End the processes; a run that is still going, since the driver failed, saves its state first."""
        for crew in (*self._idle, *self._busy):
            crew.close()
