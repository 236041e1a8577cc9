"""`results` and `best`: what came out."""

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Annotated, TypeVar

import typer
from pydantic import BaseModel
from rich.console import RenderableType

from finetune_cli.commands.common import AnyNames, Context, ExperimentName, Namespace, StoreUri
from finetune_cli.output import Output, OutputOption, console, emit, note, write
from finetune_cli.shown.results import best_of_status, best_page, best_rows, results_page
from finetune_cli.shown.results_table import WRITERS, comparison_page
from finetune_client.errors import NotFoundError, UsageError
from finetune_client.exits import Exit
from finetune_client.finding import cluster, find
from finetune_client.reports import report_of
from finetune_client.result_sets import Where, all_documents, documents_of
from finetune_client.stores import Results, results_of
from finetune_core.results.schema import ResultsDocument
from finetune_core.search_layout import SearchLayout
from finetune_core.tables.experiment import results_csv, results_markdown
from finetune_core.tables.results import Statistic, results_table
from finetune_kube.kinds import EXPERIMENT, SEARCH
from finetune_store import NotFoundError as NoObjectError
from finetune_store.documents import FILE_LIMIT

ShownT = TypeVar("ShownT", bound=BaseModel)


class Format(StrEnum):
    """Formats of results; LaTeX and HTML are those of the table over experiments."""

    TABLE = "table"
    WIDE = "wide"
    CSV = "csv"
    MARKDOWN = "md"
    LATEX = "latex"
    HTML = "html"
    JSON = "json"
    YAML = "yaml"


class Choice(StrEnum):
    """What the cells of the table over experiments show."""

    BEST = "best"
    MEAN = "mean"


FormatOption = Annotated[
    Format, typer.Option("--output", "-o", help="For people (table, wide, md, html), papers (latex) or programs.")
]
StatisticOption = Annotated[
    Choice | None,
    typer.Option(help="Of the table over experiments: the best run's figures, or mean ± std over runs. Default: best."),
]
AllOption = Annotated[bool, typer.Option("--all", help="All experiments of the namespace.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(results)
    app.command()(best)


def results(
    names: AnyNames = None,
    everything: AllOption = False,
    statistic: StatisticOption = None,
    namespace: Namespace = None,
    context: Context = None,
    store: StoreUri = None,
    output: FormatOption = Format.TABLE,
) -> int:
    """The results of an experiment (of the runs that have ended), or the summary of a search.

    Of several experiments, or with --all: the table that compares them.
    """
    if bool(names) == everything:
        raise UsageError(
            "say whose results: NAME... or --all" if not names else "--all is of all experiments: leave the names out",
            "finetune results first second; finetune results --all -n team",
        )
    where = Where(store, context, namespace, note)
    if names and len(set(names)) == 1 and statistic is None:
        return _one(names[0], where, output)
    documents = documents_of(names, where) if names else all_documents(where)
    return _compare(documents, Statistic((statistic or Choice.BEST).value.capitalize()), output)


def _one(name: str, where: Where, output: Format) -> int:
    place = results_of(name, store=where.store, context=where.context, namespace=where.namespace)
    if place.kind == SEARCH:
        return _summary(place, output)
    report = report_of(place)
    document = report.document
    if not report.whole:
        note("Not all runs have ended: these are the results so far.")
    match output:
        case Format.TABLE | Format.WIDE:
            console().print(results_page(document, wide=output == Format.WIDE))
        case Format.CSV:
            write(results_csv(document).decode())
        case Format.MARKDOWN:
            write(results_markdown(document).decode())
        case Format.LATEX | Format.HTML:
            return _compare([document], Statistic.BEST, output)
        case _:
            emit(document.model_dump(mode="json", by_alias=True), Output(output.value))
    return Exit.OK


def _compare(documents: list[ResultsDocument], statistic: Statistic, output: Format) -> int:
    """The table over experiments."""
    made = results_table(documents, statistic)
    return show(made, comparison_page, WRITERS, output)


def _summary(place: Results, output: Format) -> int:
    """A search's summary, as its report wrote it."""
    if output == Format.LATEX:
        raise UsageError("a search's summary is not written as LaTeX", "It comes as table, csv, md, json, yaml, html.")
    suffix = {Format.TABLE: "md", Format.WIDE: "md", Format.YAML: "json"}.get(output, output.value)
    try:
        write(place.store.get(SearchLayout(place.namespace, place.name).summary(suffix), limit=FILE_LIMIT).decode())
    except NoObjectError as error:
        raise NotFoundError(
            f"{place.name} has no summary yet: it is written when all trials have ended",
            f"finetune status hps/{place.name} shows the best trials so far.",
        ) from error
    return Exit.OK


def best(
    name: ExperimentName,
    namespace: Namespace = None,
    context: Context = None,
    store: StoreUri = None,
    output: OutputOption = Output.TABLE,
) -> int:
    """The best run of each task, and where it lies."""
    if store:
        place = results_of(name, store=store, context=context, namespace=namespace, kinds=(EXPERIMENT,))
        rows = best_rows(report_of(place).document)
    else:
        _, item = find(cluster(context, namespace), name, (EXPERIMENT,))
        rows = best_of_status(item.get("status") or {})
    if not output.for_people:
        emit(rows, output)
    elif rows:
        console().print(best_page(rows, wide=output == Output.WIDE), soft_wrap=True)
    else:
        note("No run has a result yet.")
    return Exit.OK


def show(
    made: ShownT, page: Callable[..., RenderableType], writers: Mapping[str, Callable[[ShownT], bytes]], output: Format
) -> int:
    """Print something as it is asked for: for people, by the writer of that format, or as it is."""
    if output in {Format.TABLE, Format.WIDE}:
        console().print(page(made, wide=output == Format.WIDE))
    elif output.value in writers:
        write(writers[output.value](made).decode())
    else:
        emit(made.model_dump(mode="json", by_alias=True), Output(output.value))
    return Exit.OK
