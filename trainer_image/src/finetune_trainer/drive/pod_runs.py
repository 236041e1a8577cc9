"""The runs of a Job's pod several at a time: what `finetune-trainer run` does where `execution.runsAtOnce` says so.

Where a container exceeds its memory, Kubernetes kills all of its processes at once, and nobody is left to do fewer runs
at a time. So a pod leaves a mark while it does several; who finds one of an earlier pod does half as many.
"""

import logging
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

from finetune_core.layout import ExperimentLayout, attempt_in
from finetune_core.planning.devices import RUNS_AT_ONCE
from finetune_core.results.run import ExitCode, RunsAtOnce
from finetune_store import Store, StoreError, documents, open_store
from finetune_trainer.drive.driver import Driver
from finetune_trainer.drive.local_pool import local_pool, visible_gpus
from finetune_trainer.drive.worker import RunWork
from finetune_trainer.driver_report import DriverReporter
from finetune_trainer.job_plan import PodJob
from finetune_trainer.run.endings import Records, ended
from finetune_trainer.stored.taking import Taker, is_held

logger = logging.getLogger(__name__)


def runs_at_once() -> int:
    """What this process' environment says; 1 where it says nothing."""
    return int(os.environ.get(RUNS_AT_ONCE, "1"))


def run_at_once(job: PodJob, at_once: int) -> int:
    """Do the runs that have no result (one at least), so many at a time as memory allows; the exit code of the pod."""
    plan = job.plan.plan
    hasty = open_store(job.store, connection=job.connection, retry_seconds=0.0)
    patient = open_store(job.store, connection=job.connection, retry_seconds=job.patience)
    taker = Taker.from_env(plan, job.plan.limits, patient, patience=job.patience)
    left = [run for run in job.runs if not taker.finds(run, job.attempt)]
    mine = job.plan.model_copy(update={"indexes": (tuple(run.run_id for run in left),)})
    work = RunWork(job=job.plan, store=job.store, patience=job.patience, records=False)
    layout = ExperimentLayout(plan.namespace, plan.experiment)
    # The same in each pod of an index, in whatever order that does its runs.
    first = min(job.runs, key=lambda run: run.run_id)
    mark = layout.run(first.task, first.run_id).at_once

    with _marked(patient, mark, min(at_once, len(left))) as count, local_pool(work, count, visible_gpus()) as pool:
        driver = Driver(
            mine,
            pool,
            reporter=DriverReporter(hasty, None),
            stop=job.stop,
            has_result=lambda run: taker.has(run, attempt_in(job.attempt, uuid.uuid4().hex)),
            is_held=lambda: is_held(patient, plan),
            tries_again=False,
            at_once=count,
            records=Records(hasty, plan),
        )
        code = driver.run()
    return code if code == ExitCode.INTERRUPTED else ended(driver.failures, job.termination_log)


@contextmanager
def _marked(store: Store, key: str, wanted: int) -> Iterator[int]:
    """How many runs to do at a time; the mark says so until this process comes to an end of its own. StoreError."""
    before = documents.find_or_warn(store, key, RunsAtOnce)
    count = wanted if before is None else max(1, min(wanted, before.count // 2))
    if before is not None:
        logger.warning(
            "an earlier pod ended without a word while it did %d runs at a time, as for want of memory: from now on "
            "there are at most %d (execution.runsAtOnce)",
            before.count,
            count,
        )
    if count > 1:
        store.put(key, RunsAtOnce(count=count).to_json())
    try:
        yield count
    finally:
        _forget(store, key)


def _forget(store: Store, key: str) -> None:
    try:
        store.delete(key)
    except StoreError as error:
        logger.warning("%s stays, so that the next pod does fewer runs at a time: %s", store.uri(key), error)
