"""What the page of a search shows, from what its store holds. Pure."""

from dataclasses import dataclass

from finetune_client.overview import Mood, Overview
from finetune_core.planning.search.plan import SearchPlan
from finetune_core.results.search.summarise import SearchFindings, summarise
from finetune_core.results.search.summary import SearchSummary, TaskSummary
from finetune_core.tables import figures
from finetune_core.tables import search_summary as summary_tables
from finetune_core.tables import search_wording as wording
from finetune_kube.kinds import SEARCH
from finetune_ui.drawing.figure import Chart
from finetune_ui.drawing.trials import trial_charts


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


def search_page(plan: SearchPlan, findings: SearchFindings, uri: str, report: SearchSummary | None) -> SearchPage:
    """The page as the store has it now; `report` is the one that lies there, if one does."""
    summary = summarise(plan, findings, findings.best(plan, ""), uri=uri)
    return SearchPage(
        facts=tuple(wording.facts(summary)),
        tasks=tuple(_task(task) for task in summary.tasks),
        charts=tuple(trial_charts(plan, findings, _told(plan, report))),
    )


def _told(plan: SearchPlan, report: SearchSummary | None) -> dict[str, TaskSummary]:
    """An old report says nothing of the trials of today."""
    return {task.task: task for task in report.tasks} if report is not None and is_of(report, plan) else {}


def head_in_store(summary: SearchSummary, *, reported: bool) -> Overview:
    """The head where no cluster tells: `summary` is of the report, or of what there is so far."""
    counts = [task.counts for task in summary.tasks]
    ended, failed = sum(one.ended for one in counts), sum(one.failed for one in counts)
    begun = ended or any(one.unfinished for one in counts)
    status, mood = ("Running", Mood.BUSY) if begun else ("Pending", Mood.IDLE)
    if reported:
        status, mood = _outcome(summary, failed=failed)
    return Overview(
        kind=SEARCH,
        namespace=summary.namespace,
        name=summary.search,
        state=status,
        mood=mood,
        done=ended,
        total=sum(max(one.planned, one.ended) for one in counts),
        failed=failed,
        score=wording.best_text((task.task, task.best) for task in summary.tasks if task.best),
        model=summary.model_uri,
    )


def _outcome(summary: SearchSummary, *, failed: int) -> tuple[str, Mood]:
    """In the operator's words."""
    if any(task.best is None for task in summary.tasks):
        return "TaskFailed", Mood.BAD
    given_up = any(task.end_reason is None for task in summary.tasks)
    return ("SomeTrialsFailed" if failed or given_up else "AllTrialsEnded"), Mood.GOOD


def is_of(summary: SearchSummary, plan: SearchPlan) -> bool:
    """Whether a report is of the plan in force, as far as numbers of trials tell."""
    asked = {task: plan.tasks[task].trials for task in plan.order}
    return asked == {task.task: task.counts.planned for task in summary.tasks}


def _task(task: TaskSummary) -> SearchedTask:
    best = task.best.hyperparameters if task.best else {}
    return SearchedTask(
        name=task.task,
        lines=(wording.best_line(task), wording.counts_line_now(task), wording.cost_line(task)),
        hyperparameters=tuple((name, figures.setting(value)) for name, value in best.items()),
        header=tuple(summary_tables.top_header(task)),
        top=tuple(tuple(summary_tables.top_cells(task, rank, row)) for rank, row in enumerate(task.top, start=1)),
    )
