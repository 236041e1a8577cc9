"""`finetune-trainer search`: what its arguments mean."""

import argparse
import logging

from finetune_core.planning.search.plan import SearchJobPlan
from finetune_core.results.run import ExitCode
from finetune_store import S3Connection, open_store
from finetune_trainer import drain
from finetune_trainer.errors import StoppedError, UserError
from finetune_trainer.job_plan import read_plan
from finetune_trainer.search.driver import Driver
from finetune_trainer.signals import StopFlag

logger = logging.getLogger(__name__)


def search(arguments: argparse.Namespace, *, connection: S3Connection, patience: float) -> int:
    """Drive a unit (--index), or all units of a cluster (--cluster). UserError, StoreError, RunError."""
    stop = StopFlag(also=drain.requested() if arguments.ray else None)
    stop.install()
    job = read_plan(arguments.plan, SearchJobPlan, "plan of a search")
    units = _units(job, arguments.index, arguments.cluster)
    stores = tuple(open_store(arguments.store, connection=connection, retry_seconds=wait) for wait in (patience, 0.0))
    driver = Driver(
        job,
        units,
        stores=(stores[0], stores[1]),
        uri=arguments.store,
        stop=stop,
        ray=arguments.ray,
        patience=patience,
        report_key=arguments.report_key,
    )
    try:
        with drain.busy():
            driver.run()
    except StoppedError as error:
        logger.info("%s", error)
        return ExitCode.INTERRUPTED
    except SystemExit:
        # Ray's own answer to SIGTERM while it starts.
        return ExitCode.INTERRUPTED
    return ExitCode.SUCCESS


def _units(job: SearchJobPlan, index: int, cluster: int | None) -> tuple[tuple[str, int], ...]:
    if cluster is not None:
        units = tuple(unit for unit in job.units if unit[1] == cluster)
        if not units:
            raise UserError(f"the plan has no unit of cluster {cluster}")
        return units
    if not 0 <= index < len(job.units):
        raise UserError(f"the plan has no index {index}: it has {len(job.units)}")
    return (job.units[index],)
