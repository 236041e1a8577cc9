"""finetuning_results.html: the experiments of a namespace on one page."""

from collections.abc import Sequence

from finetune_core.results.schema import ResultsDocument
from finetune_core.tables.results import Statistic, results_table
from finetune_core.tables.results_text import IDENTITY, shown
from finetune_report.canvas import Picture
from finetune_report.pages import embedded, render

_TITLES = {Statistic.BEST: "Best runs", Statistic.MEAN: "Means over runs"}


def namespace_html(namespace: str, documents: Sequence[ResultsDocument], pictures: Sequence[Picture]) -> bytes:
    """The page, with the plots of `plot_namespace` within it. It holds no times: the same results, the same page."""
    return render(
        "namespace.html",
        namespace=namespace,
        identity=IDENTITY,
        tables=[
            {"title": title, "text": shown(results_table(documents, statistic))} for statistic, title in _TITLES.items()
        ],
        plots=embedded(pictures),
    )
