"""Which weights go once the best runs are known."""

from collections.abc import Mapping

from finetune_core.api import ModelRetention
from finetune_core.planning.plan import Plan
from finetune_core.results.run import RunResult
from finetune_core.results.schema import ResultsDocument
from finetune_report.gather import Findings
from finetune_store import Store


def expendable(plan: Plan, document: ResultsDocument, findings: Findings) -> tuple[str, ...]:
    """Keys of the weights that the plan's retention does not keep, in the order in which they are to be deleted.

    Only of runs with a result (others may be at work), and under Best only of tasks that have a best run. config.json
    goes first: without it no folder passes for a model.
    """
    runs = _expendable_runs(plan, document, findings.results)
    keys = [key for run_id in runs for key in findings.weights.get(run_id, ())]
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
            return tuple(
                run_id
                for run_id, result in sorted(results.items())
                if result.task in best and best[result.task] != run_id
            )
