"""Learning curves of runs, as they lie in the store."""

import logging
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from finetune_core.layout import ExperimentLayout
from finetune_core.results_schema import ResultsDocument, RunRow, RunState
from finetune_core.stored import number, read_json
from finetune_store import NotFoundError, Store

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
    try:
        lines = store.get(key).decode().splitlines()
        return Curve(run, tuple(sorted(_points(lines, run.metric))))
    except NotFoundError:
        _log.warning("%s is not there: the run has no learning curve", store.uri(key))
    except (ValueError, TypeError, KeyError) as error:
        _log.warning("%s cannot be read, the run has no learning curve: %s", store.uri(key), error)
    return Curve(run, ())


def _points(lines: Sequence[str], metric: str) -> Iterator[tuple[int, float]]:
    for line in lines:
        evaluation = read_json(line)
        if not isinstance(evaluation, dict):
            raise TypeError(f"a line is {type(evaluation).__name__}, no object")
        said = evaluation.get(metric)
        if not isinstance(said, int | float | None):
            raise TypeError(f"{metric} is {type(said).__name__}, no number")
        step, value = number(evaluation["step"]), number(said)
        if step is not None and value is not None:
            yield int(step), float(value)
