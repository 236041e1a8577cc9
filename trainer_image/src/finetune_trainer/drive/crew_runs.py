"""The runs of a Job's pod by a crew, one after another: what `finetune-trainer run` does where a run has processes."""

from finetune_core.planning.plan import PlannedRun
from finetune_core.results.run import ExitCode, Failure
from finetune_store import open_store
from finetune_trainer.drive.crews import CrewPool, crew_pool
from finetune_trainer.drive.local_pool import visible_gpus
from finetune_trainer.drive.pool import LostError, WorkerDiedError, death
from finetune_trainer.drive.worker import Report, RunWork
from finetune_trainer.job_plan import PodJob
from finetune_trainer.run.endings import record, run_all
from finetune_trainer.signals import Stop

_LOOK_SECONDS = 0.5


def run_by_crew(job: PodJob, processes: int) -> int:
    """Do the runs that have no result, each by so many processes; the exit code of the pod. UserError without GPUs."""
    work = RunWork(job=job.plan, store=job.store, patience=job.patience, attempt=job.attempt)
    hasty = open_store(job.store, connection=job.connection, retry_seconds=0.0)
    with crew_pool(work, 1, processes, visible_gpus()) as pool:

        def do(planned: PlannedRun) -> Failure | None:
            outcome = _outcome(pool, planned, job.stop)
            if not isinstance(outcome, WorkerDiedError):
                return outcome
            failure = death(planned, outcome, attempt=job.attempt)
            if job.stop.is_set:
                # It was told to stop before it could hear that.
                return failure.model_copy(update={"exit_code": ExitCode.INTERRUPTED})
            record(hasty, job.plan.plan, planned, failure)
            return failure

        return run_all(job.runs, do, job.termination_log)


def _outcome(pool: CrewPool, planned: PlannedRun, stop: Stop) -> Failure | WorkerDiedError | None:
    pool.start(planned.run_id, planned.run_id)
    stopping = False
    while not (answers := pool.wait(_LOOK_SECONDS)):
        if stop.is_set and not stopping:
            stopping = True
            pool.stop()
    (answer,) = answers
    assert not isinstance(answer.outcome, Report | LostError), "runs do not report, and this machine is here"
    return answer.outcome
