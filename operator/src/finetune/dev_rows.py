"""Frames by the rows of dev sets: what runs said of them, and two experiments compared by that."""

import pandas as pd

from finetune.making import in_python, of_experiments, table, where_of
from finetune.typed import typed
from finetune_client.reports import layout_of
from finetune_client.result_sets import both_documents, both_places
from finetune_client.row_by_row import compare_runs, with_items
from finetune_client.stores import Results
from finetune_core.planning.plan import Plan
from finetune_core.results.comparison.experiments import compare as compared
from finetune_core.results.comparison.schema import ItemComparison
from finetune_core.tables.comparison_formats import items_csv
from finetune_report.predictions import dev_predictions as file_of_run
from finetune_report.predictions import results_of_runs


def compare_items(
    before: str,
    after: str,
    *,
    runs: tuple[str, str] | None = None,
    namespace: str | None = None,
    store: str | None = None,
    context: str | None = None,
) -> pd.DataFrame:
    """Two experiments, or two runs (ids or `task/run`), row by row over the dev sets, by what runs predicted.

    Of each task a row of kind `bootstrap`, over all its models, and one of kind `mcnemar` for each pair of models; see
    `ItemComparison` and `ModelPair`. `before` and `after` are the experiments. `reason` says why a task is not
    compared. NotFoundError, UsageError, ClientError.
    """
    from finetune_report import item_tests  # noqa: PLC0415
    from finetune_report.significance import t_test  # noqa: PLC0415

    with in_python():
        where = where_of(namespace, store, context)
        places = both_places(before, after, where, one_will_do=runs is not None)
        if runs is not None:
            items: tuple[ItemComparison, ...] = (compare_runs((places[0], runs[0]), (places[1], runs[1]), item_tests),)
        else:
            documents = both_documents(places, where)
            whole = with_items(
                compared(*documents, t_test), (places[0], documents[0]), (places[1], documents[1]), item_tests
            )
            for warning in whole.warnings:
                where.tell(warning)
            items = whole.items
        frame = typed(table(items_csv(items)))
        for column, place in enumerate(places):
            frame.insert(column, ("before", "after")[column], f"{place.namespace}/{place.name}")
        return frame


def dev_predictions(
    *names: str,
    task: str | None = None,
    namespace: str | None = None,
    store: str | None = None,
    context: str | None = None,
) -> pd.DataFrame:
    """What the best evaluation of every run of experiments (of one task) said of each row of its dev sets.

    A row a run and row of a dev set: namespace, experiment, model, task, run, run_id, seed, split, data (a digest of
    the dev set), index (the row in its file, from 0 on), label, prediction, probability (of the prediction; missing for
    scores). Where a text can have several labels, label and prediction are JSON lists of them. Runs that kept none,
    those of earlier versions, have no rows. NotFoundError; UsageError without a name, or for a task that an experiment
    does not have.
    """
    columns = ("task", "run", "run_id", "seed", "split", "data", "index", "label", "prediction", "probability")

    def rows(place: Results, plan: Plan) -> pd.DataFrame:
        layout = layout_of(place)
        wanted = [(run.task, run.run_id) for run in plan.runs if task in (None, run.task)]
        parts = []
        for result in results_of_runs(place.store, layout, wanted):
            facts: dict[str, str | int] = {
                "task": result.task,
                "run": result.run,
                "run_id": result.run_id,
                "seed": result.seed,
            }
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
        return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()

    return of_experiments(names, task, namespace, store, context, columns, rows)
