"""What a store holds of one experiment or search, read for its page."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from finetune_client.errors import NotFoundError
from finetune_client.overview import Overview
from finetune_client.reports import plan_of
from finetune_client.stores import Results
from finetune_core.layout import ExperimentLayout
from finetune_core.results.schema import ResultsDocument
from finetune_core.results.search_summary import SearchSummary
from finetune_core.search_layout import SearchLayout
from finetune_core.stored import Stored
from finetune_kube.kinds import EXPERIMENT
from finetune_report.records import Read, read_records
from finetune_report.search.gather import gather, read_ends, read_plan
from finetune_store import ObjectInfo, Store
from finetune_store.documents import find_or_warn
from finetune_ui import experiments, searches
from finetune_ui.experiments import ExperimentPage, experiment_page
from finetune_ui.remembered import Remembered
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
    opened: Opened, word: str, namespace: str, name: str, now: datetime, failed: frozenset[str] | None = None
) -> Content:
    """What there is now; `failed` is the cluster's `Overview.failed_runs`.

    Raises NotFoundError while there is no plan; ReportError, StoreError.
    """
    if word == "experiments":
        return _experiment(opened, namespace, name, now, failed)
    return _search(opened, namespace, name)


def read_files(store: Store, word: str, namespace: str, name: str) -> tuple[str, Mapping[str, str]]:
    """The object's folder, and the files of its report as in `Content`; none while there is no report."""
    if word == "experiments":
        layout = ExperimentLayout(namespace, name)
        document = _marker(store, layout.root, "results.json", ResultsDocument)
        return layout.root, _listed(document, "results.json")
    searched = SearchLayout(namespace, name)
    return searched.root, _listed(_marker(store, searched.root, "summary.json", SearchSummary), "summary.json")


def _experiment(opened: Opened, namespace: str, name: str, now: datetime, failed: frozenset[str] | None) -> Content:
    store, layout = opened.store, ExperimentLayout(namespace, name)
    plan = plan_of(Results(store, namespace, name, EXPERIMENT))
    records = experiments.in_force(read_records(store, plan, opened.read), failed)
    document = _marker(store, layout.root, "results.json", ResultsDocument)
    current = document if document is not None and document.plan_digest == plan.digest else None
    return Content(
        head=experiments.head_in_store(plan, records, current),
        page=experiment_page(plan, records, store.uri(layout.root), now),
        root=layout.root,
        files=_listed(document, "results.json"),
    )


def _search(opened: Opened, namespace: str, name: str) -> Content:
    store, layout = opened.store, SearchLayout(namespace, name)
    if store.stat(layout.plan) is None:
        raise NotFoundError(
            f"there is no search {namespace}/{name} in {store.uri()}",
            "A new search has its plan a few seconds after it was applied.",
        )
    plan = read_plan(store, layout)
    findings = gather(store, layout, plan, read_ends(store, layout, plan))
    summary = _marker(store, layout.root, "summary.json", SearchSummary)
    ended = sum(map(len, findings.trials.values()))
    return Content(
        head=searches.head_in_store(plan, ended, reported=summary is not None),
        page=search_page(plan, findings, store.uri(layout.root)),
        root=layout.root,
        files=_listed(summary, "summary.json"),
    )


def _marker(store: Store, root: str, name: str, model: type[_Model]) -> _Model | None:
    """The file that is written last of a report; None where there is none that this version can read."""
    return find_or_warn(store, f"{root}/{name}", model, root)


def _listed(document: ResultsDocument | SearchSummary | None, marker: str) -> Mapping[str, str]:
    return {} if document is None else {**document.files, marker: ""}
