"""What the runs of a plan left in the store."""

import logging
import re
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from finetune_core.layout import ExperimentLayout
from finetune_core.planning.plan import Plan, PlannedRun
from finetune_core.results.run import Failure, Progress, RunResult
from finetune_store import ObjectInfo, Store
from finetune_store.documents import find_or_warn

_log = logging.getLogger(__name__)

_READERS = 8
_MODEL_FILE = re.compile(r"attempts/[^/]+/model/.+")
_CHECKPOINT_FILE = re.compile(r"checkpoint/.+")


@dataclass(frozen=True)
class Findings:
    """By run id: results, failures of the failed runs (None: no reason left), keys of weights, of checkpoints.

    `progress` is of runs that have no result.
    """

    results: Mapping[str, RunResult]
    failures: Mapping[str, Failure | None]
    weights: Mapping[str, tuple[str, ...]]
    checkpoints: Mapping[str, tuple[str, ...]]
    progress: Mapping[str, Progress] = field(default_factory=dict)

    def models(self, plan: Plan) -> dict[str, str]:
        """Run id -> folder of the weights that belong to the run's result, where they are there."""
        layout = ExperimentLayout(plan.namespace, plan.experiment)
        found = {}
        for run_id, result in self.results.items():
            folder = layout.run(result.task, run_id).model(result.attempt)
            # Retention takes config.json first: a folder without it is half gone.
            if f"{folder}/config.json" in self.weights.get(run_id, ()):
                found[run_id] = folder
        return found


def gather(store: Store, plan: Plan, failed: Iterable[str]) -> Findings:
    """Read the result of every planned run that has one, and the failure of those in `failed` that have none.

    One listing, then one read a result. StoreError. A result that is unreadable, or another run's, is none: the run is
    done again.
    """
    layout = ExperimentLayout(plan.namespace, plan.experiment)
    objects = objects_by_run(store, layout)
    with_result = [run for run in plan.runs if "result.json" in objects.get(run.run_id, {})]
    with ThreadPoolExecutor(_READERS) as pool:
        found = zip(with_result, pool.map(lambda run: _result(store, layout, run), with_result), strict=True)
        results = {run.run_id: result for run, result in found if result is not None}
    lost = {run.run_id for run in plan.runs}.intersection(failed) - results.keys()
    return Findings(
        results=results,
        failures={run_id: _failure(store, objects.get(run_id, {})) for run_id in sorted(lost)},
        weights=_keys(objects, _MODEL_FILE),
        checkpoints=_keys(objects, _CHECKPOINT_FILE),
        progress=_progress(store, layout, [run for run in plan.runs if run.run_id not in results], objects),
    )


def _progress(
    store: Store, layout: ExperimentLayout, runs: Iterable[PlannedRun], objects: Mapping[str, Mapping[str, ObjectInfo]]
) -> dict[str, Progress]:
    begun = (run for run in runs if "progress.json" in objects.get(run.run_id, {}))
    found = {run.run_id: find_or_warn(store, layout.run(run.task, run.run_id).progress, Progress) for run in begun}
    return {run_id: progress for run_id, progress in found.items() if progress is not None}


def _keys(objects: Mapping[str, Mapping[str, ObjectInfo]], wanted: re.Pattern[str]) -> dict[str, tuple[str, ...]]:
    return {
        run_id: tuple(info.key for rest, info in files.items() if wanted.fullmatch(rest))
        for run_id, files in objects.items()
    }


def objects_by_run(store: Store, layout: ExperimentLayout) -> dict[str, dict[str, ObjectInfo]]:
    """Run id -> key below the run's folder -> object."""
    objects: dict[str, dict[str, ObjectInfo]] = {}
    for info in store.list(layout.runs):
        match info.key.removeprefix(f"{layout.runs}/").split("/", 2):
            case [_, run_id, rest]:
                objects.setdefault(run_id, {})[rest] = info
    return objects


def _result(store: Store, layout: ExperimentLayout, run: PlannedRun) -> RunResult | None:
    key = layout.run(run.task, run.run_id).result
    result = find_or_warn(store, key, RunResult)
    if result is not None and not run.wrote(result):
        _log.warning("left out: %s is of run %d of %s (%s)", store.uri(key), result.run, result.task, result.run_id)
        return None
    return result


def _failure(store: Store, files: Mapping[str, ObjectInfo]) -> Failure | None:
    """The newest failure report of a run; one that cannot be read must not stand in the way of the others' results."""
    reports = [info for rest, info in files.items() if rest.startswith("failures/")]
    newest = max(reports, key=lambda info: (info.modified, info.key), default=None)
    if newest is None:
        return None
    return find_or_warn(store, newest.key, Failure)
