"""A process that does one run after another, and keeps model files and tokenised data between them."""

import os
import uuid
from dataclasses import dataclass, replace

from finetune_core.plan import JobPlan
from finetune_core.results import ExitCode, Failure
from finetune_trainer import drain, logs
from finetune_trainer.hardware import usable_cores
from finetune_trainer.signals import Stop

THREADS_BY_CORES = "FINETUNE_THREADS_BY_CORES"
"""Set in pods whose spec does not say OMP_NUM_THREADS itself: Ray sets that to what it counts for a process, which
is 1 for a pod without a CPU limit."""


@dataclass(frozen=True)
class Work:
    """What all workers are told: the plan, the store's URI, seconds of patience with it, their part of the cores."""

    job: JobPlan
    store: str
    patience: float
    cpu_share: float = 1.0


class Worker:
    """Told by the driver which run to do next."""

    def __init__(self, work: Work, stop: Stop) -> None:
        logs.configure(os.environ.get("FINETUNE_LOG_FORMAT", "text"))
        # Runs with as many threads as in a pod of their own give the same results as there.
        if os.environ.get(THREADS_BY_CORES):
            os.environ["OMP_NUM_THREADS"] = str(max(1, int(usable_cores() * work.cpu_share)))
        from finetune_trainer.pod import make_pod  # noqa: PLC0415 - torch counts its threads when it is imported

        self._prefix = os.environ.get("FINETUNE_ATTEMPT") or uuid.uuid4().hex
        self._runs = {run.run_id: run for run in work.job.plan.runs}
        self._pod = make_pod(
            work.job.plan,
            work.job.limits,
            store=work.store,
            attempt=self._prefix,
            stop=stop,
            patience=work.patience,
        )

    def do(self, run_id: str) -> Failure | None:
        """An attempt at a run; why it came to no result, if it did not."""
        from finetune_trainer.session import do_run  # noqa: PLC0415 - imports torch

        # The pod's uid, and one more: a run may be begun twice in the same pod.
        pod = replace(self._pod, attempt=f"{self._prefix}-{uuid.uuid4().hex[:8]}")
        with drain.busy():
            return do_run(pod, self._runs[run_id])

    def leave(self) -> None:
        """No more runs will come."""
        self._pod.trackers.leave(ExitCode.SUCCESS)
