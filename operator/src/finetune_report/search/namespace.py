"""`<namespace>/best_hyperparameters.{csv,md}`, kept up to date by every report of a search."""

from finetune_core.results.search.export import BestHyperparameters
from finetune_core.search_layout import best_hyperparameters
from finetune_core.tables.best_hyperparameters import namespace_csv, namespace_markdown
from finetune_report.namespace_files import read_all, write_current
from finetune_store import Store


def update_namespace_table(store: Store, namespace: str) -> None:
    """Write the tables over all exports of the namespace. OvertakenError where others change them all the time."""
    what = f"the best hyperparameters of the namespace {namespace}"
    write_current(store, lambda: _tables(store, namespace), what=what)


def _tables(store: Store, namespace: str) -> dict[str, bytes]:
    exports = list(read_all(store, namespace, "hps/best.json", BestHyperparameters))
    return {
        best_hyperparameters(namespace, "csv"): namespace_csv(exports),
        best_hyperparameters(namespace, "md"): namespace_markdown(namespace, exports),
    }
