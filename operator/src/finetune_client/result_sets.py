"""The results of several experiments: those that are named, two to compare, or all of a namespace."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from finetune_client.errors import NotFoundError, UsageError
from finetune_client.finding import cluster
from finetune_client.reports import Report, report_of
from finetune_client.stores import Results, default_namespace, is_place, open_uri, results_at, results_of
from finetune_core.layout import ExperimentLayout
from finetune_core.problems import FinetuneError
from finetune_core.results.schema import ResultsDocument
from finetune_kube.kinds import EXPERIMENT, SEARCH
from finetune_store.folders import owners_in


@dataclass(frozen=True)
class Where:
    """Where to look: a store, or a context and namespace of a cluster. `tell` gets notes for the person who asks."""

    store: str | None
    context: str | None
    namespace: str | None
    tell: Callable[[str], None]


def documents_of(names: Sequence[str], where: Where) -> list[ResultsDocument]:
    """The results of the experiments of these names, each once; NotFoundError, UsageError for a search."""
    return _told((report_of(_place(name, where)) for name in dict.fromkeys(names)), where)


def both_places(before: str, after: str, where: Where, *, one_will_do: bool = False) -> tuple[Results, Results]:
    """Where the results of two experiments lie, each a name, or the URI or path of its folder; UsageError."""
    first, second = (results_at(name) if is_place(name) else _place(name, where) for name in (before, after))
    if not one_will_do and len({(place.store.uri(), place.namespace, place.name) for place in (first, second)}) == 1:
        raise UsageError(
            f"{before} and {after} are one experiment" if before != after else f"{before} is named twice",
            "Name two: finetune compare untuned tuned.",
        )
    return first, second


def both_documents(places: tuple[Results, Results], where: Where) -> tuple[ResultsDocument, ResultsDocument]:
    """The results of two experiments; NotFoundError."""
    first, second = _told((report_of(place) for place in places), where)
    return first, second


def all_documents(where: Where) -> list[ResultsDocument]:
    """The results of all experiments of the namespace that have some; a note says which are left out, and why.

    With --store all that lie in the store; else those that the cluster has now. NotFoundError if none has any.
    """
    documents = _told(_readable(where), where)
    if not documents:
        raise NotFoundError(
            f"no experiment of the namespace {_namespace(where)} has results that can be read",
            "Check the namespace (-n) and --store; `finetune status` lists what is in the cluster.",
        )
    return documents


def _place(name: str, where: Where) -> Results:
    place = results_of(name, store=where.store, context=where.context, namespace=where.namespace, kinds=(EXPERIMENT,))
    if place.kind == SEARCH:
        raise UsageError(
            f"{name} is a search: the table is of experiments", f"finetune results {name} shows its summary."
        )
    return place


def _readable(where: Where) -> Iterator[Report]:
    names = _in_store(where.store, _namespace(where)) if where.store else _in_cluster(where)
    for name in names:
        try:
            yield report_of(_place(f"{EXPERIMENT.short}/{name}", where))
        except FinetuneError as error:
            # One that has not begun, or that this version cannot read, must not hide the others.
            where.tell(f"{name} is left out: {str(error).splitlines()[0]}")


def _in_store(uri: str, namespace: str) -> list[str]:
    store = open_uri(uri)
    layouts = {name: ExperimentLayout(namespace, name) for name in owners_in(store, namespace)}
    # Searches lie there, too.
    return [
        name
        for name, layout in layouts.items()
        if store.stat(layout.plan) is not None or store.stat(layout.results("json")) is not None
    ]


def _in_cluster(where: Where) -> list[str]:
    return sorted(item["metadata"]["name"] for item in cluster(where.context, where.namespace).objects(EXPERIMENT))


def _namespace(where: Where) -> str:
    return where.namespace or default_namespace(where.context)


def _told(reports: Iterable[Report], where: Where) -> list[ResultsDocument]:
    found = list(reports)
    if running := [report.document.experiment for report in found if not report.whole]:
        where.tell(f"Not all runs of {', '.join(running)} have ended: these are the results so far.")
    return [report.document for report in found]
