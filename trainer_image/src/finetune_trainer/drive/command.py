"""`finetune-trainer drive`: what its arguments mean."""

import argparse
import logging
from collections.abc import Iterator
from contextlib import contextmanager

from finetune_core.layout import ExperimentLayout
from finetune_core.plan import JobPlan, PlannedRun
from finetune_core.results import ExitCode
from finetune_store import S3Connection, Store, open_store
from finetune_trainer import drain
from finetune_trainer.drive.driver import Driver
from finetune_trainer.drive.pool import Pool
from finetune_trainer.drive.worker import Work
from finetune_trainer.driver_report import DriverReporter
from finetune_trainer.signals import StopFlag

logger = logging.getLogger(__name__)


def drive(job: JobPlan, arguments: argparse.Namespace, *, connection: S3Connection, patience: float) -> int:
    """Do every run of a plan, on this machine or the Ray cluster that this process was started on; the exit code."""
    stop = StopFlag(also=None if arguments.local else drain.requested())
    stop.install()
    hasty = open_store(arguments.store, connection=connection, retry_seconds=0.0)
    patient = open_store(arguments.store, connection=connection, retry_seconds=patience)
    work = Work(job=job, store=arguments.store, patience=patience)
    try:
        with _local(work, arguments.workers) if arguments.local else _on_ray(work, stop) as pool, drain.busy():
            return Driver(
                job,
                pool,
                reporter=DriverReporter(hasty, arguments.report_key),
                stop=stop,
                has_result=lambda run: _has_result(patient, job, run),
            ).run()
    except SystemExit:
        # Ray's own answer to SIGTERM while it starts.
        return ExitCode.INTERRUPTED


@contextmanager
def _local(work: Work, workers: int | None) -> Iterator[Pool]:
    from finetune_trainer.drive.local_pool import LocalPool, end_with_parent, shares, visible_gpus  # noqa: PLC0415

    end_with_parent()
    gpus = visible_gpus()
    pool = LocalPool(work, shares(workers or max(1, len(gpus)), gpus))
    yield pool
    pool.close()


@contextmanager
def _on_ray(work: Work, stop: StopFlag) -> Iterator[Pool]:
    from finetune_trainer.drive.ray_pool import RayPool  # noqa: PLC0415 - imports ray, after signals are heeded
    from finetune_trainer.rays import joined_ray  # noqa: PLC0415

    with joined_ray() as slots:
        # Ray has put a handler of its own in place.
        stop.install()
        yield RayPool(work, slots)


def _has_result(store: Store, job: JobPlan, run: PlannedRun) -> bool:
    layout = ExperimentLayout(job.plan.namespace, job.plan.experiment)
    return store.stat(layout.run(run.task, run.run_id).result) is not None
