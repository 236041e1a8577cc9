"""Making a report, from the store and back to it."""

import logging
from collections.abc import Iterable, Mapping
from itertools import chain

from finetune_core.api import MissingTasks, ModelRetention
from finetune_core.layout import ExperimentLayout
from finetune_core.leaderboard.submission import (
    Predictions,
    Submission,
    SubmissionManifest,
    SubmissionRefused,
    build_submission,
    refused_manifest,
)
from finetune_core.planning.plan import Plan
from finetune_core.results.document import build_document, submission_row
from finetune_core.results.schema import ResultsDocument
from finetune_core.tables.experiment import results_csv, results_markdown
from finetune_core.tables.runs import runs_csv
from finetune_core.tasks.registry import SUBMISSION_FILES
from finetune_report.errors import ResultsChangedError
from finetune_report.experiment.curves import read_curves
from finetune_report.gather import Findings, gather
from finetune_report.labels import OpenData, known_constants
from finetune_report.namespace_results import update_results_table
from finetune_report.predictions import best_predictions
from finetune_report.publish import Publication, current_report
from finetune_report.retention import apply_retention
from finetune_store import Store

_log = logging.getLogger(__name__)


def build(
    store: Store,
    plan: Plan,
    failed: Iterable[str],
    *,
    open_data: OpenData,
    expected: str | None = None,
    plots: bool = True,
) -> ResultsDocument:
    """Write the report of a plan; what lies there already, whole and current, stays.

    `failed` are ids of runs that will not be tried again; `expected` is the digest that the caller wants reported.
    Plots take about half a second a task.
    Safe to be killed anywhere and to be run again. Raises ReportError for what only a person can put right,
    ResultsChangedError where results are not those of `expected`, OvertakenError where others write, StoreError.
    """
    layout = ExperimentLayout(plan.namespace, plan.experiment)
    findings = gather(store, plan, failed)
    document = _document(store, plan, findings)
    if expected is not None and document.report_digest != expected:
        raise ResultsChangedError(
            f"the results of {document.uri} are not those that this report was ordered for (digest "
            f"{document.report_digest}, not {expected})"
        )
    written = current_report(store, layout, document.report_digest)
    if written is None:
        written = _publish(store, plan, document, findings, open_data, plots=plots)
    removed = apply_retention(store, plan, written, findings)
    # Also where the report was there already: who wrote it may have been cut off before this.
    update_results_table(store, plan.namespace, plots=plots)
    _log.info(
        "report %s of %s is written; %d files of weights and checkpoints deleted",
        written.report_digest,
        written.uri,
        removed,
    )
    return written


def _document(store: Store, plan: Plan, findings: Findings) -> ResultsDocument:
    layout = ExperimentLayout(plan.namespace, plan.experiment)
    # What retention is about to delete must not be pointed at.
    models = {} if plan.retention == ModelRetention.NONE else findings.models(plan)
    return build_document(
        plan,
        findings.results,
        findings.failures,
        uri=store.uri(layout.root),
        models=models,
        progress=findings.progress,
    )


def _publish(
    store: Store, plan: Plan, document: ResultsDocument, findings: Findings, open_data: OpenData, *, plots: bool
) -> ResultsDocument:
    layout = ExperimentLayout(plan.namespace, plan.experiment)
    # All that can fail for want of good inputs comes before the old report stops counting.
    predictions = best_predictions(store, plan, document, findings.results)
    submission, manifest = _submission(plan, predictions, open_data)
    if manifest is not None:
        document = document.model_copy(update={"submission": submission_row(manifest)})
    shown = _shown(store, plan, document, plots=plots)
    publication = Publication(
        store,
        layout.root,
        layout.results("json"),
        folders=[f"{layout.root}/best", layout.plots],
        optional=[layout.submission, layout.submission_manifest],
    )
    publication.begin()
    for name, file in predictions.items():
        publication.write(layout.best_predictions(name), file.content)
    for task in document.tasks:
        if task.best is not None:
            publication.write(layout.best(task.task), task.best.to_json())
    if submission is not None:
        publication.write(layout.submission, submission.content)
    if manifest is not None:
        publication.write(layout.submission_manifest, manifest.to_json())
    for key, content in shown.items():
        publication.write(key, content)
    publication.write(layout.results("csv"), results_csv(document))
    publication.write(f"{layout.root}/runs.csv", runs_csv(document))
    publication.write(layout.results("md"), results_markdown(document))
    return publication.finish(document)


def _shown(store: Store, plan: Plan, document: ResultsDocument, *, plots: bool) -> dict[str, bytes]:
    # matplotlib takes a second to import: only where a report is written.
    from finetune_report.experiment.page import report_html  # noqa: PLC0415
    from finetune_report.experiment.plots import picture_files, plot_experiment  # noqa: PLC0415

    layout = ExperimentLayout(document.namespace, document.experiment)
    pictures = plot_experiment(document, read_curves(store, document)) if plots else {}
    settings = {name: task.settings for name, task in plan.tasks.items()}
    return {
        **picture_files(layout, chain(*pictures.values())),
        layout.report: report_html(document, pictures, settings),
    }


def _submission(
    plan: Plan, predictions: Mapping[str, Predictions], open_data: OpenData
) -> tuple[Submission | None, SubmissionManifest | None]:
    """The zip and its manifest; no zip where it is refused, neither where the plan does not ask for them."""
    if plan.leaderboard is None:
        return None, None
    experiment = f"{plan.namespace}/{plan.experiment}"
    names = [file.name for file in SUBMISSION_FILES]
    offered = {name: predictions[name] for name in names if name in predictions}
    missing = [name for name in names if name not in offered]
    constants = known_constants(plan, missing, open_data) if plan.leaderboard == MissingTasks.PLACEHOLDER else {}
    try:
        submission = build_submission(experiment, offered, plan.leaderboard, constants)
    except SubmissionRefused as refusal:
        _log.warning("no submission.zip: %s", refusal)
        return None, refused_manifest(experiment, refusal)
    return submission, submission.manifest
