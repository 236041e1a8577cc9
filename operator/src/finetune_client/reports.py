"""Results as the store has them: the report where it is written, else what the runs have left so far."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from finetune_client.errors import ClientError, NotFoundError
from finetune_client.stores import Results
from finetune_core.layout import ExperimentLayout
from finetune_core.planning.plan import Plan, PlannedRun
from finetune_core.results.document import build_document
from finetune_core.results.schema import ResultsDocument
from finetune_report.gather import Findings, gather
from finetune_store import UnreadableError
from finetune_store.documents import find

T = TypeVar("T")


@dataclass(frozen=True)
class Report:
    """An experiment's results; `whole` says whether the report is written, so all runs had ended."""

    document: ResultsDocument
    whole: bool


def layout_of(place: Results) -> ExperimentLayout:
    """Where the experiment's objects lie."""
    return ExperimentLayout(place.namespace, place.name)


def report_of(place: Results) -> Report:
    """The report in the store; while there is none of the plan in force, one over the runs that have ended."""
    written = _written(place)
    try:
        plan = plan_of(place)
    except NotFoundError:
        # A report that was copied without its plan is a report still.
        if written is None:
            raise
        return Report(written, whole=True)
    if written is not None and written.plan_digest == plan.digest:
        return Report(written, whole=True)
    return Report(document_so_far(place, plan, gather(place.store, plan, ())), whole=False)


def whole_report(place: Results) -> ResultsDocument:
    """The report as it was last written; NotFoundError where none is."""
    written = _written(place)
    if written is None:
        plan_of(place)
        raise NotFoundError(
            f"{place.name} has no report yet: it is written when all runs have ended",
            f"finetune watch {place.name} waits for it; finetune results {place.name} shows what there is.",
        )
    return written


def _written(place: Results) -> ResultsDocument | None:
    layout = layout_of(place)
    return _read(lambda: find(place.store, layout.results("json"), ResultsDocument, layout.root))


def document_so_far(place: Results, plan: Plan, findings: Findings) -> ResultsDocument:
    """A document over the runs that have a result."""
    uri = place.store.uri(layout_of(place).root)
    return build_document(plan, findings.results, findings.failures, uri=uri, models=findings.models(plan))


def plan_of(place: Results) -> Plan:
    """The plan in force; NotFoundError where the store has none."""
    layout = layout_of(place)
    plan = _read(lambda: find(place.store, layout.plan, Plan, layout.root))
    if plan is None:
        raise NotFoundError(
            f"there is no experiment {place.namespace}/{place.name} in {place.store.uri()}",
            "Check name, namespace (-n) and --store; a new experiment has its plan a few seconds after it was applied.",
        )
    return plan


def planned_run(plan: Plan, text: str) -> PlannedRun:
    """The planned run that is meant by an id or by TASK/RUN; ClientError names those that there are."""
    found = [run for run in plan.runs if text in (run.run_id, f"{run.task}/{run.run}")]
    if found:
        return found[0]
    if any(run.run_id == text for run in plan.quarantined):
        raise ClientError(f"run {text} is quarantined already", "--undo counts it again.")
    task, slash, _ = text.partition("/")
    runs = [f"{run.task}/{run.run} ({run.run_id})" for run in plan.runs if not slash or run.task == task]
    some = ", ".join(runs[:10]) + (f" and {len(runs) - 10} more" if len(runs) > 10 else "")
    there = f"There are {some}." if runs else f"The tasks are {', '.join(plan.task_names)}."
    raise ClientError(f"no run {text} is planned", there)


def _read(find: Callable[[], T]) -> T:
    """What is found; ClientError for what cannot be read."""
    try:
        return find()
    except UnreadableError as error:
        raise ClientError(error.problem, f"{error.remedy.capitalize()}.") from error
