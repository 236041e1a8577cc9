"""Workers on a Ray cluster: as many as fit, each at one piece of work at a time."""

import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import ray
from ray.exceptions import GetTimeoutError, RayActorError, RayTaskError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from finetune_core.results.run import ExitCode, Failure
from finetune_trainer import drain
from finetune_trainer.drive.pool import SPENT, WORKER_DIED, Answer, LostError, WorkerDiedError
from finetune_trainer.drive.ray_runtime import Slots, joined_ray
from finetune_trainer.drive.worker import Report, Station, Work
from finetune_trainer.hardware import HELD, usable_cores
from finetune_trainer.signals import StopFlag

logger = logging.getLogger(__name__)

THREADS_BY_CORES = "FINETUNE_THREADS_BY_CORES"
"""Set in pods whose spec does not say OMP_NUM_THREADS itself: Ray sets that to what it counts for a process, which
is 1 for a pod without a CPU limit."""

_DOUBT_SECONDS = 20.0
"""How long a node that may have died with a worker is given to be found dead."""


@contextmanager
def ray_pool(
    work: Work, stop: StopFlag, *, cpus: float | None = None, gpus: float | None = None
) -> Iterator["RayPool"]:
    """As many workers as fit into the Ray cluster that this process was started on; see `joined_ray`."""
    with joined_ray(cpus=cpus, gpus=gpus) as slots:
        # Ray has put a handler of its own in place.
        stop.install()
        yield RayPool(work, slots)


class _RayStation(Station):
    """A worker as a Ray actor: its pod's end is what stops it. `share` is its part of the node's cores."""

    def __init__(self, work: Work, share: float) -> None:
        # Work with as many threads as in a pod of its own gives the same results as there; torch counts them when it
        # is imported.
        if os.environ.get(THREADS_BY_CORES):
            os.environ["OMP_NUM_THREADS"] = str(max(1, int(usable_cores() * share)))
        os.environ[HELD] = f"{ray.get_runtime_context().get_assigned_resources().get('GPU', 0.0):g}"
        super().__init__(work, drain.requested())

    def node(self) -> str:
        """The id of the Ray node that it is on."""
        return str(ray.get_runtime_context().get_node_id())


@dataclass
class _Member:
    actor: Any
    where: Any
    name: str = ""
    gone_since: float = 0.0
    gone_for: str = ""

    def node(self) -> str | None:
        """Its node's id; None if it never came to life."""
        try:
            return str(ray.get(self.where, timeout=0))
        except (RayActorError, RayTaskError, GetTimeoutError):
            return None


class RayPool:
    """Workers as Ray actors; a worker whose pod is to end is left alone until it is gone."""

    def __init__(self, work: Work, slots: Slots) -> None:
        self._slots = slots
        self._work = ray.put(work)
        self._actor = ray.remote(num_cpus=slots.cpus, num_gpus=slots.gpus, max_restarts=0)(_RayStation)
        self._idle: list[_Member] = []
        self._busy: dict[Any, _Member] = {}
        self._waiting: dict[str, _Member] = {}
        self._leaving: list[_Member] = []
        self._doubtful: list[_Member] = []

    def room(self, wanted: int) -> int:
        """How many pieces could begin now, of so many that are wanted."""
        alive = _living_nodes()
        self._leaving = [member for member in self._leaving if member.node() in alive]
        members = len(self._idle) + len(self._busy) + len(self._waiting) + len(self._leaving)
        return min(wanted, len(self._idle) + max(0, self._slots.count() - members))

    def start(self, name: str, order: object) -> None:
        """Have the worker that was idle last do a piece, or a new one."""
        member = self._idle.pop() if self._idle else self._hire()
        member.name = name
        self._busy[member.actor.begin.remote(order)] = member

    def wait(self, seconds: float) -> list[Answer]:
        """What came of the pieces; waits at most so long for the first answer."""
        if not self._busy:
            time.sleep(seconds)
            return self._settled()
        answered, _ = ray.wait(list(self._busy), timeout=seconds)
        answers = [answer for ref in answered if (answer := self._answer(ref)) is not None]
        return [*answers, *self._settled()]

    def go_on(self, name: str) -> None:
        """Let a piece go on that has reported."""
        member = self._waiting.pop(name)
        self._busy[member.actor.go_on.remote()] = member

    def end(self, name: str) -> None:
        """End a piece that has reported."""
        member = self._waiting.pop(name)
        # An actor does what it is asked in order: the next piece begins once this one has ended.
        member.actor.end.remote()
        self._idle.append(member)

    def dismiss(self, keep: int) -> None:
        """None is ended: what an actor has is counted as its own."""

    def stop(self) -> None:
        """Ask all workers to save the state of their work and to give it back."""
        ask = ray.remote(num_cpus=0)(drain.request)
        members = [*self._busy.values(), *self._waiting.values()]
        nodes = {node for member in members if (node := member.node()) is not None}
        for node in nodes:
            ask.options(scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False)).remote()
        for member in members:
            if member.node() is None:
                ray.kill(member.actor)

    def _hire(self) -> _Member:
        actor: Any = self._actor.remote(self._work, self._slots.share)
        return _Member(actor, actor.node.remote())

    def _answer(self, ref: Any) -> Answer | None:
        member = self._busy.pop(ref)
        try:
            outcome: Report | Failure | None = ray.get(ref)
        except RayActorError as error:
            member.gone_since, member.gone_for = time.monotonic(), _brief(error)
            logger.warning("%s: its worker is gone: %s", member.name, member.gone_for)
            self._doubtful.append(member)
            return None
        except RayTaskError as error:
            ray.kill(member.actor)
            return Answer(member.name, WorkerDiedError(_brief(error)))
        if isinstance(outcome, Report):
            self._waiting[member.name] = member
        elif outcome is None or outcome.exit_code not in SPENT:
            self._idle.append(member)
        elif outcome.exit_code == ExitCode.INTERRUPTED:
            self._leaving.append(member)
        else:
            ray.kill(member.actor)
        return Answer(member.name, outcome)

    def _settled(self) -> list[Answer]:
        """Pieces of workers that are gone, once it is known whether their node went with them."""
        alive, now = _living_nodes(), time.monotonic()
        answers, open_ = [], []
        for member in self._doubtful:
            node = member.node()
            if node is not None and node not in alive:
                answers.append(Answer(member.name, LostError()))
            elif node is None or now - member.gone_since > _DOUBT_SECONDS:
                answers.append(Answer(member.name, WorkerDiedError(f"{WORKER_DIED} ({member.gone_for})")))
            else:
                open_.append(member)
        self._doubtful = open_
        return answers


def _living_nodes() -> frozenset[str]:
    return frozenset(node["NodeID"] for node in ray.nodes() if node["Alive"])


def _brief(error: BaseException) -> str:
    """The first line, and the last, which names the error where Python raised one."""
    lines = [line.strip() for line in str(error).strip().splitlines()]
    return " … ".join(dict.fromkeys([lines[0], lines[-1]])) if lines else type(error).__name__
