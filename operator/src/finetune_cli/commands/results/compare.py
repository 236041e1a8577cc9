"""`compare`: whether one experiment is better than another by more than seeds explain."""

from typing import Annotated

import typer
from rich.console import Group
from rich.text import Text

from finetune_cli.commands.common import Context, Namespace, StoreUri, experiment_names
from finetune_cli.commands.objects.changing import add as change
from finetune_cli.commands.results.results import Format, FormatOption, show
from finetune_cli.output import Output, console, emit, note, write
from finetune_cli.shown.comparison import WRITERS, comparison_page
from finetune_cli.shown.seeds import more_after, more_before, seeds_page
from finetune_client.errors import ClientError, UsageError
from finetune_client.exits import Exit
from finetune_client.finding import cluster
from finetune_client.result_sets import Where, both_documents, both_places
from finetune_client.row_by_row import compare_runs, statistics, with_items
from finetune_core.results.comparison.experiments import compare as compared
from finetune_core.results.comparison.schema import ItemComparison
from finetune_core.results.schema import ResultsDocument
from finetune_core.seeds.comparing import MOST, seeds_needed
from finetune_core.seeds.schema import SeedsNeeded
from finetune_core.tables.comparison_formats import items_csv
from finetune_core.tables.comparison_text import ITEMS_NOTE, item_words

_WHAT = "its name, or the URI or path of its folder (s3://bucket/prefix/team/first)."
Before = Annotated[
    str, typer.Argument(metavar="BEFORE", help=f"An experiment: {_WHAT}", autocompletion=experiment_names)
]
After = Annotated[
    str, typer.Argument(metavar="AFTER", help="The one to judge, named alike.", autocompletion=experiment_names)
]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(compare)


def compare(
    before: Before,
    after: After,
    namespace: Namespace = None,
    context: Context = None,
    store: StoreUri = None,
    output: FormatOption = Format.TABLE,
    items: Annotated[bool, typer.Option(help="Compare row by row too, by the dev predictions that runs keep.")] = True,
    runs: Annotated[
        tuple[str, str] | None,
        typer.Option(metavar="BEFORE AFTER", help="Only these two runs, by id or TASK/RUN, row by row."),
    ] = None,
    until_decided: Annotated[
        bool,
        typer.Option("--until-decided", help="Which tasks are decided, and the seeds that the others still need."),
    ] = False,
    most: Annotated[
        int, typer.Option("--max-seeds", min=2, max=100, help="With --until-decided: seeds of a task, at most.")
    ] = MOST,
    add: Annotated[
        bool, typer.Option("--add", help="With --until-decided: have these runs done, as `finetune add-runs` does.")
    ] = False,
) -> int:
    """Compare two experiments, untuned with tuned or dense with sparse: differences, and whether seeds explain them.

    Per task: a t test over seeds (paired where both have the same seeds), its interval, p with Holm's correction over
    the tasks, and a verdict on AFTER: better, worse, no significant difference, too few seeds, not tested, or
    not compared. Then row by row over the dev set, between the models that there are: McNemar's exact test and a
    paired bootstrap.

    With --until-decided instead: a group-sequential test, which may be looked at as seeds come in. It says which tasks
    are decided, and how many seeds the others need until the next look, up to --max-seeds; choose that number first,
    and keep it.
    """
    (t_test, item_tests), where = statistics(), Where(store, context, namespace, note)
    if until_decided:
        return _until_decided(seeds_needed(*_found(before, after, where), t_test, most), where, output, add=add)
    if add:
        raise UsageError("--add is for --until-decided", "Use `finetune add-runs` otherwise.")
    if runs is not None:
        first, second = both_places(before, after, where, one_will_do=True)
        return _show_runs(compare_runs((first, runs[0]), (second, runs[1]), item_tests), output)
    first, second = both_places(before, after, where)
    documents = both_documents((first, second), where)
    made = compared(*documents, t_test)
    if not made.tasks:
        raise ClientError(
            f"{made.before.name} and {made.after.name} have no task in common",
            f"The first has {', '.join(made.only_before)}; the second {', '.join(made.only_after)}.",
        )
    if items:
        made = with_items(made, (first, documents[0]), (second, documents[1]), item_tests)
    return show(made, comparison_page, WRITERS, output)


def _found(before: str, after: str, where: Where) -> tuple[ResultsDocument, ResultsDocument]:
    return both_documents(both_places(before, after, where), where)


def _until_decided(made: SeedsNeeded, where: Where, output: Format, *, add: bool) -> int:
    if output in {Format.TABLE, Format.WIDE}:
        console().print(seeds_page(made, wide=output == Format.WIDE))
    elif output.value in {one.value for one in Output}:
        emit(made.model_dump(mode="json", by_alias=True), Output(output.value))
    else:
        raise UsageError(f"-o {output.value} is not for --until-decided", "Use -o table, json or yaml.")
    if add:
        _add(made, where)
    return Exit.OK


def _add(made: SeedsNeeded, where: Where) -> None:
    if where.store is not None:
        raise UsageError("--add is for experiments of a cluster", "Leave out --store, or raise runs in the manifests.")
    for whose, more in ((made.before, more_before(made)), (made.after, more_after(made))):
        if more:
            change(cluster(where.context, whose.namespace), whose.experiment, more)


def _show_runs(made: ItemComparison, output: Format) -> int:
    if output in {Format.TABLE, Format.WIDE}:
        console().print(Group(Text(item_words(made)), Text(""), Text(ITEMS_NOTE, style="dim")))
    elif output == Format.CSV:
        write(items_csv([made]).decode())
    elif output.value in WRITERS:
        raise UsageError(f"-o {output.value} shows two experiments, not two runs", "Use -o csv, json or yaml.")
    else:
        emit(made.model_dump(mode="json", by_alias=True), Output(output.value))
    return Exit.OK
