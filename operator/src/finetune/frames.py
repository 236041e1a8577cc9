"""What the store has, as DataFrames."""

import re
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from io import BytesIO

import pandas as pd

from finetune.typed import typed
from finetune_client.errors import ClientError, UsageError
from finetune_client.reports import layout_of, plan_of
from finetune_client.result_sets import Where, all_documents, both_documents, both_places, documents_of
from finetune_client.row_by_row import compare_runs, with_items
from finetune_client.stores import Results, is_place, results_at, results_of
from finetune_core.planning.plan import Plan
from finetune_core.results.comparison import compare as compared
from finetune_core.search_layout import SearchLayout
from finetune_core.tables.comparison_formats import comparison_csv, items_csv
from finetune_core.tables.csv import csv_text
from finetune_core.tables.experiment import results_csv
from finetune_core.tables.trials import trials_csv
from finetune_kube.kinds import EXPERIMENT, SEARCH, Kind
from finetune_report.predictions import dev_predictions as file_of_run
from finetune_report.predictions import results_of_runs
from finetune_report.records import RunRecord, read_records
from finetune_report.search.gather import gather, read_ends, read_plan

_TEXT = (
    "task", "best_run_id", "runId", "trialId", "kind", "seeds", "runIds", "duplicateOf", "error", "cluster", "driver",
    "before", "after", "verdict", "reason", "test", "data", "before_run", "after_run",
)  # fmt: skip
"""Columns that are text even where every cell looks like a number: an id may be all digits."""


_OPTION = re.compile(r"--([a-z][a-z-]*)")


def results(
    *names: str, namespace: str | None = None, store: str | None = None, context: str | None = None
) -> pd.DataFrame:
    """The results of experiments, of those that have ended so far; without names all of the namespace.

    A row an experiment, task and metric: the columns of results.csv behind namespace, experiment and model. Metrics
    as measured, scores x100. NotFoundError, UsageError for a search.
    """
    with _in_python():
        where = _where(namespace, store, context)
        documents = documents_of(names, where) if names else all_documents(where)
        return _joined(
            _whose(_table(results_csv(one)), one.namespace, "experiment", one.experiment, one.model_uri)
            for one in documents
        )


def runs(
    *names: str, namespace: str | None = None, store: str | None = None, context: str | None = None
) -> pd.DataFrame:
    """Every planned run of experiments, also those that wait, run or failed, in the order in which they are run.

    `state` is Pending, Running, Succeeded or Failed, by what the store tells; `value` is of `metric` at the best
    `step`, its other metrics are `metric_<name>`; `seconds` are of training, or so far. The task's hyperparameters
    follow: learning_rate, max_steps, ... NotFoundError, UsageError without a name.
    """
    columns = ("task", "run", "run_id", "seed", "state", "metric", "value", "step", "steps", "seconds", "attempt",
               "reason", "message")  # fmt: skip

    def of(place: Results) -> pd.DataFrame:
        plan = plan_of(place)
        rows = [_run_row(one) | _hyperparameters(plan, one.run.task) for one in read_records(place.store, plan)]
        return _of_experiment(pd.DataFrame(rows).pipe(_ordered, columns), place, plan)

    return _of_each(names, EXPERIMENT, namespace, store, context, of)


def metrics(
    *names: str,
    task: str | None = None,
    namespace: str | None = None,
    store: str | None = None,
    context: str | None = None,
) -> pd.DataFrame:
    """Every evaluation of every run of experiments (of one task), runs under way included: the learning curves.

    A row an evaluation: namespace, experiment, model, task, run, run_id, seed, state, step, epoch, learning_rate,
    train_loss, time, seconds and the metrics. Empty while nothing has been evaluated. NotFoundError; UsageError without
    a name, or for a task that an experiment does not have.
    """

    def of(place: Results) -> pd.DataFrame:
        plan = plan_of(place)
        _require_task(place, plan, task)
        rows = [
            _identity(record) | evaluation.row()
            for record in read_records(place.store, plan)
            if task in (None, record.run.task)
            for evaluation in record.evaluations
        ]
        frame = pd.DataFrame(rows).pipe(_ordered, ("task", "run", "run_id", "seed", "state", "step", "epoch"))
        return _of_experiment(frame, place, plan)

    return _of_each(names, EXPERIMENT, namespace, store, context, of)


def trials(
    *names: str, namespace: str | None = None, store: str | None = None, context: str | None = None
) -> pd.DataFrame:
    """Every trial and finalist of searches, those under way included: the columns of trials.csv in snake_case, behind
    namespace, search and model. NotFoundError, UsageError without a name.
    """

    def of(place: Results) -> pd.DataFrame:
        layout = SearchLayout(place.namespace, place.name)
        plan = read_plan(place.store, layout)
        findings = gather(place.store, layout, plan, read_ends(place.store, layout, plan))
        return _whose(_table(trials_csv(plan, findings)), place.namespace, "search", place.name, plan.model.uri)

    return _of_each(names, SEARCH, namespace, store, context, of)


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

    with _in_python():
        documents = both_documents(before, after, _where(namespace, store, context))
        return typed(_table(comparison_csv(compared(*documents, t_test))))


def compare_items(
    before: str,
    after: str,
    *,
    runs: tuple[str, str] | None = None,
    namespace: str | None = None,
    store: str | None = None,
    context: str | None = None,
) -> pd.DataFrame:
    """Two experiments, or two runs (ids or `task/run`), row by row over the dev sets, by the predictions that runs keep.

    Of each task a row of kind `bootstrap`, over all its models, and one of kind `mcnemar` for each pair of models; see
    `ItemComparison` and `ModelPair`. `reason` says why a task is not compared. NotFoundError, UsageError, ClientError.
    """
    from finetune_report import item_tests  # noqa: PLC0415
    from finetune_report.significance import t_test  # noqa: PLC0415

    with _in_python():
        where = _where(namespace, store, context)
        places = both_places(before, after, where)
        if runs is not None:
            items = (compare_runs((places[0], runs[0]), (places[1], runs[1]), item_tests),)
        else:
            documents = both_documents(before, after, where)
            whole = with_items(
                compared(*documents, t_test), (places[0], documents[0]), (places[1], documents[1]), item_tests
            )
            for warning in whole.warnings:
                where.tell(warning)
            items = whole.items
        return typed(_table(items_csv(items)))


def dev_predictions(
    *names: str,
    task: str | None = None,
    namespace: str | None = None,
    store: str | None = None,
    context: str | None = None,
) -> pd.DataFrame:
    """What the best evaluation of every run of experiments (of one task) said of each row of its dev sets.

    A row a run and row of a dev set: namespace, experiment, model, task, run, run_id, seed, split, data (a digest of the
    dev set), index (the row in its file, from 0 on), label, prediction, probability (of the prediction; missing for
    scores). Runs that kept none, those of earlier versions, have no rows. NotFoundError; UsageError without a name, or
    for a task that an experiment does not have.
    """
    columns = ("task", "run", "run_id", "seed", "split", "data", "index", "label", "prediction", "probability")

    def of(place: Results) -> pd.DataFrame:
        plan = plan_of(place)
        _require_task(place, plan, task)
        layout = layout_of(place)
        wanted = [(run.task, run.run_id) for run in plan.runs if task in (None, run.task)]
        parts = []
        for result in results_of_runs(place.store, layout, wanted):
            facts = {"task": result.task, "run": result.run, "run_id": result.run_id, "seed": result.seed}
            for name, record in result.dev_predictions.items():
                read = file_of_run(place.store, layout, result, name)
                part = pd.DataFrame(
                    {
                        "index": read.index,
                        "label": pd.Series(read.label, dtype="float64" if record.regression else "str"),
                        "prediction": pd.Series(read.prediction, dtype="float64" if record.regression else "str"),
                        "probability": pd.Series(read.probability, dtype="float64"),
                    }
                )
                parts.append(part.assign(**facts, split=name.removesuffix(".tsv"), data=record.data))
        frame = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()
        return _of_experiment(frame.pipe(_ordered, columns), place, plan)

    return _of_each(names, EXPERIMENT, namespace, store, context, of)


def _require_task(place: Results, plan: Plan, task: str | None) -> None:
    if task is not None and task not in plan.tasks:
        raise UsageError(f"{place.name} has no task {task}", f"It has {', '.join(plan.task_names)}.")


def _of_each(
    names: tuple[str, ...],
    kind: Kind,
    namespace: str | None,
    store: str | None,
    context: str | None,
    of: Callable[[Results], pd.DataFrame],
) -> pd.DataFrame:
    with _in_python():
        if not names:
            raise UsageError("no name is given", 'Give one or more: finetune.runs("untuned", "tuned").')
        where = _where(namespace, store, context)
        return _joined(of(_place(name, kind, where)) for name in names)


def _joined(frames: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """One below the other; a column that only some have is missing in the others."""
    made = list(frames)
    # pandas is about to have frames without rows say something of the types.
    full = [frame for frame in made if not frame.empty] or made[:1]
    return typed(pd.concat(full, ignore_index=True))


@contextmanager
def _in_python() -> Iterator[None]:
    """Errors name arguments of functions where they name options of commands."""
    try:
        yield
    except ClientError as error:
        error.message, error.remedy = _python_words(error.message), _python_words(error.remedy)
        error.args = (f"{error.message}\n{error.remedy}" if error.remedy else error.message,)
        raise


def _python_words(text: str) -> str:
    words = text.replace("(-n)", "(namespace=)").replace("-n NAMESPACE", "namespace=...")
    return _OPTION.sub(lambda match: f"{match[1].replace('-', '_')}=", words)


def _where(namespace: str | None, store: str | None, context: str | None) -> Where:
    return Where(store, context, namespace, tell=lambda text: warnings.warn(_python_words(text), stacklevel=4))


def _place(name: str, kind: Kind, where: Where) -> Results:
    if is_place(name):
        return results_at(name)
    return results_of(name, store=where.store, context=where.context, namespace=where.namespace, kinds=(kind,))


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


def _hyperparameters(plan: Plan, task: str) -> dict[str, object]:
    settings = plan.tasks[task].settings.model_dump(mode="json")
    flat: dict[str, object] = {}
    for name, value in settings.items():
        flat |= {f"{name}_{part}": inner for part, inner in value.items()} if isinstance(value, dict) else {name: value}
    return flat


def _of_experiment(frame: pd.DataFrame, place: Results, plan: Plan) -> pd.DataFrame:
    return _whose(frame, place.namespace, "experiment", place.name, plan.model.uri)


def _whose(frame: pd.DataFrame, namespace: str, kind: str, name: str, model: str) -> pd.DataFrame:
    for column, (title, value) in enumerate((("namespace", namespace), (kind, name), ("model", model))):
        frame.insert(column, title, value)
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
