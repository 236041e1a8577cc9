"""An attempt at a run, and what its failure means."""

import logging
import traceback

from finetune_core.planning.plan import PlannedRun
from finetune_core.results.run import ExitCode, Failure, FailureReason
from finetune_store import StoreError
from finetune_trainer import logs
from finetune_trainer.errors import MemoryExceededError, RunError
from finetune_trainer.run.endings import MAX_MESSAGE, now, record
from finetune_trainer.run.follower import Follower
from finetune_trainer.run.run import Pod, Run
from finetune_trainer.stored.disk import disk_full, is_full
from finetune_trainer.stored.taking import Taker, is_held

logger = logging.getLogger(__name__)

_MAX_TRACEBACK = 8000


def do_run(pod: Pod, planned: PlannedRun, *, records: bool = True) -> Failure | None:
    """An attempt at a run, unless it has its result, takes it, or may not begin; why it came to none.

    A failure is then in the store too, unless the caller records it; an interrupted attempt is none of the run: it
    leaves no trace but its checkpoint.
    """
    about = {"task": planned.task, "run": planned.run, "run_id": planned.run_id}
    if pod.ranks.told(pod.ranks.leads and (taker_of(pod).has(planned, pod.attempt) or is_held(pod.patient, pod.plan))):
        return None
    failure = _attempt(pod, planned)
    if failure is None:
        return None
    if failure.exit_code == ExitCode.INTERRUPTED:
        logger.info("%s", failure.message, extra=about)
    else:
        logger.error("%s: %s", failure.reason.value, failure.message, extra=about)
        if records:
            record(pod.hasty, pod.plan, planned, failure)
    return failure


def _attempt(pod: Pod, planned: PlannedRun) -> Failure | None:
    try:
        with logs.about(task=planned.task, run=planned.run, run_id=planned.run_id):
            if not pod.ranks.leads:
                Follower(pod, planned).execute()
                return None
            result = Run(pod, planned).execute()
    except Exception as error:  # noqa: BLE001 - the boundary: one run's failure must not stop the pod's other runs
        return failure_of(pod, planned, error)
    logger.info(
        "done: %s %s at step %d of %d, %.1f s",
        result.metric,
        result.value,
        result.step,
        result.last_step,
        result.train_seconds,
        extra={"task": planned.task, "run": planned.run, "run_id": planned.run_id},
    )
    return None


def failure_of(pod: Pod, planned: PlannedRun, error: Exception) -> Failure:
    """Why an attempt at a run came to no result."""
    known = classify(pod, planned, error)
    return Failure(
        reason=known.reason,
        message=str(known)[:MAX_MESSAGE],
        run_id=planned.run_id,
        task=planned.task,
        run=planned.run,
        attempt=pod.attempt,
        exit_code=known.exit_code,
        time=now(),
        scope=pod.scope,
        traceback=None if known is error else "".join(traceback.format_exception(error))[-_MAX_TRACEBACK:],
    )


def classify(pod: Pod, planned: PlannedRun, error: Exception) -> RunError:
    """The error as one that says what its exit code is; itself where it does already."""
    if isinstance(error, RunError):
        return error
    if _out_of_memory(error):
        settings = pod.plan.tasks[planned.task].settings
        return MemoryExceededError(
            f"out of memory with trainBatchSize {settings.train_batch_size}, perDeviceTrainBatchSize "
            f"{settings.per_device_train_batch_size or settings.train_batch_size}, evalBatchSize "
            f"{settings.eval_batch_size}, maxSeqLength {settings.max_seq_length} in {settings.precision.value}: lower "
            "perDeviceTrainBatchSize (the result keeps its meaning), evalBatchSize or maxSeqLength, or use bf16"
        )
    if is_full(error, pod.work):
        return disk_full(error, pod.work, pod.inputs.fetched(pod.plan.model.uri))
    known = RunError(f"{type(error).__name__}: {error}")
    if isinstance(error, StoreError):
        known.reason = FailureReason.STORE
        known.exit_code = ExitCode.STORE if error.mendable else ExitCode.RETRY
    return known


def _out_of_memory(error: Exception) -> bool:
    import torch  # noqa: PLC0415 - loaded by the run already

    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    return isinstance(error, RuntimeError) and "can't allocate memory" in str(error)


def taker_of(pod: Pod) -> Taker:
    """What takes runs for a pod."""
    return Taker(pod.plan, pod.limits, pod.patient, pod.inputs, pod.image)
