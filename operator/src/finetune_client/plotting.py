"""Plots drawn anew from what a store holds, for a paper or for slides. matplotlib is imported only to draw them."""

from collections.abc import Iterator, Sequence
from itertools import chain, starmap
from typing import TYPE_CHECKING

from finetune_client.errors import needing
from finetune_client.reports import report_of
from finetune_client.stores import Results
from finetune_core.results.schema import ResultsDocument
from finetune_core.search_layout import SearchLayout
from finetune_kube.kinds import SEARCH
from finetune_report.search.gather import gather, read_ends, read_plan

if TYPE_CHECKING:
    from finetune_report.canvas import Picture

LOOKS = ("paper", "slides", "report")
"""Names of `finetune_report.canvas.Look`, which needs matplotlib; a test holds them to it."""


def pictures_of(places: Sequence[Results], look: str) -> Iterator[tuple[str, "Picture"]]:
    """(name of the experiment or search, picture), notes included; under an empty name those over all experiments.

    ClientError where matplotlib or optuna is not installed, NotFoundError, StoreError.
    """
    with needing("plots need", "plots"):
        from finetune_report.canvas import Look, looking  # noqa: PLC0415
        from finetune_report.search.plots import plot_task  # noqa: F401, PLC0415
    with looking(Look(look)):
        searches = [place for place in places if _is_search(place)]
        experiments = [(place, report_of(place).document) for place in places if place not in searches]
        yield from chain.from_iterable(map(_of_search, searches))
        yield from chain.from_iterable(starmap(_of_experiment, experiments))
        documents = [document for _, document in experiments]
        if len(documents) > 1:
            yield from _of_all(documents)


def _is_search(place: Results) -> bool:
    """A bare name in a store may be of either kind."""
    if place.kind is not None:
        return place.kind == SEARCH
    return place.store.stat(SearchLayout(place.namespace, place.name).plan) is not None


def _of_experiment(place: Results, document: ResultsDocument) -> Iterator[tuple[str, "Picture"]]:
    from finetune_report.experiment.curves import read_curves  # noqa: PLC0415
    from finetune_report.experiment.plots import plot_experiment  # noqa: PLC0415

    for pictures in plot_experiment(document, read_curves(place.store, document)).values():
        yield from ((place.name, picture) for picture in pictures)


def _of_search(place: Results) -> Iterator[tuple[str, "Picture"]]:
    from finetune_report.search.plots import plot_task  # noqa: PLC0415

    layout = SearchLayout(place.namespace, place.name)
    plan = read_plan(place.store, layout)
    findings = gather(place.store, layout, plan, read_ends(place.store, layout, plan))
    for task in plan.order:
        yield from ((place.name, picture) for picture in plot_task(plan, findings, task))


def _of_all(documents: Sequence[ResultsDocument]) -> Iterator[tuple[str, "Picture"]]:
    from finetune_report.namespace_plots import plot_namespace  # noqa: PLC0415

    yield from (("", picture) for picture in plot_namespace(documents[0].namespace, documents))
