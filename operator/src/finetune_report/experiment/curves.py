"""Learning curves of runs, as they lie in the store."""

import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from finetune_core.layout import ExperimentLayout
from finetune_core.results.schema import ResultsDocument, RunRow, RunState
from finetune_store import Store
from finetune_store.documents import evaluations

_log = logging.getLogger(__name__)

_READERS = 8


@dataclass(frozen=True)
class Curve:
    """A succeeded run: (step, metric that decides) of every evaluation that has a finite value, by step."""

    run: RunRow
    points: tuple[tuple[int, float], ...]


def read_curves(store: Store, document: ResultsDocument) -> dict[str, tuple[Curve, ...]]:
    """The curves of each task's succeeded runs, in the order of the document. StoreError.

    They are drawn and decide nothing: a missing file or a torn line is logged, and leaves the curve without points.
    """
    layout = ExperimentLayout(document.namespace, document.experiment)
    runs = [run for run in document.runs if run.state == RunState.SUCCEEDED]
    with ThreadPoolExecutor(_READERS) as pool:
        curves = list(pool.map(lambda run: _curve(store, layout, run), runs))
    return {task.task: tuple(one for one in curves if one.run.task == task.task) for task in document.tasks}


def _curve(store: Store, layout: ExperimentLayout, run: RunRow) -> Curve:
    if run.attempt is None or run.metric is None:
        return Curve(run, ())
    key = layout.run(run.task, run.run_id).metrics(run.attempt)
    found = evaluations(store, key)
    if found is None:
        _log.warning("the run has no learning curve: %s is not there, or cannot be read", store.uri(key))
    values = ((evaluation.step, evaluation.metrics.get(run.metric)) for evaluation in found or ())
    return Curve(run, tuple(sorted((step, value) for step, value in values if value is not None)))
