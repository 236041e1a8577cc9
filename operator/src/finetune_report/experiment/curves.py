"""Learning curves of runs, as they lie in the store."""

import logging
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from finetune_core.layout import ExperimentLayout
from finetune_core.results.schema import ResultsDocument, RunRow, RunState
from finetune_store import Store
from finetune_store.documents import evaluations

_log = logging.getLogger(__name__)

_READERS = 8


@dataclass(frozen=True)
class Curve:
    """A succeeded run: (step, metric that decides) of every evaluation that has a finite value, by step.

    `losses` are the same of the loss on the dev set (`loss`) and of the last training loss before it (`train_loss`).
    """

    run: RunRow
    points: tuple[tuple[int, float], ...]
    losses: Mapping[str, tuple[tuple[int, float], ...]] = field(default_factory=dict)


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
    told = found or ()
    losses = {
        "loss": _points((one.step, one.metrics.get("loss")) for one in told),
        "train_loss": _points((one.step, one.train_loss) for one in told),
    }
    return Curve(run, _points((one.step, one.metrics.get(run.metric)) for one in told), losses)


def _points(values: Iterable[tuple[int, float | None]]) -> tuple[tuple[int, float], ...]:
    return tuple(sorted((step, value) for step, value in values if value is not None))
