"""The Ray cluster that a driver was started on, and how many pieces of work fit into it."""

import logging
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import ray

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Slots:
    """What one run (or trial) takes, and how many fit; `share` is its part of a node's CPUs."""

    cpus: float
    gpus: float
    share: float = 1.0

    def count(self) -> int:
        """How many fit, with the nodes that there are now; 0 while none fits."""
        return sum(self._on(node["Resources"]) for node in ray.nodes() if node["Alive"])

    def _on(self, resources: dict[str, float]) -> int:
        wanted = {"CPU": self.cpus, "GPU": self.gpus}
        counts = [math.floor(resources.get(name, 0.0) / each + 1e-9) for name, each in wanted.items() if each]
        return min(counts, default=0)


@contextmanager
def joined_ray(*, cpus: float | None = None, gpus: float | None = None) -> Iterator[Slots]:
    """The Ray cluster that this process was started on.

    A piece of work takes what is given here, else what the environment says (FINETUNE_CPUS_PER_RUN,
    FINETUNE_GPUS_PER_RUN), else a whole worker.
    """
    ray.init(address="auto", logging_level=logging.WARNING)
    try:
        nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        most = {name: max((node.get(name, 0.0) for node in nodes), default=0.0) for name in ("CPU", "GPU")}
        wanted_cpus = _asked("CPUS", cpus, most["CPU"])
        share = min(1.0, wanted_cpus / most["CPU"]) if most["CPU"] else 1.0
        wanted = Slots(cpus=wanted_cpus, gpus=_asked("GPUS", gpus, most["GPU"]), share=share)
        logger.info("a run takes %g CPUs and %g GPUs; %d fit now", wanted.cpus, wanted.gpus, wanted.count())
        yield wanted
    finally:
        ray.shutdown()


def _asked(name: str, given: float | None, default: float) -> float:
    return float(os.environ.get(f"FINETUNE_{name}_PER_RUN", default)) if given is None else given
