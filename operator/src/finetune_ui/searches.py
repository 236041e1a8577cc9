"""What the page of a search shows, from what its store holds. Pure."""

from dataclasses import dataclass

from finetune_client.overview import Mood, Overview
from finetune_core.planning.search_plan import SearchPlan
from finetune_core.results.search_summary import TaskSummary
from finetune_core.results.summarise import SearchFindings, summarise
from finetune_core.tables import figures
from finetune_core.tables import search_summary as summary_tables
from finetune_core.tables import search_wording as wording
from finetune_kube.kinds import SEARCH
from finetune_ui.charts import Chart, trial_charts


@dataclass(frozen=True)
class SearchedTask:
    """A task: what became of its trials, the best hyperparameters, and its first trials by rank."""

    name: str
    lines: tuple[str, ...]
    hyperparameters: tuple[tuple[str, str], ...]
    header: tuple[str, ...]
    top: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class SearchPage:
    """How it is searched, task by task, and charts."""

    facts: tuple[str, ...]
    tasks: tuple[SearchedTask, ...]
    charts: tuple[Chart, ...]


def search_page(plan: SearchPlan, findings: SearchFindings, uri: str) -> SearchPage:
    """The page as the store has it now."""
    summary = summarise(plan, findings, findings.best(plan, ""), uri=uri)
    return SearchPage(
        facts=tuple(wording.facts(summary)),
        tasks=tuple(_task(task) for task in summary.tasks),
        charts=tuple(trial_charts(plan, findings)),
    )


def head_in_store(plan: SearchPlan, ended: int, *, reported: bool) -> Overview:
    """The head where no cluster tells: so many trials have ended; the report is or is not written."""
    total = sum(task.trials for task in plan.tasks.values())
    status, mood = ("Running", Mood.BUSY) if ended else ("Pending", Mood.IDLE)
    if reported:
        status, mood = "AllTrialsEnded", Mood.GOOD
    return Overview(
        kind=SEARCH,
        namespace=plan.namespace,
        name=plan.search,
        state=status,
        mood=mood,
        done=ended,
        total=total,
        model=plan.model.uri,
    )


def _task(task: TaskSummary) -> SearchedTask:
    best = task.best.hyperparameters if task.best else {}
    return SearchedTask(
        name=task.task,
        lines=(wording.best_line(task), wording.counts_line_now(task), wording.cost_line(task)),
        hyperparameters=tuple((name, figures.setting(value)) for name, value in best.items()),
        header=tuple(summary_tables.top_header(task)),
        top=tuple(tuple(summary_tables.top_cells(task, rank, row)) for rank, row in enumerate(task.top, start=1)),
    )
