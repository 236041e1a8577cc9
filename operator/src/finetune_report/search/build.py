"""Making the report of a search, from the store and back to it."""

import logging

from finetune_core.planning.search.plan import SearchPlan
from finetune_core.results.search.export import BestHyperparameters, export_digest
from finetune_core.results.search.hyperparameter_files import task_yaml
from finetune_core.results.search.summarise import SearchFindings, summarise
from finetune_core.results.search.summary import SearchSummary
from finetune_core.search_layout import SearchLayout
from finetune_core.tables.search_summary import summary_csv, summary_markdown
from finetune_core.tables.trials import trials_csv
from finetune_report.canvas import Picture
from finetune_report.errors import ResultsChangedError
from finetune_report.publish import Publication, is_intact
from finetune_report.search.gather import gather, read_ends, read_plan
from finetune_report.search.namespace import update_namespace_table
from finetune_report.search.page import summary_html
from finetune_report.search.plots import plot_task
from finetune_store import Store
from finetune_store.documents import find_or_warn

_log = logging.getLogger(__name__)


def build_search(store: Store, namespace: str, search: str, *, expected: str | None = None) -> SearchSummary:
    """Write the report of a search; what lies there already, whole and current, stays.

    `expected` is the `export_digest` that the caller wants reported. Safe to be killed anywhere and to be run again.
    Raises ReportError for what only a person can put right, ResultsChangedError where results are not those that were
    there when it was ordered, OvertakenError where others write, StoreError.
    """
    layout = SearchLayout(namespace, search)
    plan = read_plan(store, layout)
    ends = read_ends(store, layout, plan)
    digest = export_digest(plan, ends)
    if expected is not None and digest != expected:
        raise ResultsChangedError(
            f"the trials of {store.uri(layout.root)} are not those that this report was ordered for (digest {digest}, "
            f"not {expected}; tasks that have ended: {', '.join(ends) or 'none'})"
        )
    written = _current(store, layout, digest)
    if written is None:
        findings = gather(store, layout, plan, ends)
        if expected is not None:
            _refuse_less(plan, findings)
        written = _publish(store, layout, plan, findings, findings.best(plan, digest))
    _log.info("report %s of %s is written", digest, written.uri)
    return written


def _refuse_less(plan: SearchPlan, findings: SearchFindings) -> None:
    """ResultsChangedError for a task of which trials that had ended have no result any more."""
    for task, end in findings.ends.items():
        trials, finalists = (len(found.get(task, ())) for found in (findings.trials, findings.finalists))
        planned = plan.tasks[task].trials
        if end.misses(trials, finalists, planned=planned):
            raise ResultsChangedError(
                f"{trials} of {planned} trials and {finalists} finalists of {task} have a result that can be read, and "
                "more had one when its search ended"
            )


def _publish(
    store: Store, layout: SearchLayout, plan: SearchPlan, findings: SearchFindings, export: BestHyperparameters
) -> SearchSummary:
    summary = summarise(plan, findings, export, uri=store.uri(layout.root))
    # All that can fail comes before the old report stops counting.
    pictures = {task: plot_task(plan, findings, task) for task in plan.order}
    summary = _with_plots(summary, pictures)
    files = _files(layout, plan, findings, export, summary, pictures)
    folders = [f"{layout.root}/hps", f"{layout.root}/plots"]
    publication = Publication(store, layout.root, layout.summary("json"), folders=folders, optional=())
    publication.begin()
    for key, content in files.items():
        publication.write(key, content)
    # Before the marker: once that is there nobody makes this report again.
    update_namespace_table(store, layout.namespace)
    return publication.finish(summary)


def _files(
    layout: SearchLayout,
    plan: SearchPlan,
    findings: SearchFindings,
    export: BestHyperparameters,
    summary: SearchSummary,
    pictures: dict[str, list[Picture]],
) -> dict[str, bytes]:
    files = {layout.trials_table: trials_csv(plan, findings)}
    for picture in (picture for of_task in pictures.values() for picture in of_task if picture.note is None):
        files |= {layout.plot(picture.file, suffix): content for suffix, content in picture.files.items()}
    for task in export.tasks:
        files[layout.hyperparameters(task)] = task_yaml(export, task).encode()
    files[layout.best] = (export.model_dump_json(by_alias=True, indent=2) + "\n").encode()
    files[layout.summary("csv")] = summary_csv(summary)
    files[layout.summary("md")] = summary_markdown(summary)
    files[layout.summary("html")] = summary_html(summary, pictures)
    return files


def _with_plots(summary: SearchSummary, pictures: dict[str, list[Picture]]) -> SearchSummary:
    tasks = tuple(
        task.model_copy(
            update={
                "plots": {one.name: f"plots/{one.file}" for one in pictures[task.task] if one.note is None},
                "notes": tuple(one.note for one in pictures[task.task] if one.note is not None),
                "importance": {name: share for one in pictures[task.task] for name, share in one.shares.items()},
            }
        )
        for task in summary.tasks
    )
    return summary.model_copy(update={"tasks": tasks})


def _current(store: Store, layout: SearchLayout, digest: str) -> SearchSummary | None:
    """The report in the store, if it is whole and was made from what `digest` stands for."""
    marker = layout.summary("json")
    summary = find_or_warn(store, marker, SearchSummary, layout.root)
    if summary is None or summary.report_digest != digest:
        return None
    return summary if is_intact(store, layout.root, marker, summary) else None
