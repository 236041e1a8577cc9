"""`finetune-trainer drive`: what its arguments mean."""

import argparse
import uuid
from contextlib import AbstractContextManager

from finetune_core.planning.plan import JobPlan
from finetune_core.results.run import ExitCode
from finetune_store import S3Connection, open_store
from finetune_trainer import drain
from finetune_trainer.drive.crews import crew_pool, processes_per_run
from finetune_trainer.drive.driver import Driver
from finetune_trainer.drive.local_pool import local_pool, visible_gpus
from finetune_trainer.drive.pod_runs import runs_at_once
from finetune_trainer.drive.pool import Pool
from finetune_trainer.drive.worker import RunWork
from finetune_trainer.driver_report import DriverReporter
from finetune_trainer.run.endings import Records
from finetune_trainer.signals import StopFlag
from finetune_trainer.stored.taking import Taker, is_held


def drive(job: JobPlan, arguments: argparse.Namespace, *, connection: S3Connection, patience: float) -> int:
    """Do every run of a plan, on this machine or the Ray cluster that this process was started on; the exit code."""
    stop = StopFlag(also=None if arguments.local else drain.requested())
    stop.install()
    hasty = open_store(arguments.store, connection=connection, retry_seconds=0.0)
    patient = open_store(arguments.store, connection=connection, retry_seconds=patience)
    taker = Taker.from_env(job.plan, job.limits, patient, patience=patience)
    # The head of a Ray cluster has neither volumes nor trackers: there its workers take runs.
    look = taker.has if arguments.local else taker.finds
    count = _runs_at_once(arguments.workers)
    shared = arguments.local and processes_per_run() == 1 and count > max(1, len(visible_gpus()))
    work = RunWork(job=job, store=arguments.store, patience=patience, records=not shared)
    try:
        with _local(work, count) if arguments.local else _on_ray(work, stop) as pool, drain.busy():
            return Driver(
                job,
                pool,
                reporter=DriverReporter(hasty, arguments.report_key),
                stop=stop,
                has_result=lambda run: look(run, f"driver-{uuid.uuid4().hex[:12]}"),
                at_once=count if shared else None,
                records=Records(hasty, job.plan) if shared else None,
                is_held=lambda: is_held(patient, job.plan),
            ).run()
    except SystemExit:
        # Ray's own answer to SIGTERM while it starts.
        return ExitCode.INTERRUPTED


def _runs_at_once(workers: int | None) -> int:
    """On this machine: as it is told, or as many as a GPU is to do."""
    return workers or max(1, len(visible_gpus()) // processes_per_run()) * runs_at_once()


def _local(work: RunWork, count: int) -> AbstractContextManager[Pool]:
    gpus, processes = visible_gpus(), processes_per_run()
    if processes > 1:
        return crew_pool(work, count, processes, gpus)
    # A run takes one GPU, also where there are more of them than workers.
    return local_pool(work, count, gpus[:count])


def _on_ray(work: RunWork, stop: StopFlag) -> AbstractContextManager[Pool]:
    from finetune_trainer.drive.ray_pool import ray_pool  # noqa: PLC0415 - imports ray, after signals are heeded

    return ray_pool(work, stop)
