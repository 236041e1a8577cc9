"""Workers on a Ray cluster: as many as fit, each at one run at a time."""

import logging
import time
from dataclasses import dataclass, replace
from typing import Any

import ray
from ray.exceptions import GetTimeoutError, RayActorError, RayTaskError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from finetune_core.results import ExitCode, Failure
from finetune_trainer import drain
from finetune_trainer.drive.pool import WORKER_DIED, Ended, LostError, WorkerDiedError
from finetune_trainer.drive.worker import Work, Worker
from finetune_trainer.rays import Slots

logger = logging.getLogger(__name__)

_DOUBT_SECONDS = 20.0
"""How long a node that may have died with a worker is given to be found dead."""


class _RayWorker(Worker):
    """A worker as a Ray actor: its pod's end is what stops it."""

    def __init__(self, work: Work) -> None:
        super().__init__(work, drain.requested())

    def node(self) -> str:
        """The id of the Ray node that it is on."""
        return str(ray.get_runtime_context().get_node_id())


@dataclass
class _Member:
    actor: Any
    where: Any
    run: str = ""
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
        self._work = ray.put(replace(work, cpu_share=slots.share))
        self._actor = ray.remote(num_cpus=slots.cpus, num_gpus=slots.gpus, max_restarts=0)(_RayWorker)
        self._idle: list[_Member] = []
        self._busy: dict[Any, _Member] = {}
        self._leaving: list[_Member] = []
        self._doubtful: list[_Member] = []

    def room(self, wanted: int) -> int:
        """How many runs could begin now, of so many that are wanted; makes workers where they fit."""
        alive = _living_nodes()
        self._leaving = [one for one in self._leaving if one.node() in alive]
        members = len(self._idle) + len(self._busy) + len(self._leaving)
        missing = min(wanted - len(self._idle), self._slots.count() - members)
        for _ in range(missing):
            actor: Any = self._actor.remote(self._work)
            self._idle.append(_Member(actor, actor.node.remote()))
        return len(self._idle)

    def start(self, run: str) -> None:
        """Have the worker that was idle last do a run."""
        member = self._idle.pop()
        member.run = run
        self._busy[member.actor.do.remote(run)] = member

    def wait(self, seconds: float) -> list[Ended]:
        """Runs that ended; waits at most so long for the first."""
        if not self._busy:
            time.sleep(seconds)
            return self._settled()
        finished, _ = ray.wait(list(self._busy), timeout=seconds)
        ended = [one for ref in finished if (one := self._ended(ref)) is not None]
        return [*ended, *self._settled()]

    def stop(self) -> None:
        """Ask all workers to save the state of their runs and to give them back."""
        ask = ray.remote(num_cpus=0)(drain.request)
        nodes = {node for member in self._busy.values() if (node := member.node()) is not None}
        for node in nodes:
            ask.options(scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False)).remote()
        for member in self._busy.values():
            if member.node() is None:
                ray.kill(member.actor)

    def _ended(self, ref: Any) -> Ended | None:
        member = self._busy.pop(ref)
        try:
            failure: Failure | None = ray.get(ref)
        except RayActorError as error:
            member.gone_since, member.gone_for = time.monotonic(), _brief(error)
            logger.warning("a worker is gone: %s", member.gone_for, extra={"run_id": member.run})
            self._doubtful.append(member)
            return None
        except RayTaskError as error:
            self._idle.append(member)
            return Ended(member.run, WorkerDiedError(_brief(error)))
        interrupted = failure is not None and failure.exit_code == ExitCode.INTERRUPTED
        (self._leaving if interrupted else self._idle).append(member)
        return Ended(member.run, failure)

    def _settled(self) -> list[Ended]:
        """Runs of workers that are gone, once it is known whether their node went with them."""
        alive, now = _living_nodes(), time.monotonic()
        ended, open_ = [], []
        for member in self._doubtful:
            node = member.node()
            if node is not None and node not in alive:
                ended.append(Ended(member.run, LostError()))
            elif node is None or now - member.gone_since > _DOUBT_SECONDS:
                ended.append(Ended(member.run, WorkerDiedError(f"{WORKER_DIED} ({member.gone_for})")))
            else:
                open_.append(member)
        self._doubtful = open_
        return ended


def _living_nodes() -> frozenset[str]:
    return frozenset(node["NodeID"] for node in ray.nodes() if node["Alive"])


def _brief(error: BaseException) -> str:
    """The first line, and the last, which names the error where Python raised one."""
    lines = [line.strip() for line in str(error).strip().splitlines()]
    return " … ".join(dict.fromkeys([lines[0], lines[-1]])) if lines else type(error).__name__
