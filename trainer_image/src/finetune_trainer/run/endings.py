"""How the runs of a pod end, and the exit code that says so. Without torch: who starts processes for runs asks too."""

import json
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from finetune_core.layout import ExperimentLayout
from finetune_core.planning.plan import Plan, PlannedRun
from finetune_core.results.run import ExitCode, Failure
from finetune_core.times import written
from finetune_store import Store, StoreError

logger = logging.getLogger(__name__)

MAX_MESSAGE = 2000


def now() -> str:
    """UTC, to the second."""
    return written(datetime.now(UTC))


def run_all(runs: Iterable[PlannedRun], do: Callable[[PlannedRun], Failure | None], termination_log: Path) -> int:
    """Have each run done, until one is interrupted; the exit code of the pod."""
    failures: list[Failure] = []
    for planned in runs:
        failure = do(planned)
        if failure is None:
            continue
        if failure.exit_code == ExitCode.INTERRUPTED:
            return ExitCode.INTERRUPTED
        failures.append(failure)
    return ended(failures, termination_log)


def ended(failures: list[Failure], termination_log: Path) -> int:
    """The exit code of a pod that has tried all its runs; its termination message says why the last one failed."""
    if failures:
        _explain(failures, termination_log)
    return exit_code([failure.exit_code for failure in failures])


def exit_code(codes: list[int]) -> int:
    """Tried again if any failure may pass; else the user's mistake before giving up; 0 without failures.

    No retry is used up where nothing but the store is in the way.
    """
    if not codes:
        return ExitCode.SUCCESS
    passing = set(codes) - {ExitCode.USER_ERROR, ExitCode.GAVE_UP}
    if passing:
        return ExitCode.STORE if passing == {ExitCode.STORE} else ExitCode.RETRY
    return ExitCode.USER_ERROR if ExitCode.USER_ERROR in codes else ExitCode.GAVE_UP


def record(store: Store, plan: Plan, planned: PlannedRun, failure: Failure) -> None:
    """Leave a failure in the store, if that can be reached."""
    layout = ExperimentLayout(plan.namespace, plan.experiment).run(planned.task, planned.run_id)
    try:
        store.put(layout.failure(failure.attempt), failure.to_json())
    except StoreError as error:
        logger.warning("the failure report is not saved: %s", error)


@dataclass(frozen=True)
class Records:
    """What a driver leaves in the store of runs that its workers failed at."""

    store: Store
    plan: Plan

    def failed(self, run: PlannedRun, failure: Failure) -> None:
        """Why an attempt failed."""
        record(self.store, self.plan, run, failure)

    def waits(self, run: PlannedRun) -> None:
        """It is not at work, and will be: it gives no sign of life until then, which must not be taken for a stall."""
        layout = ExperimentLayout(self.plan.namespace, self.plan.experiment).run(run.task, run.run_id)
        try:
            self.store.delete(layout.progress)
        except StoreError as error:
            logger.warning("its progress stays as it is: %s", error)


def _explain(failures: list[Failure], termination_log: Path) -> None:
    """The pod's termination message: the last failure without its traceback, within Kubernetes' 4,096 bytes."""
    if not termination_log.exists():
        return
    brief = failures[-1].model_copy(update={"traceback": None})
    text = brief.model_dump(mode="json", by_alias=True, exclude_none=True)
    text["message"] = text["message"].encode()[:MAX_MESSAGE].decode(errors="ignore")
    termination_log.write_text(json.dumps(text, ensure_ascii=False))
