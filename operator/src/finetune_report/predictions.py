"""The best runs' prediction files, checked against what their results state."""

import hashlib
from collections.abc import Mapping

from finetune_core.deciding.outcome import Outcome
from finetune_core.layout import ExperimentLayout
from finetune_core.leaderboard.submission import Predictions
from finetune_core.planning.plan import Plan
from finetune_core.results.document import published_name
from finetune_core.results.run import RunResult
from finetune_core.results.schema import ResultsDocument
from finetune_report.errors import ReportError
from finetune_store import NotFoundError, Store
from finetune_store.documents import FILE_LIMIT


def best_predictions(
    store: Store, plan: Plan, document: ResultsDocument, results: Mapping[str, RunResult]
) -> dict[str, Predictions]:
    """The prediction files of every task's best run, by the name that they are published under.

    Raises ReportError, naming the file, if one is gone or is not what its run wrote.
    """
    found: dict[str, Predictions] = {}
    for task in document.tasks:
        if task.best is None:
            continue
        result = results[task.best.run_id]
        for name in sorted(result.predictions):
            content = _content(store, plan, result, name)
            found[published_name(task.task, name)] = Predictions(content, Outcome.of(result))
    return found


def _content(store: Store, plan: Plan, result: RunResult, name: str) -> bytes:
    layout = ExperimentLayout(plan.namespace, plan.experiment).run(result.task, result.run_id)
    key = layout.predictions(result.attempt, name)
    remedy = f"delete {store.uri(layout.result)} to have the run done again"
    try:
        content = store.get(key, limit=FILE_LIMIT)
    except NotFoundError as error:
        raise ReportError(f"{store.uri(key)} is gone, though the run's result.json names it: {remedy}") from error
    digest = hashlib.sha256(content).hexdigest()
    if digest != result.predictions[name].sha256:
        raise ReportError(
            f"{store.uri(key)} was changed after its run: its SHA-256 is {digest}, the run's result.json says "
            f"{result.predictions[name].sha256}; {remedy}"
        )
    return content
