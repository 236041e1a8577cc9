"""What the store has, as DataFrames."""

import warnings
from collections.abc import Iterable
from io import BytesIO

import pandas as pd

from finetune_client.errors import UsageError
from finetune_client.reports import plan_of
from finetune_client.result_sets import Where, all_documents, both_documents, documents_of
from finetune_client.stores import Results, is_place, results_at, results_of
from finetune_core.results.comparison import compare as compared
from finetune_core.results.schema import ResultsDocument
from finetune_core.search_layout import SearchLayout
from finetune_core.tables.comparison_formats import comparison_csv
from finetune_core.tables.csv import csv_text
from finetune_core.tables.experiment import results_csv
from finetune_core.tables.trials import trials_csv
from finetune_kube.kinds import EXPERIMENT, SEARCH, Kind
from finetune_report.records import RunRecord, read_records
from finetune_report.search.gather import gather, read_ends, read_plan

_TEXT = (
    "task", "best_run_id", "runId", "trialId", "kind", "seeds", "runIds", "duplicateOf", "error", "cluster", "driver",
    "before", "after", "verdict", "reason", "test",
)  # fmt: skip
"""Columns that are text even where every cell looks like a number: an id may be all digits."""


def results(
    *names: str, namespace: str | None = None, store: str | None = None, context: str | None = None
) -> pd.DataFrame:
    """The results of experiments, of those that have ended so far; without names all of the namespace.

    A row an experiment, task and metric: the columns of results.csv behind namespace, experiment and model. Metrics
    as measured, scores x100. NotFoundError, UsageError for a search.
    """
    where = _where(namespace, store, context)
    documents = documents_of(names, where) if names else all_documents(where)
    frames = [_with_origin(_table(results_csv(one)), one) for one in documents]
    return pd.concat(frames, ignore_index=True)


def runs(
    name: str, *, namespace: str | None = None, store: str | None = None, context: str | None = None
) -> pd.DataFrame:
    """Every planned run of an experiment, also those that wait, run or failed, in the order in which they are run.

    `state` is Pending, Running, Succeeded or Failed, by what the store tells; `value` is of `metric` at the best
    `step`, its other metrics are `metric_<name>`; `seconds` are of training, or so far. NotFoundError.
    """
    records = _records(_place(name, EXPERIMENT, _where(namespace, store, context)))
    columns = ("task", "run", "run_id", "seed", "state", "metric", "value", "step", "steps", "seconds", "attempt",
               "reason", "message")  # fmt: skip
    return pd.DataFrame([_run_row(one) for one in records]).pipe(_ordered, columns)


def metrics(
    name: str,
    *,
    task: str | None = None,
    namespace: str | None = None,
    store: str | None = None,
    context: str | None = None,
) -> pd.DataFrame:
    """Every evaluation of every run of an experiment (of one task), runs under way included: the learning curves.

    A row an evaluation: task, run, run_id, seed, state, then metrics.jsonl's step, epoch, learningRate, trainLoss,
    time, seconds and the metrics. Empty while nothing has been evaluated. NotFoundError; UsageError for a task that
    the experiment does not have.
    """
    place = _place(name, EXPERIMENT, _where(namespace, store, context))
    records = _records(place)
    known = dict.fromkeys(one.run.task for one in records)
    if task is not None and task not in known:
        raise UsageError(f"{place.name} has no task {task}", f"It has {', '.join(known)}.")
    rows = [
        _identity(record) | evaluation.row()
        for record in records
        if task in (None, record.run.task)
        for evaluation in record.evaluations
    ]
    return pd.DataFrame(rows).pipe(_ordered, ("task", "run", "run_id", "seed", "state", "step", "epoch"))


def trials(
    name: str, *, namespace: str | None = None, store: str | None = None, context: str | None = None
) -> pd.DataFrame:
    """Every trial and finalist of a search, those under way included: the columns of trials.csv. NotFoundError."""
    place = _place(name, SEARCH, _where(namespace, store, context))
    layout = SearchLayout(place.namespace, place.name)
    plan = read_plan(place.store, layout)
    findings = gather(place.store, layout, plan, read_ends(place.store, layout, plan))
    return _table(trials_csv(plan, findings))


def compare(
    before: str,
    after: str,
    *,
    namespace: str | None = None,
    store: str | None = None,
    context: str | None = None,
) -> pd.DataFrame:
    """Two experiments, task by task: differences of the means over seeds, their interval and p, and the verdict.

    The columns of `finetune compare -o csv`; rows of kind `metric` as measured, the last, of kind `score`, x100.
    NotFoundError, UsageError.
    """
    from finetune_report.significance import t_test  # noqa: PLC0415  scipy takes a second that only this should cost

    documents = both_documents(before, after, _where(namespace, store, context))
    return _table(comparison_csv(compared(*documents, t_test)))


def _where(namespace: str | None, store: str | None, context: str | None) -> Where:
    return Where(store, context, namespace, tell=lambda text: warnings.warn(text, stacklevel=3))


def _place(name: str, kind: Kind, where: Where) -> Results:
    if is_place(name):
        return results_at(name)
    return results_of(name, store=where.store, context=where.context, namespace=where.namespace, kinds=(kind,))


def _records(place: Results) -> tuple[RunRecord, ...]:
    return read_records(place.store, plan_of(place))


def _identity(record: RunRecord) -> dict[str, object]:
    run = record.run
    return {"task": run.task, "run": run.run, "run_id": run.run_id, "seed": run.seed, "state": record.state.value}


def _run_row(record: RunRecord) -> dict[str, object]:
    row, result, progress, failure = _identity(record), record.result, record.progress, record.failure
    if result is not None:
        row |= {"metric": result.metric, "value": result.value, "step": result.step, "steps": result.last_step}
        row |= {"seconds": result.train_seconds, "attempt": result.attempt}
        row |= {f"metric_{name}": value for name, value in sorted(result.metrics.items())}
    elif progress is not None:
        row |= {"step": progress.step, "steps": progress.total_steps, "seconds": progress.elapsed_seconds}
        row |= {"attempt": progress.attempt}
    if failure is not None:
        row |= {"reason": failure.reason.value, "message": failure.message}
    return row


def _with_origin(frame: pd.DataFrame, document: ResultsDocument) -> pd.DataFrame:
    for column, value in enumerate((document.namespace, document.experiment, document.model_uri)):
        frame.insert(column, ("namespace", "experiment", "model")[column], value)
    return frame


def _table(csv: bytes) -> pd.DataFrame:
    # Only an empty cell is a missing one: a task may be called NA.
    frame = pd.read_csv(BytesIO(csv), dtype=dict.fromkeys(_TEXT, "str"), keep_default_na=False, na_values=[""])
    texts = frame.select_dtypes(exclude=["number", "bool"]).columns
    return frame.assign(**{name: frame[name].map(_text) for name in texts}).rename(columns=csv_text)


def _text(cell: object) -> object:
    return csv_text(cell) if isinstance(cell, str) else cell


def _ordered(frame: pd.DataFrame, first: Iterable[str]) -> pd.DataFrame:
    """These columns first, also where no row has them."""
    first = list(first)
    return frame.reindex(columns=[*first, *(name for name in frame.columns if name not in first)])
