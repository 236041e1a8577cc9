"""summary.html: one page that needs nothing beside it, for screens, phones and paper."""

from collections.abc import Mapping, Sequence

from finetune_core.results.search.summary import SearchSummary, TaskSummary
from finetune_core.tables import figures
from finetune_core.tables import search_summary as tables
from finetune_core.tables import search_wording as wording
from finetune_report.canvas import Picture
from finetune_report.pages import embedded, render


def summary_html(summary: SearchSummary, pictures: Mapping[str, Sequence[Picture]]) -> bytes:
    """The page, with the plots of every task (`pictures`) within it."""
    return render(
        "search.html",
        summary=summary,
        facts=list(wording.facts(summary)),
        best_header=tables.best_header(),
        best_rows=list(tables.best_rows(summary)),
        tasks=[_task(task, pictures.get(task.task, ())) for task in summary.tasks],
    )


def _task(task: TaskSummary, pictures: Sequence[Picture]) -> dict[str, object]:
    best = task.best.hyperparameters if task.best else {}
    return {
        "name": task.task,
        "best": wording.best_line(task),
        "hyperparameters": [(name, figures.setting(value)) for name, value in best.items()],
        "lines": [wording.counts_line(task), wording.cost_line(task)],
        "finalists_header": tables.FINALISTS_HEADER,
        "finalists": [tables.finalist_cells(task, row) for row in task.finalists],
        "bias": wording.bias_line(task),
        "top_header": tables.top_header(task),
        "top": [tables.top_cells(task, rank, row) for rank, row in enumerate(task.top, start=1)],
        "plots": embedded(pictures),
        "notes": task.notes,
    }
