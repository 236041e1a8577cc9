"""Prediction files of runs, checked against what their results state: test sets of best runs, dev sets of all."""

import hashlib
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor

from finetune_core.deciding.outcome import Outcome
from finetune_core.layout import ExperimentLayout, RunLayout
from finetune_core.leaderboard.submission import Predictions
from finetune_core.planning.plan import Plan
from finetune_core.results.dev_predictions import DevPredictions, read_tsv
from finetune_core.results.document import published_name
from finetune_core.results.run import PredictionFile, RunResult
from finetune_core.results.schema import ResultsDocument
from finetune_report.errors import ReportError
from finetune_store import NotFoundError, Store
from finetune_store.documents import FILE_LIMIT, find_or_warn

_READERS = 8


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
            layout = ExperimentLayout(plan.namespace, plan.experiment).run(result.task, result.run_id)
            key = layout.predictions(result.attempt, name)
            content = _content(store, layout, key, result.predictions[name])
            found[published_name(task.task, name)] = Predictions(content, Outcome.of(result))
    return found


def results_of_runs(store: Store, experiment: ExperimentLayout, runs: Iterable[tuple[str, str]]) -> list[RunResult]:
    """The results of runs, (task, run id) each, of those that have one. StoreError."""

    def read(run: tuple[str, str]) -> RunResult | None:
        return find_or_warn(store, experiment.run(*run).result, RunResult)

    with ThreadPoolExecutor(_READERS) as pool:
        return [result for result in pool.map(read, runs) if result is not None]


def dev_predictions(store: Store, experiment: ExperimentLayout, result: RunResult, name: str) -> DevPredictions:
    """A dev set as a run's best evaluation predicted it; ReportError, naming the file, if it is not what it wrote."""
    layout = experiment.run(result.task, result.run_id)
    key = layout.dev_predictions(result.attempt, name)
    content = _content(store, layout, key, result.dev_predictions[name])
    try:
        return read_tsv(content)
    except ValueError as error:
        raise ReportError(f"{store.uri(key)} is no file of dev predictions of this version ({error})") from error


def _content(store: Store, layout: RunLayout, key: str, record: PredictionFile) -> bytes:
    remedy = f"delete {store.uri(layout.result)} to have the run done again"
    try:
        content = store.get(key, limit=FILE_LIMIT)
    except NotFoundError as error:
        raise ReportError(f"{store.uri(key)} is gone, though the run's result.json names it: {remedy}") from error
    digest = hashlib.sha256(content).hexdigest()
    if digest != record.sha256:
        raise ReportError(
            f"{store.uri(key)} was changed after its run: its SHA-256 is {digest}, the run's result.json says "
            f"{record.sha256}; {remedy}"
        )
    return content
