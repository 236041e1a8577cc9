"""What goes once the best runs are known: weights that are not kept, and what finished runs need no more."""

from collections.abc import Iterator, Mapping

from finetune_core.api import ModelRetention
from finetune_core.planning.plan import Plan
from finetune_core.results.best_run import with_weights
from finetune_core.results.run import RunResult
from finetune_core.results.schema import ResultsDocument
from finetune_report.gather import Findings
from finetune_store import Store


def expendable(plan: Plan, document: ResultsDocument, findings: Findings) -> tuple[str, ...]:
    """Keys of weights that the plan's retention does not keep, and of checkpoints, in the order of their deletion.

    Only of runs with a result (others may be at work), and weights under Best only of tasks that have a best run.
    config.json goes first: without it no folder passes for a model.
    """
    runs = _expendable_runs(plan, document, findings.results)
    keys = [key for run_id in runs for key in findings.weights.get(run_id, ())]
    # An attempt that went on beside the one that came first may have saved after that one's were removed.
    keys += [key for run_id in sorted(findings.results) for key in findings.checkpoints.get(run_id, ())]
    return tuple(sorted(keys, key=lambda key: (not key.endswith("/config.json"), key)))


def apply_retention(store: Store, plan: Plan, document: ResultsDocument, findings: Findings) -> int:
    """Delete what is expendable; how many files that were. To be called when the best pointers are written."""
    keys = expendable(plan, document, findings)
    for key in keys:
        store.delete(key)
    return len(keys)


def _expendable_runs(plan: Plan, document: ResultsDocument, results: Mapping[str, RunResult]) -> tuple[str, ...]:
    match plan.retention:
        case ModelRetention.ALL:
            return ()
        case ModelRetention.NONE:
            return tuple(sorted(results))
        case ModelRetention.BEST:
            best = {row.task: row.best.run_id for row in document.tasks if row.best}
            kept = {run.run_id for task in best for run in with_weights(_of_task(results, task))} | {*best.values()}
            return tuple(sorted(run_id for run_id, run in results.items() if run.task in best and run_id not in kept))


def _of_task(results: Mapping[str, RunResult], task: str) -> Iterator[RunResult]:
    return (result for result in results.values() if result.task == task)
