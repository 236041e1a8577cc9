"""Every run of a plan as the store has it now, those that are under way included."""

import logging
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

from pydantic import BaseModel

from finetune_core.layout import ExperimentLayout
from finetune_core.planning.plan import Plan, PlannedRun
from finetune_core.results.evaluation import Evaluation
from finetune_core.results.run import Failure, Progress, RunResult
from finetune_report.gather import objects_by_run
from finetune_store import ObjectInfo, Store
from finetune_store.documents import Get, evaluations, find_or_warn

_log = logging.getLogger(__name__)

_READERS = 8

Read = Callable[[ObjectInfo, int], bytes]
"""Gets an object that was listed, as `Store.get` with a limit. One who looks often remembers what stays the same."""

_Model = TypeVar("_Model", bound=BaseModel)


class State(StrEnum):
    """What the store tells of a run. A pod that died without a word is Running until its next attempt says otherwise,
    and a run that has Failed may be tried again: only the cluster knows.
    """

    PENDING = "Pending"
    RUNNING = "Running"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"


@dataclass(frozen=True)
class RunRecord:
    """A run and what it has left so far; `evaluations` are of the attempt that counts, or of the newest one."""

    run: PlannedRun
    state: State
    result: RunResult | None
    failure: Failure | None
    progress: Progress | None
    evaluations: tuple[Evaluation, ...]


def read_records(store: Store, plan: Plan, read: Read | None = None, *, curves: bool = True) -> tuple[RunRecord, ...]:
    """The record of every planned run, in the plan's order: one listing, then a few small reads a run. StoreError.

    Without `curves` no evaluations are read.

    What is torn, malformed or just removed is logged and left out: these records are looked at and decide nothing.
    """
    objects = objects_by_run(store, ExperimentLayout(plan.namespace, plan.experiment))
    reader = _Reader(store, read, curves)
    with ThreadPoolExecutor(_READERS) as pool:
        return tuple(pool.map(lambda run: reader.record(run, objects.get(run.run_id, {})), plan.runs))


@dataclass(frozen=True)
class _Reader:
    store: Store
    read: Read | None
    curves: bool

    def record(self, run: PlannedRun, files: Mapping[str, ObjectInfo]) -> RunRecord:
        result = self._model(files.get("result.json"), RunResult)
        progress_file, failure_file = files.get("progress.json"), _newest(files, "failures/", ".json")
        if result is not None and not run.wrote(result):
            _log.warning("left out: %s is of run %s", files.get("result.json"), result.run_id)
            result = None
        failure = None if result else self._model(failure_file, Failure)
        failed_last = failure_file and (progress_file is None or progress_file.modified <= failure_file.modified)
        if result is not None:
            state = State.SUCCEEDED
        elif failure is not None and failed_last:
            state = State.FAILED
        else:
            state = State.RUNNING if progress_file else State.PENDING
        measured = files.get(f"attempts/{result.attempt}/metrics.jsonl") if result else None
        return RunRecord(
            run=run,
            state=state,
            result=result,
            failure=failure if state == State.FAILED else None,
            progress=self._model(progress_file, Progress),
            evaluations=self._lines(measured or _newest(files, "attempts/", "/metrics.jsonl")) if self.curves else (),
        )

    def _model(self, info: ObjectInfo | None, model: type[_Model]) -> _Model | None:
        return None if info is None else find_or_warn(self.store, info.key, model, get=self._getting(info))

    def _lines(self, info: ObjectInfo | None) -> tuple[Evaluation, ...]:
        return () if info is None else evaluations(self.store, info.key, get=self._getting(info)) or ()

    def _getting(self, info: ObjectInfo) -> Get:
        return lambda key, limit: self.read(info, limit) if self.read else self.store.get(key, limit=limit)


def _newest(files: Mapping[str, ObjectInfo], start: str, end: str) -> ObjectInfo | None:
    """An attempt goes on with the lines of those before it, so that the newest file has them all."""
    found = [info for rest, info in files.items() if rest.startswith(start) and rest.endswith(end)]
    return max(found, key=lambda info: (info.modified, info.key), default=None)
