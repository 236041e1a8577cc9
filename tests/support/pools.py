"""Pools for tests: one that does its work in this process, where torch is loaded already; a Ray for a test alone."""

import contextlib
import logging
import shutil
import tempfile
from collections.abc import Iterator

import ray

from finetune_trainer.drive.pool import Answer
from finetune_trainer.drive.ray_pool import RayPool
from finetune_trainer.drive.ray_runtime import Slots
from finetune_trainer.drive.worker import Report, Station, Work
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

    def stop(self) -> None:
        """Its workers are stopped by what stops this process."""


@contextlib.contextmanager
def own_ray_pool(work: Work, workers: int) -> Iterator[RayPool]:
    """So many workers on a Ray of one's own; its sockets need a short path."""
    folder = tempfile.mkdtemp(prefix="ray-")
    try:
        ray.init(
            address="local",
            num_cpus=workers,
            include_dashboard=False,
            object_store_memory=80 * 2**20,
            logging_level=logging.WARNING,
            _temp_dir=folder,
        )
        yield RayPool(work, Slots(cpus=1.0, gpus=0.0))
    finally:
        ray.shutdown()
        shutil.rmtree(folder, ignore_errors=True)
