"""`<namespace>/finetuning_results.{csv,md}`, kept up to date by every report of an experiment."""

from finetune_core.layout import finetuning_results
from finetune_core.results_schema import ResultsDocument
from finetune_core.results_table import Statistic, results_table
from finetune_core.results_table_formats import namespace_markdown, table_csv
from finetune_report.namespace_files import read_all, write_current
from finetune_store import Store


def update_results_table(store: Store, namespace: str) -> None:
    """Write the tables over all whole reports of the namespace. OvertakenError where others change them all the time.

    To be called after the report's own results.json, which is written last of all: where it lies, the report is whole.
    """
    write_current(store, lambda: _tables(store, namespace), what=f"the results of the namespace {namespace}")


def _tables(store: Store, namespace: str) -> dict[str, bytes]:
    documents = list(read_all(store, namespace, "results.json", ResultsDocument))
    return {
        # The CSV has both statistics.
        finetuning_results(namespace, "csv"): table_csv(results_table(documents, Statistic.BEST)),
        finetuning_results(namespace, "md"): namespace_markdown(namespace, documents),
    }
