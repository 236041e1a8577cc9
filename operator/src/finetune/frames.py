"""What the store has, as DataFrames."""

import pandas as pd

from finetune.making import in_python, joined, of_each, of_experiments, table, where_of, whose
from finetune_client.result_sets import all_documents, both_documents, both_places, documents_of
from finetune_client.stores import Results
from finetune_core.planning.plan import Plan
from finetune_core.results.comparison.experiments import compare as compared
from finetune_core.search_layout import SearchLayout
from finetune_core.tables.comparison_formats import comparison_csv
from finetune_core.tables.experiment import PARAMETER_FIELDS, results_csv
from finetune_core.tables.trials import trials_csv
from finetune_kube.kinds import SEARCH
from finetune_report.records import RunRecord, read_records
from finetune_report.search.gather import gather, read_ends, read_plan


def results(
    *names: str, namespace: str | None = None, store: str | None = None, context: str | None = None
) -> pd.DataFrame:
    """The results of experiments, of those that have ended so far; without names all of the namespace.

    A row an experiment, task and metric: the columns of results.csv behind namespace, experiment and model. Metrics
    as measured, scores x100. NotFoundError, UsageError for a search.
    """
    with in_python():
        where = where_of(namespace, store, context)
        documents = documents_of(names, where) if names else all_documents(where)
        return joined(
            whose(table(results_csv(one)), one.namespace, "experiment", one.experiment, one.model_uri)
            for one in documents
        )


def runs(
    *names: str, namespace: str | None = None, store: str | None = None, context: str | None = None
) -> pd.DataFrame:
    """Every planned run of experiments, also those that wait, run or failed, in the order in which they are run.

    `state` is Pending, Running, Succeeded or Failed, by what the store tells; `value` is of `metric` at the best
    `step`, its other metrics are `metric_<name>`; `seconds` are of training, or so far, `gpu_seconds` these times the
    GPUs that it held, `energy_joules` what these took meanwhile, where they tell it; `taken_from` is the experiment
    that trained it, if not this one. The task's hyperparameters
    follow: learning_rate, max_steps, ... NotFoundError, UsageError without a name.
    """
    columns = ("task", "run", "run_id", "seed", "state", "metric", "value", "step", "steps", "seconds", "gpu_seconds",
               "energy_joules", "attempt", "taken_from", "reason", "message")  # fmt: skip

    def rows(place: Results, plan: Plan) -> pd.DataFrame:
        records = read_records(place.store, plan)
        return pd.DataFrame([_run_row(one) | _hyperparameters(plan, one.run.task) for one in records])

    return of_experiments(names, None, namespace, store, context, columns, rows)


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

    def rows(place: Results, plan: Plan) -> pd.DataFrame:
        return pd.DataFrame(
            [
                _identity(record) | evaluation.row()
                for record in read_records(place.store, plan)
                if task in (None, record.run.task)
                for evaluation in record.evaluations
            ]
        )

    columns = ("task", "run", "run_id", "seed", "state", "step", "epoch")
    return of_experiments(names, task, namespace, store, context, columns, rows)


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
        return whose(table(trials_csv(plan, findings)), place.namespace, "search", place.name, plan.model.uri)

    return of_each(names, SEARCH, namespace, store, context, of)


def compare(
    before: str,
    after: str,
    *more: str,
    namespace: str | None = None,
    store: str | None = None,
    context: str | None = None,
) -> pd.DataFrame:
    """Experiments against the first, task by task: differences of the means over seeds, interval, p, and the verdict.

    p and verdict count the tests of one pair of experiments. The columns of `finetune compare -o csv`; rows of kind
    `metric` as measured, the last of a pair, of kind `score`, x100. NotFoundError, UsageError.
    """
    from finetune_report.significance import t_test  # noqa: PLC0415  scipy takes a second that only this should cost

    with in_python():
        where = where_of(namespace, store, context)
        pairs = (both_documents(both_places(before, other, where), where) for other in (after, *more))
        return joined(table(comparison_csv(compared(*pair, t_test))) for pair in pairs)


def _identity(record: RunRecord) -> dict[str, object]:
    run = record.run
    fold = {} if run.fold is None else {"fold": run.fold}
    facts = {"task": run.task, "run": run.run, "run_id": run.run_id, "seed": run.seed, "state": record.state.value}
    return facts | fold


def _run_row(record: RunRecord) -> dict[str, object]:
    row, result, progress, failure = _identity(record), record.result, record.progress, record.failure
    if result is not None:
        row |= {"metric": result.metric, "value": result.value, "step": result.step, "steps": result.last_step}
        row |= {"seconds": result.train_seconds, "gpu_seconds": result.gpu_seconds}
        row |= {"energy_joules": result.energy_joules}
        row |= {"attempt": result.attempt, "taken_from": result.taken_from}
        row |= {f"metric_{name}": value for name, value in sorted(result.metrics.items())}
        counted = result.parameters
        row |= {} if counted is None else {name: count(counted) for name, count in PARAMETER_FIELDS.items()}
    elif progress is not None:
        row |= {"step": progress.step, "steps": progress.total_steps, "seconds": progress.elapsed_seconds}
        row |= {"attempt": progress.attempt, "gpu_seconds": progress.gpu_seconds}
        row |= {"energy_joules": progress.energy_joules}
    if failure is not None:
        row |= {"reason": failure.reason.value, "message": failure.message}
    return row


def _hyperparameters(plan: Plan, task: str) -> dict[str, object]:
    settings = plan.tasks[task].settings.model_dump(mode="json")
    flat: dict[str, object] = {}
    for name, value in settings.items():
        flat |= {f"{name}_{part}": inner for part, inner in value.items()} if isinstance(value, dict) else {name: value}
    return flat
