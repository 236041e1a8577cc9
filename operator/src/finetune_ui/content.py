"""What a store holds of one experiment or search, read for its page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from finetune_client.errors import NotFoundError
from finetune_client.overview import Overview
from finetune_client.reports import plan_of
from finetune_client.stores import Results
from finetune_core.layout import ExperimentLayout
from finetune_core.planning.plan import Plan, PlannedRun
from finetune_core.planning.search.plan import SearchPlan
from finetune_core.results.run import Failure
from finetune_core.results.schema import ResultsDocument
from finetune_core.results.search.summarise import SearchFindings, summarise
from finetune_core.results.search.summary import SearchSummary
from finetune_core.search_layout import SearchLayout
from finetune_core.stored import Stored
from finetune_kube.kinds import EXPERIMENT
from finetune_report.records import Read, RunRecord, State, read_records
from finetune_report.search.gather import gather, read_ends, read_plan
from finetune_store import ObjectInfo, Store
from finetune_store.documents import find_or_warn
from finetune_ui import experiments, searches
from finetune_ui.comparison import Side
from finetune_ui.drawing.choice import Choice
from finetune_ui.experiments import ExperimentPage, experiment_page
from finetune_ui.kinds import RunPlace
from finetune_ui.remembered import Remembered
from finetune_ui.runs import RunPage, run_page
from finetune_ui.searches import SearchPage, search_page

_REMEMBERED = Remembered(64 << 20)

_Model = TypeVar("_Model", bound=Stored)


@dataclass(frozen=True)
class Opened:
    """A store, and a reader of it that remembers what it read and did not change since."""

    store: Store
    read: Read

    @classmethod
    def of(cls, store: Store) -> "Opened":
        """Results never change and evaluations seldom: the page looks every few seconds at what is mostly the same."""

        # Of this opening alone: somebody else's rights may be others.
        opening = object()

        def content(info: ObjectInfo, limit: int) -> bytes:
            key = (opening, info.key, info.modified, info.size)
            return _REMEMBERED.get(key, lambda: store.get(info.key, limit=limit))

        return cls(store, content)


@dataclass(frozen=True)
class Content:
    """A page's content. `head` is as the store alone tells it; `files`, keys below `root`, may be downloaded."""

    head: Overview
    page: ExperimentPage | SearchPage
    root: str
    files: Mapping[str, str]


def read_content(
    opened: Opened,
    word: str,
    namespace: str,
    name: str,
    now: datetime,
    failed: frozenset[str] | None = None,
    choice: Choice = Choice(),  # noqa: B008 - it is frozen
) -> Content:
    """What there is now; `failed` is the cluster's `Overview.failed_runs`, `choice` what its curves show.

    Raises NotFoundError while there is no plan; ReportError, StoreError.
    """
    if word == "experiments":
        return _experiment(opened, namespace, name, now, failed, choice)
    return _search(opened, namespace, name)


def read_head(opened: Opened, word: str, namespace: str, name: str) -> Overview:
    """The head of `read_content`, from as few objects as tell it. Raises as that does."""
    if word == "experiments":
        return _experiment_head(opened, _plan(opened.store, namespace, name))
    plan, findings, summary = _searched(opened.store, namespace, name)
    return _search_head(opened.store, plan, findings, summary)


def read_run(opened: Opened, place: RunPlace, now: datetime, failed: frozenset[str] | None, choice: Choice) -> RunPage:
    """One run; NotFoundError for one that is not planned. Else as `read_content`."""
    side = read_side(opened, place, failed, alone=False)
    plan, record = side.plan, next(one for one in side.records if place.is_of(one.run))
    document = experiments.document_now(plan, side.records)
    best = next((task.best for task in document.tasks if task.task == place.task), None)
    failures = _failures(opened, plan, record.run)
    return run_page(plan, record, failures, now, choice, best=best is not None and best.run_id == record.run.run_id)


def read_side(
    opened: Opened, place: RunPlace, failed: frozenset[str] | None, *, alone: bool = True, curves: bool = True
) -> Side:
    """An experiment with its runs; `alone` with the one that is named. NotFoundError, else as `read_content`.

    Without `curves` no evaluations are read.
    """
    plan = _plan(opened.store, place.namespace, place.name)
    wanted = [run for run in plan.runs if place.is_of(run)]
    if not wanted:
        raise NotFoundError(
            f"{place.namespace}/{place.name} has no run {place.task}/{place.run}", "Its page lists them."
        )
    shown = plan.model_copy(update={"runs": tuple(wanted)}) if alone else plan
    records = experiments.in_force(read_records(opened.store, shown, opened.read, curves=curves), failed)
    return Side(place.text, place.path, shown, records)


def _failures(opened: Opened, plan: Plan, run: PlannedRun) -> list[Failure]:
    folder = ExperimentLayout(plan.namespace, plan.experiment).run(run.task, run.run_id).failures
    found = (find_or_warn(opened.store, info.key, Failure) for info in opened.store.list(folder))
    return sorted((one for one in found if one is not None), key=lambda one: one.time, reverse=True)


def read_summary(opened: Opened, namespace: str, name: str) -> SearchSummary:
    """What the report of a search says; while there is none of its plan, what it would say now. As `read_content`."""
    plan, findings, summary = _searched(opened.store, namespace, name)
    return _summary_now(opened.store, plan, findings, summary)


def read_files(store: Store, word: str, namespace: str, name: str) -> tuple[str, Mapping[str, str]]:
    """The object's folder, and the files of its report as in `Content`; none while there is no report."""
    if word == "experiments":
        layout = ExperimentLayout(namespace, name)
        document = _marker(store, layout.root, "results.json", ResultsDocument)
        return layout.root, _listed(document, "results.json")
    searched = SearchLayout(namespace, name)
    return searched.root, _listed(_marker(store, searched.root, "summary.json", SearchSummary), "summary.json")


def _experiment(
    opened: Opened, namespace: str, name: str, now: datetime, failed: frozenset[str] | None, choice: Choice
) -> Content:
    store, layout = opened.store, ExperimentLayout(namespace, name)
    plan = _plan(store, namespace, name)
    records = experiments.in_force(read_records(store, plan, opened.read), failed)
    document = experiments.document_now(plan, records)
    written = _marker(store, layout.root, "results.json", ResultsDocument)
    return Content(
        head=_reported(plan, written) or _so_far(document, records),
        page=experiment_page(plan, records, document, now, choice),
        root=layout.root,
        files=_listed(written, "results.json"),
    )


def _experiment_head(opened: Opened, plan: Plan) -> Overview:
    root = ExperimentLayout(plan.namespace, plan.experiment).root
    if head := _reported(plan, _marker(opened.store, root, "results.json", ResultsDocument)):
        return head
    records = read_records(opened.store, plan, opened.read, curves=False)
    return _so_far(experiments.document_now(plan, records), records)


def _reported(plan: Plan, written: ResultsDocument | None) -> Overview | None:
    """By the report of this very plan; None where it is of another, or not written."""
    if written is None or written.plan_digest != plan.digest:
        return None
    return experiments.head_in_store(written, reported=True)


def _so_far(document: ResultsDocument, records: Sequence[RunRecord]) -> Overview:
    begun = any(record.state != State.PENDING for record in records)
    return experiments.head_in_store(document, reported=False, begun=begun)


def _plan(store: Store, namespace: str, name: str) -> Plan:
    return plan_of(Results(store, namespace, name, EXPERIMENT))


def _search(opened: Opened, namespace: str, name: str) -> Content:
    store, layout = opened.store, SearchLayout(namespace, name)
    plan, findings, summary = _searched(store, namespace, name)
    return Content(
        head=_search_head(store, plan, findings, summary),
        page=search_page(plan, findings, store.uri(layout.root), summary),
        root=layout.root,
        files=_listed(summary, "summary.json"),
    )


def _searched(store: Store, namespace: str, name: str) -> tuple[SearchPlan, SearchFindings, SearchSummary | None]:
    layout = SearchLayout(namespace, name)
    if store.stat(layout.plan) is None:
        raise NotFoundError(
            f"there is no search {namespace}/{name} in {store.uri()}",
            "A new search has its plan a few seconds after it was applied.",
        )
    plan = read_plan(store, layout)
    findings = gather(store, layout, plan, read_ends(store, layout, plan))
    return plan, findings, _marker(store, layout.root, "summary.json", SearchSummary)


def _search_head(store: Store, plan: SearchPlan, findings: SearchFindings, summary: SearchSummary | None) -> Overview:
    now = _summary_now(store, plan, findings, summary)
    return searches.head_in_store(now, reported=now is summary)


def _summary_now(
    store: Store, plan: SearchPlan, findings: SearchFindings, summary: SearchSummary | None
) -> SearchSummary:
    if summary is not None and searches.is_of(summary, plan):
        return summary
    return summarise(plan, findings, findings.best(plan, ""), uri=store.uri())


def _marker(store: Store, root: str, name: str, model: type[_Model]) -> _Model | None:
    """The file that is written last of a report; None where there is none that this version can read."""
    return find_or_warn(store, f"{root}/{name}", model, root)


def _listed(document: ResultsDocument | SearchSummary | None, marker: str) -> Mapping[str, str]:
    return {} if document is None else {**document.files, marker: ""}
