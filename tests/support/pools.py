"""Pools for tests: one that does its work in this process, where torch is loaded already; a Ray for a test alone.

Counting is work for them that takes no time: it reports so often, and then ends as it is told.
"""

import contextlib
import logging
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

from finetune_core.results.run import ExitCode, Failure, FailureReason
from finetune_core.results.search.trial import TrialReport
from finetune_trainer.drive.pool import Answer, Pool
from finetune_trainer.drive.worker import Report, Station, Steps, Work
from finetune_trainer.signals import Stop


class DirectPool:
    """Workers in this process, made when there is work for them; each answers in turn when the pool is waited for."""

    def __init__(self, work: Work, workers: int, stop: Stop) -> None:
        self._work = work
        self._stop = stop
        self._room = workers
        self._idle: list[Station] = []
        self._asked: dict[str, tuple[Station, tuple[object, ...]]] = {}
        self._waiting: dict[str, Station] = {}

    def room(self, wanted: int) -> int:
        return min(wanted, self._room - len(self._asked) - len(self._waiting))

    def start(self, name: str, order: object) -> None:
        station = self._idle.pop() if self._idle else Station(self._work, self._stop)
        self._asked[name] = (station, (order,))

    def wait(self, seconds: float) -> list[Answer]:
        asked, self._asked = self._asked, {}
        return [self._answer(name, station, order) for name, (station, order) in asked.items()]

    def _answer(self, name: str, station: Station, order: tuple[object, ...]) -> Answer:
        outcome = station.begin(*order) if order else station.go_on()
        if isinstance(outcome, Report):
            self._waiting[name] = station
        else:
            self._idle.append(station)
        return Answer(name, outcome)

    def go_on(self, name: str) -> None:
        self._asked[name] = (self._waiting.pop(name), ())

    def end(self, name: str) -> None:
        station = self._waiting.pop(name)
        station.end()
        self._idle.append(station)

    def dismiss(self, keep: int) -> None:
        """They have one memory."""

    def stop(self) -> None:
        """Its workers are stopped by what stops this process."""


@contextlib.contextmanager
def own_ray(cpus: int) -> Iterator[None]:
    """A Ray of one's own, whose processes find the tests' modules; its sockets need a short path."""
    import ray  # noqa: PLC0415 - takes seconds, and processes of local pools do without it

    folder = tempfile.mkdtemp(prefix="ray-")
    try:
        with mock.patch.dict(os.environ, PYTHONPATH=str(Path(__file__).parents[1]), RAY_USAGE_STATS_ENABLED="0"):
            ray.init(
                address="local",
                num_cpus=cpus,
                include_dashboard=False,
                object_store_memory=80 * 2**20,
                logging_level=logging.WARNING,
                _temp_dir=folder,
            )
        yield
    finally:
        ray.shutdown()
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def own_ray_pool(work: Work, workers: int) -> Iterator[Pool]:
    """So many workers on a Ray of one's own."""
    with own_ray(workers):
        yield ray_pool(work)


def ray_pool(work: Work) -> Pool:
    """As many workers as the Ray of this process has CPUs."""
    from finetune_trainer.drive.ray_pool import RayPool  # noqa: PLC0415 - imports ray
    from finetune_trainer.drive.ray_runtime import Slots  # noqa: PLC0415

    return RayPool(work, Slots(cpus=1.0, gpus=0.0))


def failure(exit_code: int, message: str = "it broke") -> Failure:
    """Why a piece of work came to no result."""
    about = {"run_id": "", "task": "rte", "run": 0, "attempt": "x", "time": ""}
    return Failure(reason=FailureReason.INTERNAL, message=message, exit_code=exit_code, **about)


class Told:
    """Told to stop, once it was asked so often."""

    def __init__(self, asked: int = 10**9) -> None:
        self._left = asked

    @property
    def is_set(self) -> bool:
        self._left -= 1
        return self._left < 0


@dataclass(frozen=True)
class Count:
    """`end`: `ok`, `fail`, `stumble` (it may pass), `raise`, `die` (its process is gone), `never` until it must."""

    reports: int
    end: str = "ok"


class Counting:
    """Work whose orders are `Count`; a report tells the process, and how many pieces were closed in it before."""

    modules = ()

    def worker(self, stop: Stop) -> "Counter":
        return Counter(stop)


class Counter:
    """Counts."""

    def __init__(self, stop: Stop) -> None:
        self._stop = stop
        self._closed = 0

    def do(self, order: Count) -> Steps:
        try:
            for step in range(1, order.reports + 1):
                metrics = {"pid": float(os.getpid()), "closed": float(self._closed)}
                yield Report(TrialReport(step=step, progress=0.1, seconds=0.0, metrics=metrics))
        except GeneratorExit:
            self._closed += 1
            raise
        return self._end(order.end)

    def _end(self, how: str) -> Failure | None:
        if how == "die":
            os._exit(9)
        if how == "raise":
            raise ValueError("nobody foresaw this")
        while how == "never" and not self._stop.is_set:
            time.sleep(0.01)
        codes = {"never": ExitCode.INTERRUPTED, "fail": ExitCode.GAVE_UP, "stumble": ExitCode.RETRY}
        return failure(codes[how]) if how in codes else None

    def leave(self) -> None:
        """Nothing is kept."""
