"""`<namespace>/finetuning_results.*`, kept up to date by every report of an experiment."""

from itertools import product

from finetune_core.layout import finetuning_plot, finetuning_results
from finetune_core.results.schema import ResultsDocument
from finetune_core.tables.results import Statistic, results_table
from finetune_core.tables.results_formats import namespace_markdown, table_csv
from finetune_report.namespace_files import read_all, write_current
from finetune_store import Store

_Files = dict[str, bytes | None]


def update_results_table(store: Store, namespace: str, *, plots: bool = True) -> None:
    """Write tables, plots and page over all whole reports of the namespace; without `plots` the tables alone.

    To be called after the report's own results.json, which is written last of all: where it lies, the report is whole.
    OvertakenError where others change them all the time.
    """
    made: dict[bytes, _Files] = {}

    def files() -> _Files:
        documents = list(read_all(store, namespace, "results.json", ResultsDocument))
        seen = b"\n".join(one.to_json() for one in documents)
        if seen not in made:  # plots take a second, and the same documents make the same ones
            made.clear()
            made[seen] = _tables(namespace, documents) | (_plots(namespace, documents) if plots else {})
        return made[seen]

    write_current(store, files, what=f"the results of the namespace {namespace}")


def _tables(namespace: str, documents: list[ResultsDocument]) -> _Files:
    return {
        # The CSV has both statistics.
        finetuning_results(namespace, "csv"): table_csv(results_table(documents, Statistic.BEST)),
        finetuning_results(namespace, "md"): namespace_markdown(namespace, documents),
    }


def _plots(namespace: str, documents: list[ResultsDocument]) -> _Files:
    # Importing matplotlib takes a second.
    from finetune_report.namespace_page import namespace_html  # noqa: PLC0415
    from finetune_report.namespace_plots import PLOTS, plot_namespace  # noqa: PLC0415

    pictures = plot_namespace(namespace, documents)
    files: _Files = {}
    for name, suffix in product(PLOTS, ("png", "svg")):
        # One that is not drawn any more goes.
        drawn = next((picture.files[suffix] for picture in pictures if picture.name == name), None)
        files[finetuning_plot(namespace, name, suffix)] = drawn
    return files | {finetuning_results(namespace, "html"): namespace_html(namespace, documents, pictures)}
