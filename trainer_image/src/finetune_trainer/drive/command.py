"""`finetune-trainer drive`: what its arguments mean."""

import argparse
import logging

from finetune_core.layout import ExperimentLayout
from finetune_core.plan import JobPlan, PlannedRun
from finetune_core.results import ExitCode
from finetune_store import S3Connection, Store, open_store
from finetune_trainer import drain
from finetune_trainer.driver_report import DriverReporter
from finetune_trainer.signals import StopFlag

logger = logging.getLogger(__name__)


def drive(job: JobPlan, arguments: argparse.Namespace, *, connection: S3Connection, patience: float) -> int:
    """Do every run of a plan on the Ray cluster that this process was started on; the exit code."""
    stop = StopFlag(also=drain.requested())
    stop.install()
    from finetune_trainer.rays import joined_ray  # noqa: PLC0415 - imports ray, after signals are heeded

    hasty = open_store(arguments.store, connection=connection, retry_seconds=0.0)
    patient = open_store(arguments.store, connection=connection, retry_seconds=patience)
    try:
        with joined_ray() as slots:
            # Ray has put a handler of its own in place.
            stop.install()
            from finetune_trainer.drive.driver import Driver  # noqa: PLC0415 - imports ray
            from finetune_trainer.drive.pool import RayPool  # noqa: PLC0415
            from finetune_trainer.drive.worker import Work  # noqa: PLC0415

            work = Work(job=job, store=arguments.store, patience=patience, cpu_share=slots.share)
            driver = Driver(
                job,
                RayPool(work, slots),
                reporter=DriverReporter(hasty, arguments.report_key),
                stop=stop,
                has_result=lambda run: _has_result(patient, job, run),
            )
            with drain.busy():
                return driver.run()
    except SystemExit:
        # Ray's own answer to SIGTERM while it starts.
        return ExitCode.INTERRUPTED


def _has_result(store: Store, job: JobPlan, run: PlannedRun) -> bool:
    layout = ExperimentLayout(job.plan.namespace, job.plan.experiment)
    return store.stat(layout.run(run.task, run.run_id).result) is not None
