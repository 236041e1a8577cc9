"""Ray for a driver: one of its own inside the pod, or the cluster that it runs on; and how many runs fit."""

import logging
import math
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import ray

from finetune_trainer.hardware import usable_cores

logger = logging.getLogger(__name__)

_OBJECT_STORE_BYTES = 80 * 2**20
"""Nothing but reports passes through it; Ray wants at least 75 MiB."""

_SETTINGS = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_STRICT_METRIC_CHECKING": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    "TUNE_MAX_PENDING_TRIALS_PG": "1",
    "TUNE_GLOBAL_CHECKPOINT_S": "3600",
    "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
    "RAY_AIR_NEW_OUTPUT": "0",
}


def _quieten() -> None:
    """Tune's own files and tables are not used: what it says about them is of no use to anybody."""
    os.environ.update(_SETTINGS)
    logging.getLogger("ray.tune").setLevel(logging.ERROR)


@dataclass(frozen=True)
class Slots:
    """What one run (or trial) takes, and how many fit; `share` is its part of a node's CPUs."""

    cpus: float
    gpus: float
    most: int | None = None
    share: float = 1.0

    def count(self) -> int:
        """How many fit, with the nodes that there are now; 0 while none fits."""
        fit = sum(self._on(node["Resources"]) for node in ray.nodes() if node["Alive"])
        return fit if self.most is None else min(fit, self.most)

    def _on(self, resources: dict[str, float]) -> int:
        wanted = {"CPU": self.cpus, "GPU": self.gpus}
        counts = [math.floor(resources.get(name, 0.0) / each + 1e-9) for name, each in wanted.items() if each]
        return min(counts, default=0)


@contextmanager
def local_ray(trials: int, *, cpus: float | None, gpus: float | None) -> Iterator[Slots]:
    """A Ray in this pod for so many trials at a time; it ends with the context.

    Its sockets need a short path: a fresh folder below TMPDIR or /tmp.
    """
    _quieten()
    # What Ray counts as a CPU here is a trial; this is what a trial's process really gets.
    threads = max(1, int(cpus) if cpus else usable_cores() // trials)
    os.environ.setdefault("OMP_NUM_THREADS", str(threads))
    folder = tempfile.mkdtemp(prefix="ray-")
    try:
        ray.init(
            address="local",
            num_cpus=trials,
            include_dashboard=False,
            object_store_memory=_OBJECT_STORE_BYTES,
            logging_level=logging.WARNING,
            _temp_dir=folder,
        )
        available = float(ray.cluster_resources().get("GPU", 0.0))
        yield Slots(cpus=1.0, gpus=_gpu_share(available, trials) if gpus is None else gpus, most=trials)
    finally:
        ray.shutdown()
        shutil.rmtree(folder, ignore_errors=True)


def _gpu_share(available: float, trials: int) -> float:
    share = available / trials
    return float(int(share)) if share > 1 else share


@contextmanager
def joined_ray(*, cpus: float | None = None, gpus: float | None = None) -> Iterator[Slots]:
    """The Ray cluster that this process was started on.

    A run takes what is given here, else what the environment says (FINETUNE_CPUS_PER_RUN, FINETUNE_GPUS_PER_RUN), else
    a whole worker.
    """
    _quieten()
    ray.init(address="auto", logging_level=logging.WARNING)
    try:
        nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        most = {name: max((one.get(name, 0.0) for one in nodes), default=0.0) for name in ("CPU", "GPU")}
        wanted_cpus = _asked("CPUS", cpus, most["CPU"])
        share = min(1.0, wanted_cpus / most["CPU"]) if most["CPU"] else 1.0
        wanted = Slots(cpus=wanted_cpus, gpus=_asked("GPUS", gpus, most["GPU"]), share=share)
        logger.info("a run takes %g CPUs and %g GPUs; %d fit now", wanted.cpus, wanted.gpus, wanted.count())
        yield wanted
    finally:
        ray.shutdown()


def _asked(name: str, given: float | None, default: float) -> float:
    return float(os.environ.get(f"FINETUNE_{name}_PER_RUN", default)) if given is None else given
